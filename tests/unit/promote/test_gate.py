from pathlib import Path
from typing import Any

import pytest

from judgeforge.errors import InputError
from judgeforge.files import write_json
from judgeforge.params import PromoteParams
from judgeforge.promote.gate import BenchmarkMetrics, decide, load_metrics

PARAMS = PromoteParams(
    model_name="judge",
    judge="merged",
    primary=("d/pearson", "p/accuracy"),
    margin=0.02,
    max_unparsable_rate=0.05,
)


def build(pearson: float | None, accuracy: float | None, unparsable: float | None = 0.0) -> dict[str, BenchmarkMetrics]:
    entries: dict[str, Any] = {"d": ("direct", "pearson", pearson), "p": ("pairwise", "accuracy", accuracy)}
    return {
        name: BenchmarkMetrics.model_validate(
            {"format": format, "unparsable_rate": unparsable, "metrics": {measure: {"value": value}}}
        )
        for name, (format, measure, value) in entries.items()
    }


RIVALS = {"base": build(0.1, 0.4), "majority": build(None, 0.5)}


def test_the_first_champion_must_beat_every_rival_on_every_primary_measure() -> None:
    decision = decide(build(0.3, 0.6), None, RIVALS, PARAMS)
    assert decision.promoted
    assert decision.rule == "first"
    assert decision.summary == "Promoted as the first champion: better than base, majority on every primary measure."
    assert [check.name for check in decision.checks] == [
        "d/unparsable_rate",
        "p/unparsable_rate",
        "d/pearson against base",
        "d/pearson against majority",
        "p/accuracy against base",
        "p/accuracy against majority",
    ]


@pytest.mark.parametrize(
    ("challenger", "said"),
    [
        (build(0.1, 0.6), "d/pearson against base is 0.100 where above 0.100 is asked"),
        (build(0.3, 0.5), "p/accuracy against majority is 0.500 where above 0.500 is asked"),
        (build(None, 0.6), "d/pearson against base is undefined"),
        (build(0.3, 0.6, unparsable=0.06), "d/unparsable_rate is 0.060 where at most 0.050 is asked"),
        (build(0.3, 0.6, unparsable=None), "d/unparsable_rate is undefined"),
    ],
)
def test_the_first_champion_is_refused_with_the_figure_that_fails(challenger: Any, said: str) -> None:
    decision = decide(challenger, None, RIVALS, PARAMS)
    assert not decision.promoted
    assert said in decision.summary


def test_a_rival_whose_correlation_is_undefined_counts_as_chance() -> None:
    assert not decide(build(-0.01, 0.6), None, {"majority": build(None, 0.5)}, PARAMS).promoted
    assert decide(build(0.01, 0.6), None, {"majority": build(None, 0.5)}, PARAMS).promoted


def test_a_rival_that_was_not_measured_on_a_benchmark_does_not_stand_in_the_way_there() -> None:
    rivals = {"longer": {"p": build(0, 0.7)["p"]}}
    assert decide(build(0.3, 0.8), None, rivals, PARAMS).promoted
    assert not decide(build(0.3, 0.6), None, rivals, PARAMS).promoted


@pytest.mark.parametrize(
    ("pearson", "accuracy", "promoted"),
    [
        (0.41, 0.70, True),  # better on one, equal on the other
        (0.41, 0.69, True),  # the other within the margin of 0.02
        (0.41, 0.67, False),  # the other beyond the margin
        (0.40, 0.70, False),  # equal on both
        (0.39, 0.71, True),
        (None, 0.90, False),
    ],
)
def test_a_successor_must_gain_somewhere_and_keep_within_the_margin(
    pearson: float | None, accuracy: float, promoted: bool
) -> None:
    decision = decide(build(pearson, accuracy), build(0.40, 0.70), RIVALS, PARAMS)
    assert decision.rule == "successor"
    assert decision.promoted is promoted


def test_a_main_measure_that_is_not_primary_may_not_fall_beyond_the_margin_either() -> None:
    params = PARAMS.model_copy(update={"primary": ("d/pearson",)})
    assert decide(build(0.5, 0.69), build(0.4, 0.70), {}, params).promoted
    assert not decide(build(0.5, 0.60), build(0.4, 0.70), {}, params).promoted


def test_without_a_shared_primary_measure_no_gain_can_be_shown() -> None:
    decision = decide(build(0.5, 0.9), {}, RIVALS, PARAMS)
    assert not decision.promoted
    assert "best gain over the champion on a primary measure is undefined" in decision.summary


@pytest.mark.parametrize("measure", ["x/pearson", "d/kendall", "pearson"])
def test_a_primary_measure_that_was_not_taken_is_named(measure: str) -> None:
    params = PARAMS.model_copy(update={"primary": (measure,)})
    with pytest.raises(InputError, match=measure):
        decide(build(0.3, 0.6), None, RIVALS, params)


def test_a_measure_of_which_less_is_better_cannot_be_primary() -> None:
    with pytest.raises(InputError, match="more is not better"):
        decide(build(0.3, 0.6), None, RIVALS, PARAMS.model_copy(update={"primary": ("d/mae",)}))


def test_a_decision_says_which_check_failed() -> None:
    document = decide(build(0.05, 0.6), None, RIVALS, PARAMS).to_json()
    failed = [check for check in document["checks"] if not check["passed"]]
    assert failed == [
        {
            "name": "d/pearson against base",
            "figure": 0.05,
            "relation": "above",
            "threshold": 0.1,
            "passed": False,
        }
    ]
    assert document["promoted"] is False


def test_metrics_are_read_from_the_reports_file_without_its_differences(tmp_path: Path) -> None:
    entry = {
        "format": "direct",
        "unparsable_rate": 0.0,
        "items": 3,
        "metrics": {"pearson": {"value": 0.5, "low": 0.1, "high": 0.9}},
    }
    write_json(tmp_path / "metrics.json", {"merged": {"d": entry}, "differences": {"any": ["thing"]}})
    metrics = load_metrics(tmp_path / "metrics.json")
    assert list(metrics) == ["merged"]
    assert metrics["merged"]["d"].metrics["pearson"].value == 0.5


@pytest.mark.parametrize("document", [{"merged": 1}, {"merged": {"d": {"format": "direct"}}}])
def test_metrics_of_another_shape_are_refused(tmp_path: Path, document: Any) -> None:
    write_json(tmp_path / "metrics.json", document)
    with pytest.raises(InputError, match="not a table of judges' metrics"):
        load_metrics(tmp_path / "metrics.json")


def test_a_benchmark_that_was_trained_on_decides_nothing() -> None:
    barred = build(0.9, 0.9, 0.5)["d"].model_copy(update={"barred": True})
    challenger = build(0.3, 0.6) | {"seen": barred}
    decision = decide(challenger, None, RIVALS, PARAMS)
    assert decision.promoted and not any("seen" in check.name for check in decision.checks)
    successor = decide(challenger, build(0.2, 0.5) | {"seen": build(0.99, 0.9)["d"]}, RIVALS, PARAMS)
    assert successor.promoted
    rests_on_it = PARAMS.model_copy(update={"primary": ("seen/pearson",)})
    with pytest.raises(InputError, match="too many of that benchmark's items were trained on"):
        decide(challenger, None, RIVALS, rests_on_it)
