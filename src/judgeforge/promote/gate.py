"""Whether a challenger becomes champion: a pure decision on two sets of metrics.

It compares point estimates, with a margin: it takes no account of how far they would vary over other items.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.grading.records import Format
from judgeforge.params import PromoteParams
from judgeforge.statistics import CHANCE, MAIN_MEASURE


class Measure(BaseModel):
    """A figure; None where it is undefined, as a correlation with a judge that always says the same."""

    model_config = ConfigDict(frozen=True)

    value: float | None


class BenchmarkMetrics(BaseModel):
    """What the gate reads of a judge's entry in reports/metrics.json.

    Args:
        unparsable_rate: None where the benchmark has no items left to measure.
        barred: so many of its items were trained on that no decision rests on it.
        metrics: by name.
    """

    model_config = ConfigDict(frozen=True)

    format: Format
    unparsable_rate: float | None
    barred: bool = False
    metrics: dict[str, Measure]


JudgeMetrics = Mapping[str, BenchmarkMetrics]
"""By benchmark."""

_PRIMARY = ("pearson", "spearman", "kendall", "exact_agreement", "accuracy")
"""Measures fit for a gate: more is better, and a missing verdict never helps."""


class Check(BaseModel):
    """One condition: ``figure`` must be ``relation`` ``threshold``.

    Args:
        name: what is measured, and against what.
        figure: the challenger's; None: undefined, which passes nothing.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    figure: float | None
    relation: Literal["above", "at least", "at most"]
    threshold: float

    @property
    def passed(self) -> bool:
        """Whether the condition holds."""
        if self.figure is None:
            return False
        return {
            "above": self.figure > self.threshold,
            "at least": self.figure >= self.threshold,
            "at most": self.figure <= self.threshold,
        }[self.relation]

    def explain(self) -> str:
        """Say it in half a sentence."""
        figure = "undefined" if self.figure is None else f"{self.figure:.3f}"
        return f"{self.name} is {figure} where {self.relation} {self.threshold:.3f} is asked"


