"""Training rows whose instruction stands in a benchmark that is to be kept clean, by the rules of ``audit``."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from judgeforge.benchmarks import load_benchmark
from judgeforge.benchmarks.loaders import EMBEDDED
from judgeforge.errors import InputError
from judgeforge.overlap import find_covering, find_overlaps
from judgeforge.params.quality import OverlapParams
from judgeforge.prepare.quality.findings import Flags


def load_benchmark_instructions(params: OverlapParams) -> dict[str, list[str]]:
    """Load the instructions of the named benchmarks.

    Raises:
        InputError: a benchmark cannot be read, or is an embedded one, which is made apart from all training rows.
    """
    return {name: _load_instructions(name, params.benchmarks_folder) for name in params.drop_overlap_with}


def find_benchmark_rows(rows: pl.DataFrame, benchmarks: Mapping[str, list[str]], params: OverlapParams) -> pl.Series:
    """Name the benchmark in which a row's instruction stands: equal, one inside the other, or by runs of words.

    Args:
        rows: of training.
        benchmarks: instructions by name.
        params: of the check.
    """
    texts = rows["instruction"].unique(maintain_order=True)
    training = texts.to_list()
    names: list[str | None] = [None] * len(texts)
    for name, instructions in benchmarks.items():
        equal = find_overlaps(training, instructions)
        covering = find_covering(training, instructions, size=params.ngram_words, share=params.ngram_share)
        for place, stands_there in enumerate(map(any, zip(equal, covering, strict=True))):
            if stands_there and names[place] is None:
                names[place] = name
    found = pl.DataFrame({"instruction": texts, "benchmark": pl.Series(names, dtype=pl.String)})
    return rows.select("instruction").join(found, on="instruction", how="left", maintain_order="left")["benchmark"]


def describe_benchmark_rows(benchmarks: pl.Series, names: Sequence[str]) -> Flags:
    """Say of each row in which benchmark it stands.

    Args:
        benchmarks: of ``find_benchmark_rows``.
        names: of all benchmarks.
    """
    reasons = (
        benchmarks.alias("reason").to_frame().select("the instruction stands in the benchmark " + pl.col("reason"))
    )
    return Flags(reasons.to_series().alias("reason"), {"benchmarks": {n: int((benchmarks == n).sum()) for n in names}})


def _load_instructions(name: str, folder: str | None) -> list[str]:
    if name in EMBEDDED:
        raise InputError(
            f"prepare.quality.overlap names the embedded benchmark {name!r}.",
            "leave it out: its instructions are made apart from all training rows.",
        )
    benchmark = load_benchmark(name, Path(), None if folder is None else Path(folder))
    return list(dict.fromkeys(entry.item.instruction for entry in benchmark.items))
