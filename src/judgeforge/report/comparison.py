"""How the judges stand to one another: the metrics file, and for each benchmark what the subject is above."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from judgeforge.report.sources import Evaluation, Sources
from judgeforge.statistics import CHANCE, MAIN_MEASURE, Interval, compute_difference

Standing = Literal["above", "unclear", "below"]
Difference = Mapping[str, float | None]


@dataclass(frozen=True)
class Check:
    """The subject against one rival on one benchmark.

    Args:
        rival: ``chance``, ``base`` or ``trivial``.
        name: of the rival judge; for ``trivial`` the one that comes closest.
        difference: subject less rival.
        stands_in: chance was compared with instead, since the rival's own measure is undefined.
    """

    rival: str
    name: str
    standing: Standing
    difference: Difference
    stands_in: bool = False


def compute_differences(sources: Sources) -> dict[str, dict[str, Any]]:
    """Compute the subject's main measure less every other judge's, by judge and benchmark, with paired intervals.

    Raises:
        InputError: two judges judged different items.
    """
    subject = sources.subject
    return {
        other.judge: {name: _compare(subject, other, name) for name in subject.metrics if name in other.metrics}
        for other in sources.evaluations
        if other is not subject
    }


def build_metrics(sources: Sources, differences: Mapping[str, Any]) -> dict[str, Any]:
    """Build the content of the metrics file: each judge's metrics by benchmark, and ``differences``."""
    metrics: dict[str, Any] = {evaluation.judge: evaluation.metrics for evaluation in sources.evaluations}
    return metrics | {"differences": dict(differences)}


def check_subject(sources: Sources, differences: Mapping[str, Any], benchmark: str) -> list[Check]:
    """Hold the subject against chance, the untaught models and the trivial judges on one benchmark."""
    entry = sources.subject.metrics[benchmark]
    chance = CHANCE[entry["format"]]
    figure = entry["metrics"][MAIN_MEASURE[entry["format"]]]
    to_chance = {key: None if value is None else value - chance for key, value in figure.items()}
    checks = [Check("chance", "chance", _judge_standing(to_chance), to_chance)]

    def compare(name: str, rival: str) -> Check:
        found = differences[name][benchmark]
        stands_in = found["value"] is None
        difference = to_chance if stands_in else {key: found[key] for key in ("value", "low", "high")}
        return Check(rival, name, _judge_standing(difference), difference, stands_in)

    known = {name for name, found in differences.items() if benchmark in found}
    checks += [compare(name, name) for name in ("base", "form") if name in known]
    trivial = [
        compare(each.judge, "trivial") for each in sources.evaluations if each.is_reference and each.judge in known
    ]
    if trivial:
        checks.append(min(trivial, key=_closeness))
    return checks


def _compare(subject: Evaluation, other: Evaluation, benchmark: str) -> dict[str, Any]:
    entry = subject.metrics[benchmark]
    measure = MAIN_MEASURE[entry["format"]]
    interval: Interval = compute_difference(
        subject.select(benchmark), other.select(benchmark), measure, **entry["bootstrap"]
    )
    return {"measure": measure} | interval.to_json()


def _judge_standing(difference: Difference) -> Standing:
    low, high = difference["low"], difference["high"]
    if low is None or high is None:
        return "unclear"
    return "above" if low > 0 else "below" if high < 0 else "unclear"


def _closeness(check: Check) -> float:
    """Order by the lower end of the difference: the rival least clearly beaten first."""
    low = check.difference["low"]
    return -float("inf") if low is None else low
