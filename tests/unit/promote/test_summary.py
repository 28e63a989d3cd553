import pytest

from judgeforge.promote.decision import Check, Decision, Record
from judgeforge.promote.summary import explain, render_markdown, summarise


def build(kind: str, measure: str = "d/pearson", **facts: object) -> Check:
    benchmark, _, name = measure.partition("/")
    defaults = {"against": "the champion", "challenger": 0.5, "other": 0.52, "figure": -0.02, "interval": (-0.06, 0.02)}
    defaults |= {"threshold": -0.05, "verdict": "undecided", "items": 300, "prompts": 100}
    return Check.model_validate({"kind": kind, "benchmark": benchmark, "measure": name, **defaults, **facts})


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (
            build("non_inferiority", needed=1200),
            "d/pearson against the champion is -0.020 (-0.060 to +0.020, 300 items): too few items to tell whether "
            "it is less than 0.05 worse (about 1,200 are needed)",
        ),
        (
            build("non_inferiority", verdict="failed"),
            "d/pearson against the champion is -0.020 (-0.060 to +0.020, 300 items) where less than 0.05 worse is "
            "asked",
        ),
        (
            build("rival", against="random", threshold=0.0, interval=None),
            "d/pearson against random is -0.020 (no interval: it is undefined too often, 300 items): too few items to "
            "tell whether it is better",
        ),
        (
            build("rival", against="random", threshold=0.0, interval=None, prompts=19),
            "d/pearson against random is -0.020 (no interval: 19 prompts, at least 20 are needed, 300 items): too few "
            "items to tell whether it is better",
        ),
        (build("rival", figure=None, verdict="failed"), "d/pearson against the champion is undefined"),
        (
            build("rival", figure=None, items=0),
            "d/pearson against the champion is undefined: there are no items to compare",
        ),
        (
            build("limit", "p/position_bias", against=None, figure=-0.3, threshold=0.2),
            "p/position_bias is -0.300 where at most 0.200 is allowed to either side",
        ),
        (
            build("limit", "d/unparsable_rate", against=None, figure=None, threshold=0.05),
            "d/unparsable_rate is undefined where at most 0.050 is allowed",
        ),
    ],
)
def test_a_check_in_words(check: Check, said: str) -> None:
    assert explain(check) == said


def test_what_could_not_be_decided_is_told_with_the_items_it_takes() -> None:
    gain = build("superiority", verdict="undecided", figure=0.01, interval=(-0.05, 0.07), threshold=0.0, needed=900)
    said = summarise("undecided", "successor", [gain], 0.05)
    assert said == (
        "Cannot decide: no gain over the champion is shown on a primary measure: d/pearson +0.010 (-0.050 to +0.070); "
        "about 900 items are needed."
    )


def test_a_gain_that_the_correction_takes_away_is_told_with_its_p() -> None:
    facts = {"figure": 0.05, "interval": (0.005, 0.095), "threshold": 0.0, "p": 0.03, "p_holm": 0.06}
    gains = [build("superiority", measure, verdict="undecided", **facts) for measure in ("d/pearson", "p/accuracy")]
    assert "d/pearson +0.050 (+0.005 to +0.095, p 0.060 of 2 measures)" in summarise(
        "undecided", "successor", gains, 0.05
    )


def test_a_refusal_names_what_failed_and_not_what_is_open() -> None:
    checks = [
        build("superiority", figure=0.01, interval=(-0.05, 0.07), threshold=0.0),
        build("non_inferiority", "p/accuracy", verdict="failed"),
        build("non_inferiority"),
    ]
    said = summarise("refused", "successor", checks, 0.05)
    assert said.startswith("Not promoted: p/accuracy against the champion is -0.020")
    assert "d/pearson" not in said


def test_the_page_says_first_what_a_manager_wants_to_know() -> None:
    decision = Decision(
        rule="successor",
        outcome="undecided",
        summary="Cannot decide: too few.",
        alpha=0.05,
        margin=0.05,
        checks=(
            build("non_inferiority", needed=1200),
            build("limit", "p/length_bias", against=None, verdict="passed"),
            build("superiority", verdict="failed", p=0.03, p_holm=0.0601),
        ),
        notes=("The champion was evaluated again.",),
    )
    record = Record(
        **{"who": "ada", "when": "2026-11-26T00:00:00+00:00", "why": "weekly", "forced": True, "model": "judge"},
        **{"version": "4", "champion": "3", "first_champion": "1", "decision": decision},
    )
    lines = render_markdown(record).splitlines()
    assert lines[0] == "# judge, version 4: undecided"
    assert lines[2] == "Cannot decide: too few. It was made champion all the same, by hand."
    assert lines[4] == "Asked by ada on 2026-11-26T00:00:00+00:00; champion 3. Reason given: weekly."
    assert lines[6] == "Margin 0.05; intervals of 90%, clustered by prompt."
    assert lines[10] == (
        "| d/pearson | the champion | not worse by the margin | 0.500 | 0.520 | -0.020 | -0.060 to +0.020 | -0.050 "
        "| 300 | 100 | **undecided** (about 1,200 items needed) |"
    )
    assert lines[11].endswith("| passed |")
    assert lines[12].endswith("| **failed** (p 0.060) |")
    assert lines[-1] == "- The champion was evaluated again."
    assert Record.model_validate_json(record.model_dump_json()) == record
