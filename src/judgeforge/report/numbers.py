"""Numbers as a person reads them."""

from collections.abc import Mapping
from typing import Any

SHARES = {
    "accuracy",
    "accuracy_parsed",
    "exact_agreement",
    "accuracy_both_orders",
    "accuracy_with_ties",
    "swap_consistency",
    "direct_for_pairwise_accuracy",
    "direct_for_pairwise_accuracy_with_ties",
    "transitivity",
    "transitivity_tied",
    "paper_transitivity",
}
POINTS = {"format_gap", "position_bias", "length_bias"}
"""Differences of shares: written with their sign, in percentage points."""

UNDEFINED = "undefined"
ABSENT = "–"


def format_figure(value: float | None, measure: str, exact: bool = False) -> str:
    """Write a measure: shares in percent, differences of shares in points, the rest as they are.

    Args:
        value: None is written as a dash.
        measure: its name.
        exact: with the digits of published tables, one more than elsewhere.
    """
    if value is None:
        return ABSENT
    digits = 2 if exact else 1
    if measure in SHARES:
        text = f"{100 * value:z.{digits}f}%"
    elif measure in POINTS:
        text = f"{100 * value:+z.{digits}f}"
        text = text if float(text) else text.removeprefix("+")
    else:
        text = f"{value:z.{digits + 1}f}"
    return text.replace("-", "−")


def format_interval(figure: Any, measure: str, exact: bool = False) -> str:
    """Write the ends of an interval, the unit once; nothing where there is none."""
    low, high = (figure[end] if isinstance(figure, Mapping) else getattr(figure, end) for end in ("low", "high"))
    if low is None or high is None:
        return ""
    return f"{format_figure(low, measure, exact).removesuffix('%')} to {format_figure(high, measure, exact)}"


def format_cell(figure: Any, measure: str, exact: bool = False) -> str:
    """Write a ``Figure``: "undefined" is told apart from what was not measured, a dash."""
    if figure.value is None:
        return UNDEFINED if figure.state == "undefined" else ABSENT
    return format_figure(figure.value, measure, exact and not figure.rounded)


def format_difference(value: float, measure: str) -> str:
    """Write a difference with its sign; differences of shares in percentage points."""
    text = f"{100 * value:+z.1f} points" if measure in SHARES | POINTS else f"{value:+z.2f}"
    return text.replace("-", "−")


def format_share(value: float | None) -> str:
    """Write a share in whole percent, keeping a small one from looking like none, and nearly all from all."""
    if value is None:
        return ABSENT
    if 0 < value < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= value < 1 else f"{100 * value:.0f}%"
