"""Whole decisions on verdict tables: 120 scores and 120 pairs of 40 prompts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judgeforge.errors import InputError
from judgeforge.params import Params, PromoteParams, load_params
from judgeforge.promote.candidate import Candidate
from judgeforge.promote.decision import Decision
from judgeforge.promote.gate import Standing, decide
from judgeforge.promote.limits import Drawing
from tests.evaluations import build_candidate

ROOT = Path(__file__).resolve().parents[3]
PARAMS = PromoteParams(
    model_name="judge",
    judge="merged",
    primary=("d/pearson", "p/accuracy"),
    margin=0.05,
    alpha=0.05,
    max_unparsable_rate=0.05,
    approval=False,
    weights="upload",
    remote=None,
    keep_champions=3,
    keep_days=30,
    max_swap_inconsistency=0.5,
    max_position_bias=0.2,
    max_length_bias=0.2,
    licence=None,
    base_licence=None,
)
DRAWING = Drawing(alpha=0.05, resamples=300, seed=1)
SOME, MORE, MANY = range(0, 120, 12), range(0, 120, 6), range(0, 120, 3)


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture
def judge(tmp_path: Path, params: Params) -> Any:
    made = iter(range(100))
    return lambda *wrong, **options: build_candidate(tmp_path / str(next(made)), params.evaluate, *wrong, **options)


def ask(
    challenger: Candidate, *others: Candidate | None, rivals: Any = None, params: PromoteParams = PARAMS
) -> Decision:
    names = ("the champion", "the first champion")
    standings = [Standing(name, other) for name, other in zip(names, others, strict=False)]
    return decide(challenger, standings, rivals or {}, params, DRAWING)


def list_verdicts(decision: Decision, *kinds: str) -> dict[str, str]:
    return {
        f"{check.name}{f' against {check.against}' if check.against else ''}": check.verdict
        for check in decision.checks
        if check.kind in kinds
    }


def test_a_first_champion_beats_every_rival_on_every_primary_measure(judge: Any) -> None:
    rivals = {"base": judge(mute=range(120)), "random": judge(MANY, MANY)}
    decision = ask(judge(), rivals=rivals)
    assert (decision.rule, decision.outcome) == ("first", "promoted")
    assert decision.summary == "Promoted as the first champion: better than base and random on every primary measure."
    assert list_verdicts(decision, "rival") == dict.fromkeys(
        [f"{name} against {rival}" for name in PARAMS.primary for rival in ("base", "random")], "passed"
    )
    undefined = next(check for check in decision.checks if check.name == "d/pearson" and check.against == "base")
    assert undefined.other == 0, "a correlation that is undefined counts as chance"


def test_a_first_champion_that_is_no_better_than_one_rival_somewhere_is_refused(judge: Any) -> None:
    decision = ask(judge(), rivals={"base": judge(MANY, MANY), "longer": judge(MANY)})
    assert decision.outcome == "refused"
    assert decision.summary == (
        "Not promoted: p/accuracy against longer is +0.000 (-0.019 to +0.019, 120 items) where better is asked."
    )


def test_a_rival_that_could_judge_one_item_alone_can_be_beaten(judge: Any) -> None:
    """Its correlation rests on one prompt: it is undefined without it, and on a third of the resamples."""
    decision = ask(judge(), rivals={"base": judge(mute=range(1, 120))})
    assert list_verdicts(decision, "rival")["d/pearson against base"] == "passed"
    assert decision.outcome == "promoted"


def test_a_first_champion_without_rivals_is_held_against_chance(judge: Any) -> None:
    assert ask(judge()).outcome == "promoted"
    by_lot = judge(range(0, 120, 2), fickle=range(0, 120, 1))
    decision = ask(by_lot, params=PARAMS.model_copy(update={"max_swap_inconsistency": 1.0, "max_position_bias": 1.0}))
    assert decision.outcome != "promoted"
    assert set(list_verdicts(decision, "rival")) == {"d/pearson against chance", "p/accuracy against chance"}


def test_agreement_has_no_chance_value_to_be_better_than(judge: Any) -> None:
    """Held against 0, a judge that always says the same would be better."""
    params = PARAMS.model_copy(update={"primary": ("d/exact_agreement",)})
    with pytest.raises(InputError, match="nobody to hold 'd/exact_agreement' against") as caught:
        ask(judge(), params=params)
    assert "matrix.references" in caught.value.remedy
    assert ask(judge(), rivals={"majority": judge(MANY)}, params=params).outcome == "promoted"


def test_too_few_resamples_to_show_a_gain_at_all_are_named(judge: Any) -> None:
    few = replace(DRAWING, resamples=79)
    with pytest.raises(InputError, match="79 resamples") as caught:
        decide(judge(), [Standing("the champion", judge(MANY))], {}, PARAMS, few)
    assert "evaluate.bootstrap_resamples to 80" in caught.value.remedy
    assert decide(judge(), [Standing("the champion", judge(MANY))], {}, PARAMS, replace(few, resamples=80)).checks


def test_a_successor_that_is_better_and_nowhere_worse_is_promoted(judge: Any) -> None:
    decision = ask(judge(SOME), judge(MANY))
    assert (decision.rule, decision.outcome) == ("successor", "promoted")
    gain = next(check for check in decision.checks if check.kind == "superiority")
    won = f"d/pearson by {gain.figure:.3f}"
    assert decision.summary == (
        f"Promoted: better than the champion on {won}, and on no benchmark that counts worse by 0.05 or more."
    )
    assert list_verdicts(decision, "superiority")["d/pearson against the champion"] == "passed"


def test_an_equal_judge_is_not_promoted(judge: Any) -> None:
    decision = ask(judge(SOME, SOME), judge(SOME, SOME))
    assert decision.outcome == "refused"
    assert set(list_verdicts(decision, "non_inferiority").values()) == {"passed"}
    assert "no gain over the champion is shown on a primary measure: d/pearson +0.000" in decision.summary


def test_a_gain_here_does_not_pay_for_a_loss_there(judge: Any) -> None:
    decision = ask(judge((), MANY), judge(MANY, ()))
    assert decision.outcome == "refused"
    assert "p/accuracy against the champion is -0.333" in decision.summary
    assert list_verdicts(decision, "superiority")["d/pearson against the champion"] == "passed"


def test_main_measures_that_are_not_primary_are_held_to_the_margin_too(judge: Any) -> None:
    params = PARAMS.model_copy(update={"primary": ("d/kendall",)})
    decision = ask(judge((), MANY), judge(MANY, ()), params=params)
    assert list_verdicts(decision, "non_inferiority") == {
        "d/kendall against the champion": "passed",
        "d/pearson against the champion": "passed",
        "p/accuracy against the champion": "failed",
    }


def test_small_losses_do_not_add_up(judge: Any) -> None:
    """Each judge is within the margin of the one before it; the last is not within the margin of the first."""
    first, champion, challenger = judge(MANY), judge(MORE, range(2)), judge((), range(4))
    assert ask(champion, first).outcome == "promoted"
    assert ask(challenger, champion).outcome == "promoted"
    decision = ask(challenger, champion, first)
    assert decision.outcome == "refused"
    assert list_verdicts(decision, "non_inferiority")["p/accuracy against the first champion"] == "failed"
    assert not any("first" in name for name in list_verdicts(decision, "superiority"))


def test_too_few_items_for_the_margin_is_no_pass(judge: Any) -> None:
    one, other = judge(MANY, range(0, 120, 5)), judge(MANY, range(2, 120, 5))
    decision = ask(one, other, params=PARAMS.model_copy(update={"primary": ("p/accuracy",)}))
    assert decision.outcome == "undecided"
    check = next(each for each in decision.checks if each.kind == "non_inferiority" and each.verdict == "undecided")
    assert check.name == "p/accuracy" and check.needed > check.items == 120
    assert decision.summary.startswith("Cannot decide: p/accuracy against the champion is +0.000")
    assert (
        f"too few items to tell whether it is less than 0.05 worse (about {check.needed:,} are needed)"
        in decision.summary
    )


@pytest.mark.parametrize(
    ("options", "failed"),
    [
        ({"mute": range(6)}, set()),  # 1 - 0.95 is a little more than 0.05
        ({"mute": range(7)}, {"d/unparsable_rate", "p/unparsable_rate"}),
        ({"fickle": range(61)}, {"p/swap_inconsistency", "p/position_bias"}),
        ({"fickle": range(59)}, {"p/position_bias"}),
        ({"fickle": range(40)}, set()),
    ],
)
def test_limits(judge: Any, options: dict[str, Any], failed: set[str]) -> None:
    found = list_verdicts(ask(judge(**options), judge(MANY, MANY)), "limit")
    assert {name for name, verdict in found.items() if verdict == "failed"} == failed
    assert set(found) == {"d/unparsable_rate", "p/unparsable_rate"} | {
        f"p/{name}" for name in ("swap_inconsistency", "position_bias", "length_bias")
    }


def test_a_limit_holds_to_either_side_and_only_where_there_is_something_to_measure(judge: Any) -> None:
    # Of 120 pairs, 13 or 14 have responses of equal length; of the others, these prefer the shorter one wrongly.
    strict = PARAMS.model_copy(update={"max_length_bias": 0.0})
    leaning = judge((), [index for index in range(120) if 5 + index % 9 > 9 and index % 2])
    check = next(each for each in ask(leaning, params=strict).checks if each.measure == "length_bias")
    assert check.figure < 0 and check.verdict == "failed"
    dumb = judge(mute=range(120))
    assert set(list_verdicts(ask(dumb, judge(MANY)), "limit")) == {"d/unparsable_rate", "p/unparsable_rate"}


def test_a_benchmark_that_was_trained_on_decides_nothing(judge: Any) -> None:
    scores = PARAMS.model_copy(update={"primary": ("d/pearson",)})
    seen = judge((), MANY, seen={"p": range(13)})
    decision = ask(seen, judge(MANY), params=scores)
    assert decision.outcome == "promoted"
    assert {check.benchmark for check in decision.checks} == {"d"}
    assert decision.notes == ("p does not count: too many of its items were in the challenger's training sets.",)
    against = ask(judge((), MANY), judge(MANY, seen={"p": range(13)}), params=scores)
    assert against.outcome == "promoted"
    assert "p does not count against the champion" in against.notes[0]
    with pytest.raises(InputError, match="too many of that benchmark's items were trained on"):
        ask(seen, judge(MANY))


def test_items_that_either_was_trained_on_are_left_out(judge: Any) -> None:
    decision = ask(judge(seen={"d": range(6)}), judge(MANY, seen={"d": range(3, 9)}))
    assert {check.items for check in decision.checks if check.benchmark == "d" and check.kind != "limit"} == {111}


def test_a_lost_champion_leaves_the_question_open(judge: Any) -> None:
    decision = ask(judge(), None)
    assert (decision.rule, decision.outcome) == ("successor", "undecided")
    assert decision.summary == (
        "Cannot decide: d/pearson against the champion is undefined: there are no items to compare; p/accuracy against "
        "the champion is undefined: there are no items to compare; no primary measure can be compared with the "
        "champion's."
    )


def test_a_lost_first_champion_is_not_taken_for_one_that_was_beaten(judge: Any) -> None:
    decision = ask(judge(), judge(MANY), None)
    assert decision.outcome == "undecided"
    assert list_verdicts(decision, "non_inferiority")["d/pearson against the first champion"] == "undecided"


def test_a_benchmark_that_the_champion_was_not_measured_on_is_not_passed_over(judge: Any) -> None:
    champion = judge(MANY)
    champion = replace(champion, formats={"d": "direct"}, judged=champion.select("d"))
    decision = ask(judge(), champion)
    assert decision.outcome == "undecided"
    assert list_verdicts(decision, "non_inferiority") == {
        "d/pearson against the champion": "passed",
        "p/accuracy against the champion": "undecided",
    }


@pytest.mark.parametrize("measure", ["x/pearson", "d/accuracy", "pearson"])
def test_a_primary_measure_that_was_not_taken_is_named(judge: Any, measure: str) -> None:
    with pytest.raises(InputError, match=measure):
        ask(judge(), params=PARAMS.model_copy(update={"primary": (measure,)}))


def test_a_measure_of_which_less_is_better_cannot_be_primary(judge: Any) -> None:
    with pytest.raises(InputError, match="more is not better"):
        ask(judge(), params=PARAMS.model_copy(update={"primary": ("d/mae",)}))
