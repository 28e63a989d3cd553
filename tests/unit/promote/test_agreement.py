from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from judgeforge.errors import InputError
from judgeforge.params import Params, load_params
from judgeforge.promote.agreement import Agreement, compare_agreement
from judgeforge.promote.candidate import load_candidate
from judgeforge.promote.independent import compute_unpaired_difference
from judgeforge.statistics import Interval
from judgeforge.verdicts import VerdictRow
from tests.evaluations import build_candidate, build_rows, write_rows

ROOT = Path(__file__).parents[3]
FEW, MANY = range(0, 120, 12), range(0, 120, 3)
Compare = Callable[..., dict[str, Agreement]]


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture
def compare(params: Params, tmp_path: Path) -> Compare:
    """Compare a judge that gets some fresh items wrong with what it got wrong at its promotion."""
    engine = params.evaluate.model_copy(update={"bootstrap_resamples": 300})

    def run(now: Collection[int], then: Collection[int] | None, tolerated: float = 0.0, **least: float) -> Any:
        fresh = build_candidate(tmp_path / "fresh", engine, now, now)
        stored = None if then is None else build_candidate(tmp_path / "stored", engine, then, then)
        found = compare_agreement(fresh, stored, engine, params.promote, least=least, tolerated=tolerated)
        return {each.measure: each for each in found}

    return run


def test_newcombes_published_example() -> None:
    # Newcombe 1998, table II, (a): 56 of 70 less 48 of 80 is from 0.0524 to 0.3339.
    sides = [Interval(wins / of, *proportion_confint(wins, of, method="wilson")) for wins, of in ((56, 70), (48, 80))]
    found = compute_unpaired_difference(*sides)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    theirs = confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(theirs)


def test_without_an_interval_there_is_none_of_the_difference() -> None:
    assert compute_unpaired_difference(Interval(0.5, None, None), Interval(0.4, 0.3, 0.5)).high is None
    assert compute_unpaired_difference(Interval(None, None, None), Interval(0.4, 0.3, 0.5)).value is None


def test_a_judge_that_errs_as_before_agrees(compare: Compare) -> None:
    found = compare(FEW, FEW)
    assert {each.finding for each in found.values()} == {"agrees"}
    assert found["pearson"].against == "d at its promotion"
    assert found["accuracy"].difference.value == pytest.approx(0)


def test_a_judge_that_errs_four_times_as_often_fell(compare: Compare) -> None:
    found = compare(MANY, FEW)
    assert {each.finding for each in found.values()} == {"fell"}
    assert found["accuracy"].difference.high < 0
    assert found["accuracy"].fresh.value == pytest.approx(2 / 3)


def test_a_judge_that_improved_agrees(compare: Compare) -> None:
    assert {each.finding for each in compare(FEW, MANY).values()} == {"agrees"}


def test_a_fall_that_is_tolerated_is_none(compare: Compare) -> None:
    assert {each.finding for each in compare(MANY, FEW, tolerated=0.9).values()} == {"agrees"}


def test_a_stated_figure_takes_the_place_of_the_evidence(compare: Compare) -> None:
    found = compare(MANY, FEW, pearson=0.05, accuracy=0.9)
    assert found["pearson"].finding == "agrees"
    assert found["accuracy"].finding == "fell"
    assert found["accuracy"].reference == 0.9
    assert compare(FEW, None, pearson=0.5, accuracy=0.5)["accuracy"].finding == "agrees"


def test_with_nothing_to_hold_against_the_remedy_is_named(compare: Compare) -> None:
    with pytest.raises(InputError, match=r"least: \{pearson: 0.6\}"):
        compare(FEW, None)


def test_few_prompts_are_no_alarm_whatever_they_say(params: Params, tmp_path: Path) -> None:
    rows = [row for row in build_rows("merged", range(120), range(120)) if row.prompt_id < "q19"]
    fresh = load_candidate(write_rows(tmp_path, rows, params.evaluate))
    found = compare_agreement(
        fresh, None, params.evaluate, params.promote, least={"pearson": 0.5, "accuracy": 0.5}, tolerated=0
    )
    assert [each.finding for each in found] == ["too few rows"] * 2
    assert [each.prompts for each in found] == [19, 19]


