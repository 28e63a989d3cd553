"""What the gate concludes from a difference and its interval, worked by hand."""

import pytest

from judgeforge.promote.checks import Contrast, check_not_inferior, check_rival, check_superior, count_needed
from judgeforge.promote.decision import Check, conclude
from judgeforge.statistics import Interval
from judgeforge.statistics.one_sided import OneSided

MARGIN, ALPHA = 0.05, 0.05


def build(
    value: float | None, low: float | None = None, high: float | None = None, p: float | None = None, items: int = 300
) -> Contrast:
    found = OneSided(Interval(value, low, high), p, items, items // 3)
    return Contrast("d/pearson", "the champion", None if value is None else 0.5 + value, 0.5, found)


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.00, -0.04, 0.04, "passed"),
        (-0.03, -0.049, -0.011, "passed"),  # worse beyond chance, but by less than the margin
        (-0.03, -0.05, -0.01, "failed"),  # worse beyond chance, and perhaps by the margin
        (-0.02, -0.06, 0.02, "failed"),  # an equal judge would have had -0.04 to 0.04 and passed
        (0.01, -0.05, 0.07, "undecided"),  # an equal judge would have had -0.06 to 0.06
        (-0.04, -0.091, 0.011, "undecided"),  # an equal judge would have had -0.051
        (-0.20, -0.30, -0.10, "failed"),
        (0.02, None, None, "undecided"),
        (None, None, None, "failed"),  # the challenger always says the same
    ],
)
def test_not_inferior(value: float | None, low: float | None, high: float | None, verdict: str) -> None:
    check = check_not_inferior(build(value, low, high), MARGIN, ALPHA)
    assert (check.verdict, check.threshold, check.kind) == (verdict, -0.05, "non_inferiority")
    assert check.interval == (None if low is None else (low, high))


def test_nothing_to_compare_is_undecided() -> None:
    assert check_not_inferior(build(None, items=0), MARGIN, ALPHA).verdict == "undecided"


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.10, 0.01, 0.19, "passed"),
        (0.10, 0.00, 0.20, "undecided"),  # a judge better by 0.05 would have had -0.05 to 0.15
        (0.01, -0.03, 0.05, "failed"),  # a judge better by 0.05 would have had 0.01 to 0.09
        (-0.10, -0.20, -0.01, "failed"),
        (None, None, None, "failed"),
    ],
)
def test_better_than_a_rival(value: float | None, low: float | None, high: float | None, verdict: str) -> None:
    assert check_rival(build(value, low, high), MARGIN, ALPHA).verdict == verdict


def test_superiority_is_corrected_for_the_number_of_primary_measures() -> None:
    alone = check_superior([build(0.05, 0.005, 0.095, p=0.03)], MARGIN, ALPHA)
    assert [check.verdict for check in alone] == ["passed"]
    # Holm: the smaller p twice, 0.06; the larger at least that.
    both = check_superior([build(0.05, 0.005, 0.095, p=0.03), build(0.05, 0.001, 0.099, p=0.04)], MARGIN, ALPHA)
    assert [check.p_holm for check in both] == pytest.approx([0.06, 0.06])
    # At half the level, 1.960 / 1.645 = 1.19 as wide: a judge better by 0.05 would have had 0.05 - 0.0536.
    assert [check.verdict for check in both] == ["undecided", "undecided"]
    narrow = check_superior([build(0.01, -0.03, 0.05, p=0.3), build(0.01, -0.032, 0.05, p=0.3)], MARGIN, ALPHA)
    assert [check.verdict for check in narrow] == ["failed", "undecided"], "0.0477 and 0.0500 wide"
    # A third that cannot be tested does not count: 0.02 twice is 0.04.
    some = [build(0.05, 0.01, 0.09, p=0.02), build(0.0, -0.06, 0.06, p=0.5), build(0.1)]
    three = check_superior(some, MARGIN, ALPHA)
    assert [check.verdict for check in three] == ["passed", "undecided", "undecided"]
    assert [check.p_holm for check in three] == [pytest.approx(0.04), 0.5, None]


def test_the_items_needed_follow_from_the_width() -> None:
    # 90% interval of +-0.1 over 100 prompts: standard error 0.1 / 1.645 = 0.0608. A power of 80% at a margin of 0.05
    # asks for 0.05 / (1.645 + 0.842) = 0.0201: 9.14 times the prompts, 915, of 3 items each.
    assert count_needed(build(0.0, -0.1, 0.1), 0.05, ALPHA) == 2745
    assert count_needed(build(0.0, -0.1, 0.1), 0.1, ALPHA) == 687
    # One of two claims: 0.05 / (1.960 + 0.842) = 0.01784, 11.61 times the prompts.
    assert count_needed(build(0.0, -0.1, 0.1), 0.05, ALPHA, claims=2) == pytest.approx(3483, abs=6)
    assert count_needed(build(0.0), 0.05, ALPHA) is None
    assert count_needed(build(0.0, -0.1, 0.1), 0.0, ALPHA) is None
    check = check_not_inferior(build(0.0, -0.1, 0.1), MARGIN, ALPHA)
    assert (check.verdict, check.needed) == ("undecided", 2745)
    assert check_not_inferior(build(0.2, 0.1, 0.3), MARGIN, ALPHA).needed is None


def check(kind: str, verdict: str) -> Check:
    return build(0.0, -0.1, 0.1).build_check(kind=kind, threshold=0.0, verdict=verdict)


P, F, U = "passed", "failed", "undecided"


@pytest.mark.parametrize(
    ("limits", "margins", "gains", "outcome"),
    [
        ([P, P], [P, P], [P, P], "promoted"),
        ([P], [P], [F, P], "promoted"),  # one gain is enough
        ([P], [P], [U, P], "promoted"),
        ([P], [P], [F, F], "refused"),
        ([P], [P], [F, U], "undecided"),
        ([P], [P], [], "undecided"),
        ([F], [P], [P], "refused"),
        ([P], [F, U], [P], "refused"),
        ([P], [P, U], [P], "undecided"),
        ([U], [P], [P], "undecided"),
        ([P], [U], [F], "refused"),
    ],
)
def test_what_the_checks_of_a_successor_add_up_to(
    limits: list[str], margins: list[str], gains: list[str], outcome: str
) -> None:
    kinds = {"limit": limits, "non_inferiority": margins, "superiority": gains}
    assert conclude([check(kind, each) for kind, found in kinds.items() for each in found], "successor") == outcome


@pytest.mark.parametrize(
    ("rivals", "outcome"), [([P, P], "promoted"), ([P, F], "refused"), ([P, U], "undecided"), ([], "undecided")]
)
def test_what_the_checks_of_a_first_champion_add_up_to(rivals: list[str], outcome: str) -> None:
    assert conclude([check("limit", P), *(check("rival", each) for each in rivals)], "first") == outcome
