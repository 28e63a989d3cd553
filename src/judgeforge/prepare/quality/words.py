"""The words of the data report and the data card: titles of what is called by short names, numbers as people read."""

from collections.abc import Mapping
from typing import Any

TITLES: Mapping[str, tuple[str, str]] = {
    "markers": ("Verdict markers", "“[RESULT] 5” inside an instruction, a response or a reference answer"),
    "overlap": ("In a benchmark", "the instruction stands in a benchmark that is to be kept clean"),
    "duplicates": ("Equal rows", "everything that is learnt from equals an earlier row"),
    "secrets": ("Secrets", "keys, tokens and passwords, known by their form"),
    "emails": ("E-mail addresses", "but for domains that are reserved for examples"),
    "language": ("Rare languages", "the response is in a language that few rows have"),
    "lengths": ("Extraordinary lengths", "of a response or a feedback, far from the median"),
    "contradictions": (
        "Feedback against score",
        "another score is stated, or the tone is of the other end of the scale",
    ),
    "near_instructions": ("Almost equal instructions", "nearly the words of an earlier instruction"),
    "near_responses": ("Almost equal responses", "nearly the words of an earlier one, same question, rubric and score"),
    "score_balance": ("Balance of scores", "the share of the most frequent score"),
    "position_balance": ("Balance of positions", "how far the better response leans to A or B"),
}

ACTIONS: Mapping[str, str] = {"report": "reported", "quarantine": "set aside", "neutralise": "made harmless"}

PARTS: Mapping[str, str] = {
    "instruction": "instruction",
    "response": "response",
    "rubric": "rubric",
    "reference": "reference answer",
    "feedback": "feedback",
    "prompt": "whole prompt",
}

PUBLISHED: Mapping[str, Mapping[str, int]] = {
    "direct": {
        "rubrics": 1_000,
        "instructions": 20_000,
        "references": 20_000,
        "instances": 100_000,
        "feedback": 100_000,
    },
    "pairwise": {
        "rubrics": 1_000,
        "instructions": 20_000,
        "references": 20_000,
        "instances": 200_000,
        "feedback": 200_000,
    },
}
"""The Feedback Collection and the Preference Collection (arXiv 2405.01535)."""

COUNTS: Mapping[str, str] = {
    "rubrics": "rubrics",
    "instructions": "instructions",
    "references": "reference answers",
    "responses": "responses",
    "instances": "instances",
    "feedback": "feedback texts",
}


def name_check(name: str) -> str:
    """Return the check's title."""
    base = name.removesuffix("_of_pairs")
    return TITLES.get(base, (base, ""))[0] + ("" if base == name else ", in pairs")


def format_count(value: float | None) -> str:
    """Write a number with commas between thousands; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,.1f}" if isinstance(value, float) and not value.is_integer() else f"{int(value):,}"


def format_share(value: float | None) -> str:
    """Write a share in percent, keeping a small one from looking like none, and nearly all from all."""
    if value is None:
        return "–"
    if 0 < value < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 <= value < 1 else f"{100 * value:.1f}%".replace(".0%", "%")


def build_headline(kept: int, findings: Mapping[str, Mapping[str, Any]]) -> str:
    """Say how many rows there are to learn from, and whether the checks passed."""
    rows = f"{format_count(kept)} {'row' if kept == 1 else 'rows'} to learn from"
    failed = [name_check(name).lower() for name, finding in findings.items() if not finding["passed"]]
    if failed:
        return f"{rows}, but {len(failed)} of {len(findings)} checks failed: {', '.join(failed)}."
    bounded = sum(finding["threshold"] is not None for finding in findings.values())
    if not bounded:
        return f"{rows}; no check has a threshold."
    return (
        f"{rows}: {'the check with a threshold' if bounded == 1 else f'all {bounded} checks with a threshold'} passed."
    )


def describe_count(name: str, finding: Mapping[str, Any]) -> str:
    """Say what a finding counted, as short as a table's cell."""
    looked_at = format_count(finding["looked_at"])
    if name == "position_balance":
        better = finding["better_is"]
        return f"A {format_count(better['A'])}, B {format_count(better['B'])}"
    if name == "score_balance":
        scores = finding["scores"]
        most = max(scores, key=lambda score: scores[score], default="–")
        return f"{format_count(finding['count'])} of {looked_at} have a {most}"
    return f"{format_count(finding['count'])} of {looked_at}"