def test_a_judge_that_says_nothing_any_more_fell(params: Params, tmp_path: Path) -> None:
    fresh = build_candidate(tmp_path, params.evaluate, mute=range(120))
    least = {"pearson": 0.5, "accuracy": 0.5}
    found = compare_agreement(fresh, None, params.evaluate, params.promote, least=least, tolerated=0)
    assert [each.finding for each in found] == ["fell", "fell"]
    assert found[0].fresh.value is None


def build_wide_rows(count: int, differ: int = 0, *, readable: int | None = None, golds: int = 5) -> list[VerdictRow]:
    """Build so many scores, a prompt each: 3 but for some that are right, or a few that are readable."""
    rows = []
    base = next(row for row in build_rows("merged") if row.benchmark == "d")
    for index in range(count):
        gold = 1 + (index + 3) % golds
        score = gold if index < differ else 3
        if readable is not None:
            score = gold if index < readable else None
        changes = {"item_id": f"i{index:03}", "prompt_id": f"q{index:03}", "gold_score": float(gold), "score": score}
        rows.append(base.model_copy(update=changes))
    return rows


@pytest.fixture
def compare_scores(params: Params, tmp_path: Path) -> Callable[..., Agreement]:
    """Compare a judge's scores of fresh rows with its stored ones, or with a stated figure."""
    engine = params.evaluate.model_copy(update={"bootstrap_resamples": 1000})

    def run(now: list[VerdictRow], then: list[VerdictRow] | None = None, **least: float) -> Agreement:
        fresh = load_candidate(write_rows(tmp_path / "now", now, engine))
        stored = None if then is None else load_candidate(write_rows(tmp_path / "then", then, engine))
        (found,) = compare_agreement(fresh, stored, engine, params.promote, least=least, tolerated=0.0)
        return found

    return run


@pytest.mark.parametrize("differ", [0, 1, 2, 3])
@pytest.mark.parametrize("stated", [True, False])
def test_a_judge_that_scores_nearly_all_alike_fell(
    compare_scores: Callable[..., Agreement], differ: int, stated: bool
) -> None:
    now = build_wide_rows(200, differ)
    found = compare_scores(now, pearson=0.6) if stated else compare_scores(now, build_wide_rows(200, 150))
    assert found.finding == "fell"
    if found.fresh.high is None:
        assert found.why == (
            f"the judge says the same of nearly all rows: {200 - differ} of 200 responses get the score 3"
        )
    assert (found.fresh.high is None) == (differ < 3)


@pytest.mark.parametrize("readable", [0, 1, 2])
def test_a_judge_that_is_mute_on_nearly_all_rows_fell(compare_scores: Callable[..., Agreement], readable: int) -> None:
    found = compare_scores(build_wide_rows(200, readable=readable), pearson=0.6)
    assert found.finding == "fell"
    assert f"{200 - readable} of 200 answers hold no verdict" in found.why


def test_people_who_score_nearly_all_alike_are_no_fall_of_the_judge(compare_scores: Callable[..., Agreement]) -> None:
    for gold in (1.0, 5.0):
        rows = build_wide_rows(200, 200, golds=1)
        rows[7] = rows[7].model_copy(update={"gold_score": gold})
        found = compare_scores(rows, pearson=0.6)
        assert found.finding == "too few rows"
        assert "people's own verdicts are the same on nearly all rows" in found.why


def test_a_stored_evaluation_of_too_few_prompts_is_a_finding_of_its_own(
    compare_scores: Callable[..., Agreement],
) -> None:
    found = compare_scores(build_wide_rows(200, 150), build_wide_rows(15, 15))
    assert found.finding == "no reference"
    assert found.why == "what it is held against has 15 prompts, and an interval needs 20 prompts at least"
    assert compare_scores(build_wide_rows(200, 1), build_wide_rows(15, 15)).finding == "fell"
    assert compare_scores(build_wide_rows(15, 15), build_wide_rows(15, 15)).finding == "too few rows"
    assert compare_scores(build_wide_rows(200, 150), build_wide_rows(200, 1)).finding == "no reference"


def test_a_mistyped_measure_is_refused_with_the_known_ones(compare: Compare) -> None:
    with pytest.raises(InputError, match=r"pearsn.*pearson or accuracy"):
        compare(FEW, FEW, pearsn=0.6)
