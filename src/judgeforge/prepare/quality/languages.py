"""In which language responses are written: fastText's small model (lid.176, 176 languages), which its package brings.

A text of few words is of unknown language. Texts are shared out over processes where there are many; which process
reads a text does not change what it is taken for.
"""

import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor

import polars as pl

from judgeforge.params.quality import LanguageParams
from judgeforge.prepare.detection import detect_languages
from judgeforge.prepare.quality.findings import Flags

UNKNOWN = "unknown"
_CHUNK = 5_000
_FEWEST_FOR_PROCESSES = 4_000
"""Below it, starting processes takes longer than it saves."""


def find_rare_languages(codes: pl.Series, min_share: float) -> Flags:
    """Find rows whose response is in a language that few rows have.

    Args:
        codes: language of each row.
        min_share: of the rows of known language.
    """
    codes = codes.alias("language")
    counts = codes.value_counts(sort=False).sort("count", "language", descending=[True, False])
    known = int(counts.filter(pl.col("language") != UNKNOWN)["count"].sum())
    rare = counts.filter((pl.col("language") != UNKNOWN) & (pl.col("count") < min_share * known))["language"]
    reasons = codes.to_frame().select(
        pl.when(pl.col("language").is_in(rare.implode()))
        .then(pl.format("the response is in a rare language ({})", pl.col("language")))
        .alias("reason")
    )
    return Flags(reasons.to_series(), {"languages": dict(counts.iter_rows())})


class LanguageReader:
    """Takes texts as they come, and names their languages in the end. To be closed.

    Args:
        params: of the check.
        processes: at most, this one counted; None: one a core.
    """

    def __init__(self, params: LanguageParams, processes: int | None) -> None:
        self._params, self._others = params, (processes or len(os.sched_getaffinity(0))) - 1
        self._places: list[pl.Series] = []
        self._taken = 0
        self._waiting: list[str] = []
        self._answers: list[Future[list[str]]] = []
        self._pool: ProcessPoolExecutor | None = None

    def take(self, texts: pl.Series) -> None:
        """Take further texts; once there are many, processes start on them at once."""
        # Signs and digits say nothing of a language, and mislead where a text is mostly code.
        head = texts.alias("text").str.head(self._params.sample_characters)
        words = head.str.replace_all(r"[^\p{L}\p{M}'’]+", " ").str.strip_chars().to_frame()
        # Capitals alone are taken for other languages.
        capitals = pl.col("text") == pl.col("text").str.to_uppercase()
        words = words.select(pl.when(capitals).then(pl.col("text").str.to_lowercase()).otherwise("text").alias("text"))
        long = words.filter(pl.col("text").str.len_bytes() >= self._params.min_bytes)
        different = long.unique(maintain_order=True).with_row_index("place")
        places = words.join(different, on="text", how="left", maintain_order="left")["place"]
        self._places.append(places.cast(pl.Int64) + self._taken)
        self._taken += different.height
        self._waiting.extend(different["text"])
        if self._pool is None and self._others > 0 and self._taken >= _FEWEST_FOR_PROCESSES:
            # Not forked: Polars' threads hold locks that a forked process would wait for.
            self._pool = ProcessPoolExecutor(self._others, mp_context=multiprocessing.get_context("spawn"))
        if self._pool is not None:
            self._send(self._pool)

    def read(self) -> pl.Series:
        """Name the language of all texts, in the order in which they came, by ISO 639 codes."""
        codes = [code for answer in self._answers for code in answer.result()]
        codes += detect_languages(self._waiting) if self._waiting else []
        named = pl.Series("language", codes, dtype=pl.String)
        places = pl.concat(self._places) if self._places else pl.Series([], dtype=pl.Int64)
        return named.gather(places).fill_null(UNKNOWN)

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _send(self, pool: ProcessPoolExecutor) -> None:
        for start in range(0, len(self._waiting), _CHUNK):
            self._answers.append(pool.submit(detect_languages, self._waiting[start : start + _CHUNK]))
        self._waiting = []
