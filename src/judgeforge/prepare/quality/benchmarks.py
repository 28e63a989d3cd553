"""Training rows whose instruction stands in a benchmark that is to be kept clean, by the rules of ``audit``."""

from pathlib import Path

import polars as pl

from judgeforge.benchmarks import load_benchmark
from judgeforge.benchmarks.loaders import EMBEDDED
from judgeforge.errors import InputError
from judgeforge.overlap import find_covering, find_overlaps
from judgeforge.params.quality import OverlapParams
from judgeforge.prepare.quality.findings import Flags


def find_benchmark_rows(rows: pl.DataFrame, params: OverlapParams) -> Flags:
    """Find rows whose instruction equals one of a benchmark, holds it, stands in it, or holds its runs of words.

    Raises:
        InputError: a benchmark cannot be read, or is an embedded one, which is made apart from all training rows.
    """
    texts = rows["instruction"].unique(maintain_order=True)
    names: list[str | None] = [None] * len(texts)
    for name in params.drop_overlap_with:
        instructions = _load_instructions(name, params.benchmarks_folder)
        training = texts.to_list()
        equal = find_overlaps(training, instructions)
        covering = find_covering(training, instructions, size=params.ngram_words, share=params.ngram_share)
        for place, stands_there in enumerate(map(any, zip(equal, covering, strict=True))):
            if stands_there and names[place] is None:
                names[place] = name
    found = pl.DataFrame({"instruction": texts, "benchmark": pl.Series(names, dtype=pl.String)})
    joined = rows.select("instruction").join(found, on="instruction", how="left", maintain_order="left")
    counts = {name: int((joined["benchmark"] == name).sum()) for name in params.drop_overlap_with}
    reasons = joined.select(
        pl.when(pl.col("benchmark").is_not_null())
        .then(pl.format("the instruction stands in the benchmark {}", pl.col("benchmark")))
        .alias("reason")
    )
    return Flags(reasons.to_series(), {"benchmarks": counts})


def _load_instructions(name: str, folder: str | None) -> list[str]:
    if name in EMBEDDED:
        raise InputError(
            f"prepare.quality.overlap names the embedded benchmark {name!r}.",
            "leave it out: its instructions are made apart from all training rows.",
        )
    benchmark = load_benchmark(name, Path(), None if folder is None else Path(folder))
    return list(dict.fromkeys(entry.item.instruction for entry in benchmark.items))
