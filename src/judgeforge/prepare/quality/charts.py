"""Geometry of the data report's plots. The template draws them as SVG; positions are percentages of any width."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from judgeforge.prepare.quality.words import format_count, format_share

_TICKS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
_MOST_ROWS = 8


def build_columns(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Lay out upright bars, one a verdict."""
    highest, total = max([1, *counts.values()]), sum(counts.values()) or 1
    return [
        {"label": label, "count": count, "height": round(100 * count / highest, 2), "share": count / total}
        for label, count in counts.items()
    ]


def build_bars(counts: Mapping[str, int], *, of: int | None = None) -> list[dict[str, Any]]:
    """Lay out lying bars, the longest first, what is left over in one.

    Args:
        counts: by label.
        of: what a share is of; None: of all counts.
    """
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    if len(ordered) > _MOST_ROWS:
        rest = ordered[_MOST_ROWS - 1 :]
        ordered = [*ordered[: _MOST_ROWS - 1], (f"{len(rest)} others", sum(count for _, count in rest))]
    total = (sum(counts.values()) if of is None else of) or 1
    highest = max([1, *(count for _, count in ordered)])
    return [
        {
            "label": label,
            "width": round(100 * count / highest, 2),
            "text": f"{format_count(count)} ({format_share(count / total)})",
        }
        for label, count in ordered
    ]


def build_histogram(words: Mapping[str, Any]) -> dict[str, Any] | None:
    """Lay out a histogram over the logarithm of words; None where there is no text.

    Args:
        words: ``bins`` of equal width on that scale, ``median`` and ``p95``.
    """
    bins: Sequence[Mapping[str, Any]] = words["bins"]
    if not bins:
        return None
    low, step = _log(bins[0]["from_words"]), 0.5
    width = step * len(bins)
    highest = max(each["count"] for each in bins)
    ticks = [(tick, (_log(tick) - low) / width) for tick in _TICKS]
    # One power of ten at the most falls into a narrow range: then the ends of the bins say where it lies.
    if sum(0 <= place <= 1 for _, place in ticks) < 2:
        edges = [each["from_words"] for each in bins][:: max(1, len(bins) // 4)]
        ticks = [(round(edge), (_log(edge) - low) / width) for edge in edges]
    return {
        "bars": [
            {
                "x": round(100 * place / len(bins), 2),
                "width": round(100 / len(bins), 2),
                "height": round(100 * each["count"] / highest, 2),
                "title": f"from {each['from_words']:g} words: {each['count']}",
            }
            for place, each in enumerate(bins)
        ],
        "ticks": [
            {"place": round(100 * place, 2), "text": format_count(tick)} for tick, place in ticks if 0 <= place <= 1
        ],
        "median": round(100 * min(1.0, max(0.0, (_log(max(1, words["median"])) - low) / width)), 2),
    }


def _log(words: float) -> float:
    return math.log2(words)
