"""All checks of the rows, one after the other: what is kept, what is set aside and why, and what was found.

A row that one check sets aside is not seen by the next, so that the counts add up. The order: what changes texts, what
must not be there at all, what looks at a row alone, what compares rows.
"""

from dataclasses import dataclass, field

import polars as pl

from judgeforge.params import QualityParams
from judgeforge.prepare.quality.benchmarks import find_benchmark_rows
from judgeforge.prepare.quality.contradictions import find_contradictions
from judgeforge.prepare.quality.duplicates import find_duplicates, find_near_instructions, find_near_responses
from judgeforge.prepare.quality.findings import Finding, Flags, build_finding, build_score_finding
from judgeforge.prepare.quality.languages import find_rare_languages
from judgeforge.prepare.quality.lengths import find_length_outliers
from judgeforge.prepare.quality.markers import neutralise_markers
from judgeforge.prepare.quality.secrets import find_emails, find_secrets


@dataclass(frozen=True)
class Checked:
    """What came of the checks.

    Args:
        kept: the rows to learn from, in their order, with the columns they came with.
        quarantined: ``source``, ``line``, ``reason`` and ``row`` (JSON) of the others.
        findings: by the name of the check; JSON-ready.
    """

    kept: pl.DataFrame
    quarantined: pl.DataFrame
    findings: dict[str, Finding]


@dataclass
class _Run:
    rows: pl.DataFrame
    quarantined: list[pl.DataFrame] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)

    def take(self, name: str, flags: Flags, action: str, max_share: float | None) -> None:
        self.findings[name] = build_finding(self.rows, flags, action=action, max_share=max_share)
        if action != "quarantine" or not self.findings[name]["count"]:
            return
        found = flags.reasons.is_not_null()
        self.quarantined.append(_set_aside(self.rows.filter(found), name, flags.reasons.filter(found)))
        self.rows = self.rows.filter(~found)


def check_rows(rows: pl.DataFrame, params: QualityParams) -> Checked:
    """Check all rows.

    Which rows are found does not depend on the number of processes; nor on the order of the rows, but for what is
    kept of rows that are (almost) the same: the first. Rows that were kept are kept again, unless what is compared with
    all rows changes with them: which languages are rare, which lengths extraordinary, where the scale starts.

    Args:
        rows: of all sources, in the columns that ``prepare`` shares.
        params: of the checks.

    Raises:
        InputError: a benchmark that rows must not overlap with cannot be read.
    """
    run = _Run(rows)
    if params.markers.action != "skip":
        run.rows, flags = neutralise_markers(run.rows, params)
        run.take("markers", flags, params.markers.action, params.markers.max_share)
    if params.overlap.drop_overlap_with:
        flags = find_benchmark_rows(run.rows, params.overlap)
        run.take("overlap", flags, "quarantine", params.overlap.max_share)
    for name, options, find in (
        ("duplicates", params.duplicates, find_duplicates),
        ("secrets", params.secrets, find_secrets),
        ("emails", params.emails, find_emails),
        ("language", params.language, lambda rows: find_rare_languages(rows, params)),
        ("lengths", params.lengths, lambda rows: find_length_outliers(rows, params.lengths.max_z)),
        ("contradictions", params.contradictions, find_contradictions),
    ):
        if options.action != "skip":
            run.take(name, find(run.rows), options.action, options.max_share)
    _check_near_duplicates(run, params)
    run.findings["score_balance"] = build_score_finding(run.rows, params.balance.max_score_share)
    quarantined = pl.concat([_set_aside(rows.clear(), "", pl.Series(dtype=pl.String)), *run.quarantined])
    return Checked(run.rows, quarantined, run.findings)


def _check_near_duplicates(run: _Run, params: QualityParams) -> None:
    options = params.near_duplicates
    instructions = run.rows["prompt_id"]
    if options.instructions.action != "skip":
        flags, instructions = find_near_instructions(run.rows, params)
        if options.instructions.action == "quarantine":
            instructions = instructions.filter(flags.reasons.is_null())
        run.take("near_instructions", flags, options.instructions.action, options.instructions.max_share)
    if options.responses.action != "skip":
        flags = find_near_responses(run.rows, instructions, params)
        run.take("near_responses", flags, options.responses.action, options.responses.max_share)


def _set_aside(rows: pl.DataFrame, name: str, reasons: pl.Series) -> pl.DataFrame:
    return rows.select(
        "source",
        "line",
        reason=pl.lit(f"{name}: ") + reasons,
        row=pl.struct(pl.all()).struct.json_encode(),
    )
