"""Responses and feedback of extraordinary length, by robust z-scores (Iglewicz and Hoaglin, 1993) of the logarithm."""

from typing import Any

import polars as pl

from judgeforge.prepare.quality.findings import Flags, build_reasons
from judgeforge.prepare.quality.layout import list_responses

_SUFFIX = "_characters"
_MAD_TO_DEVIATION = 1.4826
_MEAN_TO_DEVIATION = 1.2533
"""Takes the place of the median absolute deviation where more than half of the lengths are equal."""


def measure_lengths(rows: pl.DataFrame) -> pl.DataFrame:
    """Count the characters of responses and feedback; null where there is none."""
    return rows.select(
        pl.col(column).str.len_chars().cast(pl.UInt32).alias(f"{column}{_SUFFIX}")
        for column in (*list_responses(rows), "feedback")
    )


def find_length_outliers(measured: pl.DataFrame, max_z: float) -> Flags:
    """Find rows that are far shorter or longer than the others.

    Args:
        measured: with the columns of ``measure_lengths``.
        max_z: standard deviations from the median.
    """
    reasons = build_reasons(measured.height)
    details: dict[str, Any] = {}
    for name in (name for name in measured.columns if name.endswith(_SUFFIX)):
        column = name.removesuffix(_SUFFIX)
        scored = measured.select(characters=pl.col(name)).with_columns(z=_build_z(pl.col("characters").log1p()))
        ends = {"short": scored["z"] < -max_z, "long": scored["z"] > max_z}
        details[column] = {
            "median_characters": scored["characters"].median(),
            **{end: int(found.sum()) for end, found in ends.items()},
        }
        for end, found in ends.items():
            text = pl.format(f"the {column} is extraordinarily {end} ({{}} characters)", pl.col("characters"))
            texts = scored.select(pl.when(found.fill_null(False)).then(text)).to_series()
            reasons = pl.select(pl.coalesce(reasons, texts)).to_series()
    return Flags(reasons.alias("reason"), {"columns": details})


def _build_z(value: pl.Expr) -> pl.Expr:
    distance = (value - value.median()).abs()
    deviation = (
        pl.when(distance.median() > 0)
        .then(_MAD_TO_DEVIATION * distance.median())
        .otherwise(_MEAN_TO_DEVIATION * distance.mean())
    )
    return pl.when(deviation > 0).then((value - value.median()) / deviation).otherwise(pl.lit(0.0))
