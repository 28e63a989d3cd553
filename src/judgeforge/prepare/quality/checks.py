"""All checks of the rows: chunks are looked at as they come, and when all are there, it is decided what is set aside.

Of a row, some hundred bytes are kept in between. A row that one check sets aside is not seen by the next, so that the
counts add up. The order: what changes texts, what must not be there at all, what looks at a row alone, what compares.
"""

from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

import polars as pl

from judgeforge.params import QualityParams
from judgeforge.prepare.quality.benchmarks import (
    describe_benchmark_rows,
    find_benchmark_rows,
    load_benchmark_instructions,
)
from judgeforge.prepare.quality.contradictions import find_contradictions, measure_contradictions
from judgeforge.prepare.quality.duplicates import (
    Signed,
    find_duplicates,
    find_near_instructions,
    find_near_responses,
    measure_duplicates,
    measure_near,
)
from judgeforge.prepare.quality.findings import Finding, Flags, build_finding, build_reasons, build_score_finding
from judgeforge.prepare.quality.languages import LanguageReader, find_rare_languages
from judgeforge.prepare.quality.layout import list_responses
from judgeforge.prepare.quality.lengths import find_length_outliers, measure_lengths
from judgeforge.prepare.quality.markers import neutralise_markers
from judgeforge.prepare.quality.secrets import describe_kinds, find_emails, find_secrets

_NEEDS = {
    **{name: name for name in ("markers", "overlap", "secrets", "emails", "language")},
    **{"duplicates": "one", "lengths": "feedback_characters", "contradictions": "stated"},
}
"""By what column it shows that a check is not skipped, and applies to the rows."""


@dataclass(frozen=True)
class Decision:
    """What came of the checks.

    Args:
        reasons: of all rows, in the order in which they were looked at; null where a row is kept.
        findings: by the name of the check; JSON-ready.
    """

    reasons: pl.Series
    findings: dict[str, Finding]


class RowChecks:
    """The checks of rows that come in chunks, all graded or all compared ones. A context manager: it may run processes.

    Which rows are found does not depend on the chunks and the number of processes; nor on the order of the rows, but
    for what is kept of rows that are (almost) the same: the first. Rows that were kept are kept again, unless what is
    compared with all rows changes with them: which languages are rare, which lengths extraordinary.

    Args:
        params: of the checks.

    Raises:
        InputError: a benchmark that rows must not overlap with cannot be read.
    """

    def __init__(self, params: QualityParams) -> None:
        self._params = params
        self._measured: list[pl.DataFrame] = []
        self._markers: Counter[str] = Counter()
        self._benchmarks = load_benchmark_instructions(params.overlap)
        self._languages = LanguageReader(params.language, params.processes)
        near = params.near_duplicates
        self._instructions = Signed(near.similarity) if near.instructions.action != "skip" else None
        self._responses = Signed(near.similarity) if near.responses.action != "skip" else None

    def __enter__(self) -> "RowChecks":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._languages.close()

    def look_at(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Take a chunk, and return it with its verdict markers neutralised where that is the action.

        Args:
            rows: in the columns that ``prepare`` shares. A changed instruction gets the ``prompt_id`` of its new text.
        """
        params = self._params
        columns: dict[str, pl.Series] = {"row_id": rows["row_id"]}
        if params.markers.action != "skip":
            rows, flags = neutralise_markers(rows, params.markers)
            columns["markers"] = flags.reasons
            self._markers.update(flags.details["markers"])
        if self._benchmarks:
            columns["overlap"] = find_benchmark_rows(rows, self._benchmarks, params.overlap)
        if params.secrets.action != "skip":
            columns["secrets"] = find_secrets(rows)
        if params.emails.action != "skip":
            columns["emails"] = find_emails(rows)
        if params.language.action != "skip":
            self._languages.take(rows[list_responses(rows)[0]])
        parts = [pl.DataFrame(columns)]
        parts += [measure_duplicates(rows)] if params.duplicates.action != "skip" else []
        parts += [measure_lengths(rows)] if params.lengths.action != "skip" else []
        if "score" in rows.columns:
            parts += [rows.select("score")]
            parts += [measure_contradictions(rows)] if params.contradictions.action != "skip" else []
        parts += [self._sign(rows)] if self._instructions or self._responses else []
        self._measured.append(pl.concat(parts, how="horizontal"))
        return rows

    def decide(self) -> Decision:
        """Decide on all rows that were looked at."""
        empty = pl.DataFrame(schema={"row_id": pl.String})
        measured = pl.concat(self._measured, rechunk=True) if self._measured else empty
        params = self._params
        if params.language.action != "skip":
            measured = measured.with_columns(self._languages.read())
        run = _Run(measured.with_row_index("number"), build_reasons(measured.height))
        for name, options, find in (
            ("markers", params.markers, lambda rows: Flags(rows["markers"], {"markers": dict(self._markers)})),
            ("overlap", params.overlap, lambda rows: describe_benchmark_rows(rows["overlap"], list(self._benchmarks))),
            ("duplicates", params.duplicates, find_duplicates),
            ("secrets", params.secrets, lambda rows: describe_kinds(rows["row_id"], rows["secrets"])),
            ("emails", params.emails, lambda rows: describe_kinds(rows["row_id"], rows["emails"])),
            (
                "language",
                params.language,
                lambda rows: find_rare_languages(rows["language"], params.language.min_share),
            ),
            ("lengths", params.lengths, lambda rows: find_length_outliers(rows, params.lengths.max_z)),
            ("contradictions", params.contradictions, find_contradictions),
        ):
            if _NEEDS[name] in measured.columns:
                run.take(name, find(run.rows), getattr(options, "action", "quarantine"), options.max_share)
        self._compare(run)
        if "score" in measured.columns:
            run.findings["score_balance"] = build_score_finding(run.rows, params.balance.max_score_share)
        return Decision(run.reasons, run.findings)

    def _sign(self, rows: pl.DataFrame) -> pl.DataFrame:
        keys = measure_near(rows)
        if self._instructions:
            self._instructions.take(keys["prompt"], rows["instruction"])
        if self._responses and "unit" in keys.columns:
            self._responses.take(keys["unit"], rows["response"])
        return keys

    def _compare(self, run: "_Run") -> None:
        options = self._params.near_duplicates
        if self._instructions and "prompt" in run.rows.columns:
            flags, about = find_near_instructions(run.rows, self._instructions)
            run.rows = run.rows.with_columns(about=about)
            run.take("near_instructions", flags, options.instructions.action, options.instructions.max_share)
        if self._responses and "unit" in run.rows.columns:
            about = run.rows["about" if self._instructions else "prompt"]
            flags = find_near_responses(run.rows, about, self._responses)
            run.take("near_responses", flags, options.responses.action, options.responses.max_share)


@dataclass
class _Run:
    rows: pl.DataFrame
    reasons: pl.Series
    findings: dict[str, Finding] = field(default_factory=dict)

    def take(self, name: str, flags: Flags, action: str, max_share: float | None) -> None:
        self.findings[name] = build_finding(self.rows, flags, action=action, max_share=max_share)
        if action == "quarantine" and self.findings[name]["count"]:
            found = flags.reasons.is_not_null()
            texts = f"{name}: " + flags.reasons.filter(found)
            self.reasons = self.reasons.scatter(self.rows["number"].filter(found), texts)
            # Polars (2.1) panics at texts made of columns with an empty chunk: let there be one chunk.
            self.rows = self.rows.filter(~found).rechunk()