class Decision(BaseModel):
    """What the gate found.

    Args:
        rule: ``first`` (there is no champion yet) or ``successor``.
        promoted: whether every check holds.
        summary: one sentence for a person.
    """

    model_config = ConfigDict(frozen=True)

    rule: Literal["first", "successor"]
    promoted: bool
    summary: str
    checks: tuple[Check, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready, with the outcome of each check."""
        checks = [check.model_dump() | {"passed": check.passed} for check in self.checks]
        return self.model_dump(exclude={"checks"}) | {"checks": checks}


def load_metrics(path: Path) -> dict[str, JudgeMetrics]:
    """Read reports/metrics.json: judge to benchmark to metrics.

    Raises:
        InputError: it is missing, broken, or not of that shape.
    """
    document = load_json(path)
    judges = document if isinstance(document, dict) else {}
    try:
        return {
            judge: {name: BenchmarkMetrics.model_validate(entry) for name, entry in benchmarks.items()}
            for judge, benchmarks in judges.items()
            if judge != "differences"
        }
    except (ValidationError, AttributeError) as error:
        raise InputError(
            f"{path} is not a table of judges' metrics.", "write it again with 'dvc repro report'."
        ) from error


def decide(
    challenger: JudgeMetrics,
    champion: JudgeMetrics | None,
    rivals: Mapping[str, JudgeMetrics],
    params: PromoteParams,
) -> Decision:
    """Decide by the first champion's rule where ``champion`` is None, otherwise by the successor's.

    The first must beat every rival on every primary measure. A successor must beat the champion on at least one primary
    measure and stay within the margin on every main measure that both have. Both must keep to the verdict's format.

    Args:
        challenger: of the judge to promote.
        champion: of the judge to replace.
        rivals: the base model and the trivial references, measured beside the challenger.
        params: the section ``promote``.

    Raises:
        InputError: a primary measure was not taken of the challenger.
    """
    _require_primary(challenger, params)
    checks = list(_check_format(challenger, params.max_unparsable_rate))
    if champion is None:
        checks += _check_against_rivals(challenger, rivals, params)
    else:
        checks += _check_against_champion(challenger, champion, params)
    failed = [check for check in checks if not check.passed]
    rule: Literal["first", "successor"] = "first" if champion is None else "successor"
    return Decision(rule=rule, promoted=not failed, summary=_summarise(failed, rule, rivals), checks=tuple(checks))


def _require_primary(challenger: JudgeMetrics, params: PromoteParams) -> None:
    for measure in params.primary:
        if measure.rpartition("/")[2] not in _PRIMARY:
            raise InputError(
                f"promote.primary names {measure!r}, of which more is not better.",
                f"take one of {', '.join(_PRIMARY)}.",
            )
        if not _has(challenger, measure):
            raise InputError(
                f"promote.primary names {measure!r}, which was not measured of the judge {params.judge!r}.",
                "name BENCHMARK/METRIC as in reports/metrics.json, or add the benchmark to evaluate.benchmarks.",
            )
        if challenger[measure.rpartition("/")[0]].barred:
            raise InputError(
                f"promote.primary names {measure!r}, and too many of that benchmark's items were trained on.",
                "name a benchmark that the training sets leave alone (docs/contamination.md).",
            )


def _value(judge: JudgeMetrics, measure: str) -> float | None:
    benchmark, _, name = measure.rpartition("/")
    return judge[benchmark].metrics[name].value


def _has(judge: JudgeMetrics, measure: str) -> bool:
    benchmark, _, name = measure.rpartition("/")
    return benchmark in judge and name in judge[benchmark].metrics


def _threshold(judge: JudgeMetrics, measure: str) -> float:
    """Return what is to be beaten. A constant judge's correlation is undefined: it knows no more than chance."""
    value = _value(judge, measure)
    return CHANCE[judge[measure.rpartition("/")[0]].format] if value is None else value


def _check_format(challenger: JudgeMetrics, limit: float) -> Iterator[Check]:
    for benchmark, entry in challenger.items():
        if entry.barred:
            continue
        name = f"{benchmark}/unparsable_rate"
        yield Check(name=name, figure=entry.unparsable_rate, relation="at most", threshold=limit)


def _check_against_rivals(
    challenger: JudgeMetrics, rivals: Mapping[str, JudgeMetrics], params: PromoteParams
) -> Iterator[Check]:
    for measure in params.primary:
        for rival, metrics in rivals.items():
            if _has(metrics, measure):
                yield Check(
                    name=f"{measure} against {rival}",
                    figure=_value(challenger, measure),
                    relation="above",
                    threshold=_threshold(metrics, measure),
                )


def _check_against_champion(challenger: JudgeMetrics, champion: JudgeMetrics, params: PromoteParams) -> Iterator[Check]:
    gains = [
        value - _threshold(champion, measure)
        for measure in params.primary
        if _has(champion, measure) and (value := _value(challenger, measure)) is not None
    ]
    best = max(gains, default=None)
    yield Check(name="best gain over the champion on a primary measure", figure=best, relation="above", threshold=0.0)
    main = [f"{name}/{MAIN_MEASURE[entry.format]}" for name, entry in challenger.items() if not entry.barred]
    for measure in dict.fromkeys([*params.primary, *main]):
        if _has(champion, measure) and _has(challenger, measure):
            yield Check(
                name=f"{measure} against the champion",
                figure=_value(challenger, measure),
                relation="at least",
                threshold=_threshold(champion, measure) - params.margin,
            )


def _summarise(failed: list[Check], rule: str, rivals: Mapping[str, JudgeMetrics]) -> str:
    if failed:
        return f"Not promoted: {'; '.join(check.explain() for check in failed)}."
    if rule == "first":
        beaten = f"better than {', '.join(rivals)} on every primary measure" if rivals else "no rival was measured"
        return f"Promoted as the first champion: {beaten}."
    return "Promoted: better than the champion on a primary measure and within the margin on every other."
