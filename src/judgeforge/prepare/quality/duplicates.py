"""Rows that are there twice: equal ones, and almost equal ones (``similarity``). The first is kept.

Several graders of one response are several rows, whose scores or feedback differ: they are no duplicates.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from judgeforge.params.quality import SimilarityParams
from judgeforge.prepare.quality.findings import Flags, build_reasons
from judgeforge.prepare.quality.layout import list_learnt
from judgeforge.prepare.quality.similarity import Signatures, compute_signatures, find_near


def measure_duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """Hash all that is learnt from, twice: that rows which differ agree in both is out of the question (2 ** -128)."""
    learnt = list_learnt(rows)
    return rows.select(one=_hash_columns(learnt, 1), two=_hash_columns(learnt, 2))


def find_duplicates(measured: pl.DataFrame) -> Flags:
    """Find rows that agree with an earlier one.

    Args:
        measured: ``row_id``, and the columns of ``measure_duplicates``.
    """
    places = measured.select("one", "two").with_row_index("place")
    repeated = places.with_columns(first=pl.col("place").first().over("one", "two")).filter(
        pl.col("first") != pl.col("place")
    )
    texts = "the same as row " + measured["row_id"].gather(repeated["first"])
    return Flags(build_reasons(measured.height).scatter(repeated["place"], texts))


@dataclass
class Signed:
    """Signatures of different texts, each under a key; of a key that comes again, the first one counts.

    Args:
        params: of the signatures.
    """

    params: SimilarityParams
    _keys: list[pl.Series] = field(default_factory=list)
    _signatures: list[Signatures] = field(default_factory=list)

    def take(self, keys: pl.Series, texts: pl.Series) -> None:
        """Take further texts with their keys."""
        different = pl.DataFrame({"key": keys, "text": texts}).unique("key", keep="first", maintain_order=True)
        self._keys.append(different["key"])
        self._signatures.append(compute_signatures(different["text"], self.params))

    def find_near(self, keys: pl.Series, groups: pl.Series) -> pl.Series:
        """Name for each key the first one of its group that its text is near to, or itself.

        Args:
            keys: different ones, in the order in which texts are kept.
            groups: of these.
        """
        known = pl.DataFrame({"key": pl.concat(self._keys)}).with_row_index("place").unique("key", keep="first")
        frame = pl.DataFrame({"key": keys, "group": groups}).with_row_index("number")
        # What is alone in its group has nothing to be compared with: most responses are.
        places = frame.filter(pl.len().over("group") > 1).join(known, on="key", maintain_order="left")
        signatures = np.concatenate(self._signatures)[places["place"].to_numpy()]
        kept = find_near(signatures, places["group"].to_numpy(), self.params.threshold)
        return keys.clone().scatter(places["number"], places["key"].gather(kept))


def measure_near(rows: pl.DataFrame) -> pl.DataFrame:
    """Hash what near-duplicates are told apart by: the instruction, the response as it was graded, and by what."""
    graded = {"graded": ["criteria", "score"], "unit": ["prompt_id", "criteria", "score", "response"]}
    known = graded if "score" in rows.columns else {}
    return rows.select(
        pl.col("prompt_id").hash(1).alias("prompt"),
        *(_hash_columns(columns, 1).alias(name) for name, columns in known.items()),
    )


def find_near_instructions(measured: pl.DataFrame, signed: Signed) -> tuple[Flags, pl.Series]:
    """Find rows whose instruction is almost an earlier one.

    Args:
        measured: ``row_id``, and the columns of ``measure_near``.
        signed: instructions by ``prompt``.

    Returns:
        what was found, and of each row the ``prompt`` that stands for its own.
    """
    units = measured.group_by("prompt", maintain_order=True).agg(first=pl.col("row_id").first())
    kept = signed.find_near(units["prompt"], pl.zeros(units.height, pl.UInt64, eager=True))
    return _describe_near(measured, "prompt", units, kept, "the instruction is almost that of row {}")


def find_near_responses(measured: pl.DataFrame, about: pl.Series, signed: Signed) -> Flags:
    """Find rows whose response is almost an earlier one to the same instruction, by the same rubric, with one score.

    Args:
        measured: as above, of graded rows.
        about: of each row, the ``prompt`` that stands for its instruction.
        signed: responses by ``unit``.
    """
    numbered = measured.select("row_id", "unit", "graded", about=about).select(
        "row_id", "unit", group=pl.struct("graded", "about").hash(1)
    )
    units = numbered.group_by("unit", maintain_order=True).agg(pl.col("group").first(), first=pl.col("row_id").first())
    kept = signed.find_near(units["unit"], units["group"])
    return _describe_near(numbered, "unit", units, kept, "the response is almost that of row {}")[0]


def _describe_near(
    rows: pl.DataFrame, key: str, units: pl.DataFrame, kept: pl.Series, text: str
) -> tuple[Flags, pl.Series]:
    firsts = units.select(stands_for=key, kept_row="first")
    standing = units.select(key, stands_for=kept).join(firsts, on="stands_for", how="left", maintain_order="left")
    joined = rows.select(key).join(standing, on=key, how="left", maintain_order="left")
    reasons = joined.select(
        pl.when(pl.col("stands_for") != pl.col(key)).then(pl.format(text, pl.col("kept_row"))).alias("reason")
    )
    return Flags(reasons.to_series()), joined["stands_for"]


def _hash_columns(names: Iterable[str], seed: int) -> pl.Expr:
    """Hash several columns to one; each for itself first, since hashing texts together would copy them all."""
    return pl.struct(pl.col(name).hash(seed) for name in names).hash(seed)
