"""One figure of one judge: measured, undefined, or never measured, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from judgeforge.grading.records import Format
from judgeforge.report.sources import Evaluation
from judgeforge.statistics import MAIN_MEASURE

State = Literal["measured", "undefined", "absent"]

EXTRAS: Mapping[Format, tuple[str, ...]] = {
    "direct": ("run_alpha",),
    "pairwise": (
        *("direct_for_pairwise_accuracy", "direct_for_pairwise_accuracy_with_ties", "format_gap"),
        *("run_alpha", "transitivity", "transitivity_tied"),
    ),
}
"""Measures that stand outside an entry's ``metrics``."""

_BOTH_ORDERS = ("accuracy_both_orders", "swap_consistency")
_GRADED = {
    "direct_for_pairwise_accuracy": "accuracy",
    "direct_for_pairwise_accuracy_with_ties": "accuracy_with_ties",
    "format_gap": "gap",
}


@dataclass(frozen=True)
class Figure:
    """A figure with its interval.

    Args:
        value: None where it is not measured.
        low: lower end, None where there is none.
        high: upper end, likewise.
        state: ``undefined``: the answers have no such figure; ``absent``: it was not measured.
        reason: why there is no value, in a few words.
        basis: what it rests on, where that is not the benchmark's items.
        rounded: it is known with one digit less than published tables have.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    state: State = "measured"
    reason: str = ""
    basis: str = ""
    rounded: bool = False


def find_figure(evaluation: Evaluation, benchmark: str, measure: str) -> Figure:
    """Find a figure of a judge, or say why there is none."""
    entry = evaluation.metrics.get(benchmark)
    if entry is None:
        return Figure(None, state="absent", reason="not judged")
    found = _look_up(entry, measure)
    if found is not None and found["value"] is not None:
        basis = f"{found['triples']:,} triples" if "triples" in found else ""
        return Figure(found["value"], found.get("low"), found.get("high"), basis=basis)
    missing = _explain_absence(evaluation, benchmark, measure, found is not None)
    if missing:
        return Figure(None, state="absent", reason=missing)
    return Figure(None, state="undefined", reason="the verdicts do not differ, or there are none to compare")


def find_main(evaluation: Evaluation, benchmark: str, format: Format) -> Figure:
    """Find the main measure of a benchmark's format."""
    return find_figure(evaluation, benchmark, MAIN_MEASURE[format])


def list_measures(entry: Mapping[str, Any]) -> list[str]:
    """List all measures of an entry."""
    return [*entry["metrics"], *EXTRAS[entry["format"]]]


def _look_up(entry: Mapping[str, Any], measure: str) -> Mapping[str, Any] | None:
    if measure in entry["metrics"]:
        return entry["metrics"][measure]  # type: ignore[no-any-return]
    if measure in _GRADED:
        return (entry.get("direct_for_pairwise") or {}).get(_GRADED[measure])
    if measure == "run_alpha":
        return {"value": entry["run_alpha"]}
    found = entry.get("transitivity")
    if found is None or not measure.startswith("transitivity"):
        return None
    return found if measure == "transitivity" else {"value": found.get("tied")}


def _explain_absence(evaluation: Evaluation, benchmark: str, measure: str, known: bool) -> str:
    if not evaluation.metrics[benchmark]["items"]:
        return "no item is left that was not trained on"
    if measure == "run_alpha" and evaluation.count_samples(benchmark) < 2:
        return "each question was asked once"
    if measure in _BOTH_ORDERS and evaluation.asked_in_one_order(benchmark):
        return "asked in one order only"
    if measure in _GRADED and not known:
        return "the responses were not graded one by one"
    if measure.startswith("transitivity") and not known:
        return "no three responses were judged in all three pairs"
    return "" if known else "not measured"
