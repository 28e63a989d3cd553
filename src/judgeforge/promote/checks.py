"""The challenger against another judge on the same items: non-inferiority, superiority, and a first champion's rivals.

Formulas and their sources: docs/promotion.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

from judgeforge.promote.candidate import Candidate
from judgeforge.promote.decision import Check, Verdict
from judgeforge.promote.limits import Drawing
from judgeforge.statistics import CHANCE, MEASURES, Interval, compute
from judgeforge.statistics.inference import compute_power_table, correct_holm
from judgeforge.statistics.one_sided import OneSided, assess
from judgeforge.statistics.paired import pair_up

CHANCE_ALONE = "chance"
"""In the place of a rival's name."""


@dataclass(frozen=True)
class Contrast:
    """The challenger less another judge on one measure.

    Args:
        name: BENCHMARK/METRIC.
        against: whom.
        challenger: the challenger's value.
        other: the other's; chance where that is undefined.
        found: the difference.
    """

    name: str
    against: str
    challenger: float | None
    other: float | None
    found: OneSided

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval, if one can be claimed."""
        low, high = self.found.interval.low, self.found.interval.high
        return None if low is None or high is None else (low, high)

    def build_check(self, **facts: object) -> Check:
        """Build a check of it; ``facts`` are what the check adds."""
        benchmark, _, measure = self.name.rpartition("/")
        return Check.model_validate(
            {
                "benchmark": benchmark,
                "measure": measure,
                "against": self.against,
                "challenger": self.challenger,
                "other": self.other,
                "figure": self.found.interval.value,
                "interval": self.ends,
                "items": self.found.items,
                "prompts": self.found.clusters,
                **facts,
            }
        )


def leave_open(against: str, name: str) -> Contrast:
    """Stand in for a comparison that cannot be made, so that it is not taken for one that was passed.

    Args:
        against: whom the challenger would be compared with.
        name: BENCHMARK/METRIC.
    """
    return Contrast(name, against, None, None, OneSided(Interval(None, None, None), None, 0, 0))


def contrast(challenger: Candidate, other: Candidate | None, against: str, name: str, drawing: Drawing) -> Contrast:
    """Compare two judges on the items that are contaminated for neither.

    Another judge whose correlation is undefined, since it always says the same, knows no more than chance; likewise on
    the resamples on which it does: else one that nearly always does could never be compared.

    Args:
        challenger: the one judge.
        other: the other; None: chance itself.
        against: its name.
        name: BENCHMARK/METRIC that both have.
        drawing: of the interval.

    Raises:
        InputError: they judged different items, or in different modes.
    """
    benchmark, _, metric = name.rpartition("/")
    first = challenger.select(benchmark)
    pair = pair_up(first, first if other is None else other.select(benchmark))
    measure, (own, others) = MEASURES[pair.format][metric], pair.sides
    sides, blind = (own,) if other is None else pair.sides, CHANCE[pair.format]
    found = assess(measure, sides, pair.clusters, chance=blind, **vars(drawing))
    if not found.items:
        return Contrast(name, against, None, None, found)
    rival = None if other is None else compute(measure, others)
    return Contrast(name, against, compute(measure, own), blind if rival is None else rival, found)


def check_not_inferior(each: Contrast, margin: float, alpha: float) -> Check:
    """Check that the challenger is not worse by the margin: the lower end lies above it.

    It failed where it is worse beyond chance, or where a judge that is just as good would have passed on these items.
    Otherwise, they are too few to tell.
    """
    verdict = _judge(each, -margin)
    needed = count_needed(each, margin, alpha) if verdict == "undecided" else None
    return each.build_check(kind="non_inferiority", threshold=-margin, verdict=verdict, needed=needed)


def check_rival(each: Contrast, margin: float, alpha: float) -> Check:
    """Check that a first champion is better than a rival: the lower end lies above 0.

    It failed where it is worse beyond chance, or where a judge better by the margin would have passed on these items.
    """
    verdict = _judge(each, 0.0, margin)
    seen = max(margin, each.found.interval.value or 0.0)
    needed = count_needed(each, seen, alpha) if verdict == "undecided" else None
    return each.build_check(kind="rival", threshold=0.0, verdict=verdict, needed=needed)


def check_superior(contrasts: Sequence[Contrast], margin: float, alpha: float) -> list[Check]:
    """Check on which primary measures the challenger is better than the champion, corrected for their number (Holm).

    It failed where it is worse beyond chance, or where a judge better by the margin would have passed on these items at
    the smallest level of the correction.
    """
    checks = []
    corrected = correct_holm([each.found.p for each in contrasts])
    claims = max(1, sum(p is not None for p in corrected))
    normal = NormalDist()
    stretch = normal.inv_cdf(1 - alpha / claims) / normal.inv_cdf(1 - alpha)
    for each, p in zip(contrasts, corrected, strict=True):
        passed = p is not None and p < alpha
        verdict: Verdict = "passed" if passed else _judge(each, 0.0, margin, may_pass=False, stretch=stretch)
        needed = count_needed(each, margin, alpha, claims) if verdict == "undecided" else None
        facts = {"verdict": verdict, "needed": needed, "p": each.found.p, "p_holm": p}
        checks.append(each.build_check(kind="superiority", threshold=0.0, **facts))
    return checks


def count_needed(each: Contrast, difference: float, alpha: float, claims: int = 1) -> int | None:
    """Say about how many items would tell a true difference, with a probability of 80%.

    By the interval at hand, whose width shrinks with the root of the prompts; None where there is no interval, or no
    difference to tell. Of one of several ``claims`` the level is divided by their number.
    """
    if each.ends is None or difference == 0:
        return None
    interval, prompts = each.found.interval, each.found.clusters
    table = compute_power_table(interval, prompts, [difference], confidence=1 - 2 * alpha, claims=claims)
    return None if table is None else ceil(table[difference] * each.found.items / each.found.clusters)


def _judge(
    each: Contrast, threshold: float, hoped: float = 0.0, *, may_pass: bool = True, stretch: float = 1.0
) -> Verdict:
    """Give the verdict.

    Args:
        each: the difference.
        threshold: its lower end must lie above it.
        hoped: the true difference of a judge that ought to pass.
        may_pass: the interval can show that.
        stretch: so much farther off the end lies at the level at which a judge passes.
    """
    value = each.found.interval.value
    if value is None:
        return "failed" if each.found.items else "undecided"
    if each.ends is None:
        return "undecided"
    low, high = each.ends
    if may_pass and low > threshold:
        return "passed"
    if high < 0:
        return "failed"
    return "undecided" if hoped - stretch * (value - low) <= threshold else "failed"
