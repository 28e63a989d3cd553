"""The report's words: titles of what the files call by short names, and numbers as a person reads them."""

from collections.abc import Mapping

from judgeforge.report.comparison import Check
from judgeforge.report.numbers import format_difference, format_share
from judgeforge.verdicts import Origin

BENCHMARK_TITLES: Mapping[str, str] = {
    "embedded_direct": "Embedded, direct",
    "embedded_pairwise": "Embedded, pairwise",
    "vicuna_bench": "Vicuna Bench",
    "mt_bench": "MT Bench",
    "hhh_alignment": "HHH Alignment",
    "autoj_eval": "Auto‑J Eval",
    "flask": "FLASK",
    "flask_human": "FLASK, people",
    "feedback_bench": "Feedback Bench",
    "mt_bench_human": "MT Bench, people",
    "preference_bench": "Preference Bench",
}

JUDGE_NOTES: Mapping[str, str] = {
    "base": "the model before any training",
    "form": "the base model, taught how a verdict is written, by verdicts by lot: where the judges start",
    "direct": "trained to give scores",
    "pairwise": "trained to choose the better of two",
    "joint": "trained on both formats at once",
    "merged": "the weights of direct and pairwise, merged",
    "majority": "the most frequent verdict of the training set, always",
    "random": "verdicts by lot",
    "longer": "knows only lengths: longer is better",
}

GUEST_NOTES: Mapping[Origin, str] = {
    "model": "not trained here",
    "endpoint": "asked at an endpoint",
    "recorded": "",
    "reference": "a trivial judge",
}

ORIGINS: Mapping[Origin, str] = {
    "model": "measured here",
    "endpoint": "measured here",
    "recorded": "recorded elsewhere, scored here",
    "reference": "measured here",
}
PUBLISHED = "published, not measured here"

MEASURE_TITLES: Mapping[str, str] = {
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "kendall": "Kendall τ‑b",
    "mae": "Mean error (scores)",
    "exact_agreement": "Exact agreement",
    "quadratic_kappa": "Quadratic κ",
    "pearson_parsed": "Pearson, parsed only",
    "accuracy": "Accuracy",
    "accuracy_both_orders": "Right in both orders",
    "accuracy_with_ties": "Accuracy with ties",
    "accuracy_parsed": "Accuracy, parsed only",
    "cohen_kappa": "Cohen’s κ",
    "swap_consistency": "Same in both orders",
    "position_bias": "Leaning to the first (points)",
    "length_bias": "Leaning to the longer (points)",
    "direct_for_pairwise_accuracy": "Accuracy by direct grades",
    "direct_for_pairwise_accuracy_with_ties": "The same, with ties",
    "format_gap": "Gap of formats (points)",
    "run_alpha": "Krippendorff’s α of runs",
    "transitivity": "Fits a ranking",
    "transitivity_tied": "Ranking: all ties",
    "paper_transitivity": "“Transitivity” as the paper counts it",
}

_MOSTLY = 0.5

BARRED = "†"
"""Stands behind the title of a benchmark of which too much was trained on."""


def name_benchmark(name: str) -> str:
    """Return the benchmark's title."""
    return BENCHMARK_TITLES.get(name, name)


def describe_check(check: Check, measure: str) -> str:
    """Say in a few words how the subject stands to a rival."""
    value, low, high = (check.difference[key] for key in ("value", "low", "high"))
    trivial = (
        f"every trivial judge (closest: {check.name})"
        if check.standing == "above"
        else f"the trivial judge {check.name}"
    )
    rivals = {"base": "the base model", "form": "the model that knows the form alone", "trivial": trivial}
    rival = rivals.get(check.rival, "chance")
    if check.stands_in:
        rival += ", which ranks nothing (chance stands in)"
    if value is None or low is None or high is None:
        return f"cannot be compared with {rival}"
    words = {"above": "above", "below": "below", "unclear": "not clearly above"}[check.standing]
    interval = " to ".join(format_difference(end, measure).removesuffix(" points") for end in (low, high))
    return f"{words} {rival}: {format_difference(value, measure)} ({interval})"


def build_headline(subject: str, checks: Mapping[str, list[Check]]) -> str:
    """Say in one or two sentences what the judge is above, over all benchmarks.

    Args:
        subject: the judge's name.
        checks: by benchmark; one without any figure has been left out.
    """
    if not checks:
        return f"Nothing can be said of the {subject} judge: no benchmark has an item that it was not trained on."
    rivals = list(dict.fromkeys(check.rival for found in checks.values() for check in found))
    words = {"chance": "chance", "base": "the base model", "form": "the form alone", "trivial": "every trivial judge"}
    listed = _join([words[rival] for rival in rivals])
    failed = {name: [check for check in found if check.standing != "above"] for name, found in checks.items()}
    passed = [name for name, found in failed.items() if not found]
    if len(passed) == len(checks):
        where = {1: "the benchmark", 2: "both benchmarks"}.get(len(checks), f"all {len(checks)} benchmarks")
        return f"The {subject} judge is clearly above {listed} on {where}."
    start = f"The {subject} judge is clearly above {listed} on {len(passed) or 'none'} of {len(checks)} benchmarks."
    faults = [
        f"on {name_benchmark(name)} not clearly above {_join([words[check.rival] for check in found])}"
        for name, found in failed.items()
        if found
    ]
    return f"{start} Exceptions: {'; '.join(faults)}."


def describe_silence(base: Mapping[str, float | None]) -> str | None:
    """Warn where the base model mostly failed to give a verdict at all.

    Args:
        base: its unparsable rate by benchmark.
    """
    mute = [name for name, rate in base.items() if rate is not None and rate > _MOSTLY]
    if not mute:
        return None
    places = _join([f"{name_benchmark(name)} ({format_share(base[name])})" for name in mute])
    return (
        f"Most answers of the base model hold no verdict that can be parsed on {places}. Being above it there shows "
        "little more than that training teaches the format: compare with chance and the trivial judges instead."
    )


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
