"""Responses and feedback of extraordinary length, by robust z-scores (Iglewicz and Hoaglin, 1993) of the logarithm."""

from typing import Any

import polars as pl

from judgeforge.prepare.quality.findings import Flags

COLUMNS = ("response", "feedback")
_MAD_TO_DEVIATION = 1.4826
_MEAN_TO_DEVIATION = 1.2533
"""Takes the place of the median absolute deviation where more than half of the lengths are equal."""


def find_length_outliers(rows: pl.DataFrame, max_z: float) -> Flags:
    """Find rows that are far shorter or longer than the others.

    Args:
        rows: feedback may be null, which has no length.
        max_z: standard deviations from the median.
    """
    reasons = pl.Series("reason", [None] * rows.height, dtype=pl.String)
    details: dict[str, Any] = {}
    for column in COLUMNS:
        scored = rows.select(characters=pl.col(column).str.len_chars()).with_columns(
            z=_build_z(pl.col("characters").log1p())
        )
        ends = {"short": scored["z"] < -max_z, "long": scored["z"] > max_z}
        details[column] = {
            "median_characters": scored["characters"].median(),
            **{end: int(found.sum()) for end, found in ends.items()},
        }
        for end, found in ends.items():
            text = scored.select(
                pl.when(found.fill_null(False)).then(
                    pl.format(f"the {column} is extraordinarily {end} ({{}} characters)", pl.col("characters"))
                )
            ).to_series()
            reasons = pl.select(pl.coalesce(reasons, text)).to_series()
    return Flags(reasons.alias("reason"), {"columns": details})


def _build_z(value: pl.Expr) -> pl.Expr:
    distance = (value - value.median()).abs()
    deviation = (
        pl.when(distance.median() > 0)
        .then(_MAD_TO_DEVIATION * distance.median())
        .otherwise(_MEAN_TO_DEVIATION * distance.mean())
    )
    return pl.when(deviation > 0).then((value - value.median()) / deviation).otherwise(pl.lit(0.0))
