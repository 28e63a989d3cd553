"""Rows of the frame that prepare shares, and checks that are all skipped but for the one at hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from judgeforge.params import PrepareParams, QualityParams, load_section
from judgeforge.prepare.quality import RowChecks
from judgeforge.prepare.quality.findings import Finding
from judgeforge.prepare.split import compute_prompt_id

ROOT = Path(__file__).parents[4]
COLLECTION = ROOT.parent / "shared" / "collections" / "vicuna_gpt4_feedback.jsonl"
SCHEMA = {
    "row_id": pl.String,
    "source": pl.String,
    "line": pl.Int64,
    "prompt_id": pl.String,
    "instruction": pl.String,
    "response": pl.String,
    "reference": pl.String,
    "criteria": pl.String,
    "levels": pl.List(pl.String),
    "lowest": pl.Int64,
    "feedback": pl.String,
    "score": pl.Int64,
}


def build_rows(*changes: Mapping[str, Any], source: str = "rows") -> pl.DataFrame:
    """Build a row of each of ``changes``; instructions differ unless they are given."""
    rows = []
    for line, changed in enumerate(changes, start=1):
        row = {
            "row_id": f"{source}:{line}",
            "source": source,
            "line": line,
            "instruction": f"Name the colour number {line}.",
            "response": "Blue is a colour that many people like.",
            "reference": None,
            "criteria": "Is it a colour?",
            "levels": ["1", "2", "3", "4", "5"],
            "lowest": 1,
            "feedback": "It names one.",
            "score": 4,
        } | dict(changed)
        rows.append(row | {"prompt_id": compute_prompt_id(row["instruction"])})
    return pl.DataFrame(rows, schema=SCHEMA)


def load_committed() -> QualityParams:
    """Load the checks of params.yaml."""
    return load_section("prepare", PrepareParams, ROOT / "params.yaml").quality


def only(name: str, **changed: Any) -> QualityParams:
    """Skip every check but ``name``, whose committed values are changed; inner sections by dotted names."""
    values = load_committed().model_dump()
    for check in ("markers", "duplicates", "secrets", "emails", "language", "lengths", "contradictions"):
        values[check]["action"] = "skip"
    for each in ("instructions", "responses"):
        values["near_duplicates"][each]["action"] = "skip"
    section = values
    for part in name.split("."):
        section = section[part]
    section.update(changed)
    return QualityParams.model_validate(values)


def list_ids(rows: pl.DataFrame) -> list[str]:
    """List the ids of rows."""
    return rows["row_id"].to_list()


def list_reasons(quarantined: pl.DataFrame) -> dict[int, str]:
    """List the reasons by line."""
    return dict(quarantined.select("line", "reason").iter_rows())


@dataclass(frozen=True)
class Checked:
    """What came of the checks of a whole frame.

    Args:
        kept: the rows to learn from, in their order, with the columns they came with.
        quarantined: ``source``, ``line``, ``reason`` and ``row`` (JSON) of the others.
        findings: by the name of the check; JSON-ready.
    """

    kept: pl.DataFrame
    quarantined: pl.DataFrame
    findings: dict[str, Finding]


def check_rows(rows: pl.DataFrame, params: QualityParams) -> Checked:
    """Check the rows of a whole frame, as ``RowChecks`` does chunk by chunk.

    Args:
        rows: of all sources, in the columns that ``prepare`` shares.
        params: of the checks.

    Raises:
        InputError: a benchmark that rows must not overlap with cannot be read.
    """
    with RowChecks(params) as checks:
        slices = rows.iter_slices(50_000) if rows.height else [rows]
        looked_at = pl.concat([checks.look_at(part) for part in slices])
        decision = checks.decide()
    found = decision.reasons.is_not_null()
    aside = looked_at.filter(found).select(
        "source", "line", reason=decision.reasons.filter(found), row=pl.struct(pl.all()).struct.json_encode()
    )
    return Checked(looked_at.filter(~found), aside, decision.findings)
