from dataclasses import replace

import pytest

from judgeforge.report.comparison import Check, build_metrics, check_subject, compute_differences
from judgeforge.report.numbers import format_difference, format_figure, format_interval, format_share
from judgeforge.report.words import (
    build_headline,
    describe_check,
    describe_silence,
)

ABOVE = {"value": 0.3, "low": 0.2, "high": 0.4}
UNCLEAR = {"value": 0.1, "low": -0.1, "high": 0.3}


def test_differences_are_merged_minus_every_other_judge(sources) -> None:
    differences = compute_differences(sources)
    assert list(differences) == ["base", "majority", "longer"]
    accuracy = {
        each.judge: each.metrics["embedded_pairwise"]["metrics"]["accuracy"]["value"] for each in sources.evaluations
    }
    for other in differences:
        found = differences[other]["embedded_pairwise"]
        assert found["measure"] == "accuracy"
        assert found["value"] == pytest.approx(accuracy["merged"] - accuracy[other])
        assert found["low"] <= found["value"] <= found["high"]


def test_the_difference_to_a_constant_judge_is_undefined_in_correlation(sources) -> None:
    found = compute_differences(sources)["majority"]["embedded_direct"]
    assert (found["value"], found["low"], found["high"]) == (None, None, None)


def test_the_metrics_file_holds_every_judge_and_the_differences(sources) -> None:
    metrics = build_metrics(sources, {"base": {}})
    assert set(metrics) == {"base", "merged", "majority", "longer", "differences"}
    assert metrics["merged"]["embedded_direct"]["metrics"]["pearson"]["value"] > 0.8


def test_chance_stands_in_for_a_judge_whose_measure_is_undefined(sources) -> None:
    chance, base, trivial = check_subject(sources, compute_differences(sources), "embedded_direct")
    assert (chance.rival, chance.standing, chance.stands_in) == ("chance", "above", False)
    assert (base.rival, base.standing, base.stands_in) == ("base", "above", True)
    assert trivial.rival == "trivial"
    assert base.difference == chance.difference


def test_the_trivial_judge_shown_is_the_least_clearly_beaten(sources) -> None:
    differences = compute_differences(sources)
    trivial = check_subject(sources, differences, "embedded_pairwise")[-1]
    lows = {name: differences[name]["embedded_pairwise"]["low"] for name in ("majority", "longer")}
    assert trivial.name == min(lows, key=lows.__getitem__)


def test_without_base_and_references_only_chance_is_left(sources) -> None:
    alone = replace(sources, evaluations=(sources.subject,))
    assert [check.rival for check in check_subject(alone, {}, "embedded_direct")] == ["chance"]


def test_the_headline_says_so_only_if_every_difference_is_clear() -> None:
    good = [Check("chance", "chance", "above", ABOVE), Check("base", "base", "above", ABOVE)]
    assert build_headline("merged", {"mt_bench": good, "x": good}) == (
        "The merged judge is clearly above chance and the base model on both benchmarks."
    )
    bad = [Check("chance", "chance", "above", ABOVE), Check("base", "base", "unclear", UNCLEAR)]
    text = build_headline("merged", {"mt_bench": bad, "x": good})
    assert text.startswith("The merged judge is clearly above chance and the base model on 1 of 2 benchmarks.")
    assert "on MT Bench not clearly above the base model" in text
    assert "on none of 1 benchmarks" in build_headline("merged", {"mt_bench": bad})
    assert build_headline("merged", {}).startswith("Nothing can be said")


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Check("chance", "chance", "above", ABOVE), "above chance: +30.0 points (+20.0 to +40.0)"),
        (Check("base", "base", "unclear", UNCLEAR), "not clearly above the base model: +10.0 points (−10.0 to +30.0)"),
        (
            Check("trivial", "longer", "above", ABOVE),
            "above every trivial judge (closest: longer): +30.0 points (+20.0 to +40.0)",
        ),
        (
            Check("base", "base", "above", ABOVE, stands_in=True),
            "above the base model, which ranks nothing (chance stands in): +30.0 points (+20.0 to +40.0)",
        ),
        (
            Check("base", "base", "unclear", {"value": None, "low": None, "high": None}),
            "cannot be compared with the base model",
        ),
    ],
    ids=["chance", "unclear", "trivial", "stand-in", "undefined"],
)
def test_checks_in_words(check: Check, expected: str) -> None:
    assert describe_check(check, "accuracy") == expected


def test_a_mostly_silent_base_is_warned_of() -> None:
    assert describe_silence({"mt_bench": 0.5, "x": None}) is None
    assert "MT Bench (98%)" in (describe_silence({"mt_bench": 0.98, "x": 0.1}) or "")


def test_numbers_keep_their_sign_and_never_round_to_a_false_none_or_all() -> None:
    assert [format_figure(value, "pearson") for value in (None, 0.714, -0.001, -0.5)] == ["–", "0.71", "0.00", "−0.50"]
    assert format_figure(0.8333, "accuracy") == "83.3%"
    assert [format_figure(value, "format_gap") for value in (0.0754, -0.0001, -0.02)] == ["+7.5", "0.0", "−2.0"]
    assert (format_figure(0.666, "pearson", True), format_figure(0.7466, "accuracy", True)) == ("0.666", "74.66%")
    assert (format_difference(-0.021, "accuracy"), format_difference(0.5, "pearson")) == ("−2.1 points", "+0.50")
    assert [format_share(share) for share in (None, 0, 0.001, 0.5, 0.999, 1)] == [
        "–",
        "0%",
        "<1%",
        "50%",
        ">99%",
        "100%",
    ]
    assert format_interval({"value": 0.5, "low": 0.4, "high": 0.625}, "accuracy") == "40.0 to 62.5%"
    assert format_interval({"value": 0.5, "low": None, "high": None}, "accuracy") == ""
