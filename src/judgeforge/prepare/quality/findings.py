"""What a check found, and whether that is too much. A finding names rows by their ids and never quotes a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from judgeforge.errors import InputError

EXAMPLES = 5
"""Row ids that a finding names, the first ones in the order of the rows."""

Finding = dict[str, Any]
"""``action``, ``count``, ``looked_at``, ``share``, ``threshold``, ``passed``, ``examples``; the check's own beside."""


@dataclass(frozen=True)
class Flags:
    """What one check says of the rows.

    Args:
        reasons: why a row was found, null where it was not; as long as the rows.
        details: what the finding says beside the common figures.
    """

    reasons: pl.Series
    details: Finding = field(default_factory=dict)


def build_reasons(count: int) -> pl.Series:
    """Build reasons of rows none of which was found yet."""
    return pl.Series("reason", [None], dtype=pl.String).new_from_index(0, count)


def build_finding(rows: pl.DataFrame, flags: Flags, *, action: str, max_share: float | None) -> Finding:
    """Count what was found.

    Args:
        rows: those that the check looked at.
        flags: of these.
        action: what is done with rows that were found.
        max_share: the threshold.
    """
    found = rows.filter(flags.reasons.is_not_null())
    return _judge(found.height, rows.height, max_share) | {
        "action": action,
        "examples": found["row_id"].head(EXAMPLES).to_list(),
        **flags.details,
    }


def build_score_finding(rows: pl.DataFrame, max_share: float | None) -> Finding:
    """Count the rows of the most frequent score, the lower one of two that are equally frequent."""
    counts = rows.group_by("score").len().sort("score")
    most = counts.sort("len", "score", descending=[True, False]).head(1)
    found = rows.filter(pl.col("score") == most["score"].item()) if rows.height else rows
    return _judge(found.height, rows.height, max_share) | {
        "action": "report",
        "examples": found["row_id"].head(EXAMPLES).to_list(),
        "scores": {str(score): count for score, count in counts.iter_rows()},
    }


def build_position_finding(better_is_a: int, better_is_b: int, max_lean: float | None) -> Finding:
    """Tell how far the better response leans to one position; one pair of an odd number does not count.

    Args:
        better_is_a: pairs whose better response is A.
        better_is_b: likewise of B.
        max_lean: from half, as a share of the pairs.
    """
    pairs = better_is_a + better_is_b
    lean = max(0, abs(better_is_a - better_is_b) - 1) / (2 * pairs) if pairs else 0.0
    return {
        "action": "report",
        "count": better_is_a,
        "looked_at": pairs,
        "share": round(lean, 6),
        "threshold": max_lean,
        "passed": max_lean is None or lean <= max_lean,
        "examples": [],
        "better_is": {"A": better_is_a, "B": better_is_b},
    }


def require_passed(findings: Mapping[str, Finding]) -> None:
    """Check that no finding is past its threshold.

    Raises:
        InputError: some are; each is named with its share, its threshold and a row.
    """
    failed = [_describe(name, finding) for name, finding in findings.items() if not finding["passed"]]
    if failed and all(finding["passed"] for name, finding in findings.items() if name != "position_balance"):
        raise InputError(
            f"The pairs fail a check: {failed[0]}.",
            "prepare places half of its own pairs each way: what leans are pairs of yours that stand as they are, or "
            "those that the teacher or the token budget left out. Mend your pairs, let the teacher draw more often "
            "(attempts), or raise prepare.quality.balance.max_position_lean in params.yaml.",
        )
    if failed:
        raise InputError(
            f"The rows fail {'a check' if len(failed) == 1 else f'{len(failed)} checks'}: {'; '.join(failed)}.",
            "look at the rows named there, then mend or withdraw them, or change the check's value below "
            "prepare.quality in params.yaml (docs/data-quality.md says what each one means).",
        )


def _judge(count: int, looked_at: int, threshold: float | None) -> Finding:
    share = count / looked_at if looked_at else 0.0
    return {
        "count": count,
        "looked_at": looked_at,
        "share": round(share, 6),
        "threshold": threshold,
        "passed": threshold is None or share <= threshold,
    }


def _describe(name: str, finding: Finding) -> str:
    if name == "position_balance":
        better = finding["better_is"]
        return (
            f"{name}: the better response is A in {better['A']} pairs and B in {better['B']}, "
            f"{finding['share']:.2%} from half, more than {finding['threshold']:.2%}"
        )
    rows = ", ".join(finding["examples"][:2])
    return (
        f"{name}: {finding['count']} of {finding['looked_at']} rows ({finding['share']:.2%}), "
        f"more than {finding['threshold']:.2%}{f', such as {rows}' if rows else ''}"
    )
