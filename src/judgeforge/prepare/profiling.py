"""The profile of a data set for its page and its card: counted on all keys, measured on the texts of one bucket.

Instructions fall into buckets by lot, so one is a fair sample, and so are the first examples of a set, which stand
mixed; what is small enough for one bucket is measured whole.
"""

from pathlib import Path
from typing import Any

import polars as pl

from judgeforge.prepare.collecting import Collection
from judgeforge.prepare.plan import DIRECT_SETS, PAIRWISE_SETS, SETS, Plan
from judgeforge.prepare.quality import compute_profile
from judgeforge.training_sets import EXAMPLES_SCHEMA

_BUCKET = 0
_EXAMPLES = 500
"""Of one set, where there are more buckets than one."""


def build_profile(collection: Collection, plan: Plan, untaught: dict[str, list[int]], folder: Path, marker: str) -> Any:
    """Describe the data set.

    Args:
        collection: the rows.
        plan: of the sets.
        untaught: by set, numbers of the examples that were dropped in the end.
        folder: of the training sets, written.
        marker: of the template.
    """
    sets = {name: frame.filter(~pl.col("example").is_in(untaught[name])) for name, frame in plan.sets.items()}
    most = _EXAMPLES if collection.buckets > 1 else None
    examples = pl.concat(_load_examples(name, sets[name], folder, most) for name in SETS)
    rows = _load_rows(collection, plan)
    profile = compute_profile(rows, examples, marker=marker)
    if collection.buckets > 1:
        _count_all(profile, plan, sets)
    return profile | {"measured": {"rows": rows.height, "examples": examples.height, "buckets": collection.buckets}}


def _load_rows(collection: Collection, plan: Plan) -> pl.DataFrame:
    places = plan.graded.filter(pl.col("bucket") == _BUCKET)["place"]
    graded = collection.graded.load(_BUCKET)[places]
    pairs = collection.compared.load(_BUCKET)
    sides = [
        pairs.select(
            *("prompt_id", "instruction", "reference", "criteria", "levels"),
            pl.col(f"response_{side}").alias("response"),
            *(pl.lit(None, dtype=kind).alias(name) for name, kind in (("feedback", pl.String), ("score", pl.Int64))),
        )
        for side in ("a", "b")
    ]
    return pl.concat([graded.select(sides[0].columns), *sides])


def _load_examples(name: str, part: pl.DataFrame, folder: Path, most: int | None) -> pl.DataFrame:
    """Read the examples of the bucket: files are written bucket by bucket, the first one first."""
    missing = part.filter(pl.col("bucket") == _BUCKET).height
    missing = missing if most is None else min(missing, most)
    found = [pl.DataFrame(schema=EXAMPLES_SCHEMA)]
    for path in sorted((folder / name).glob("*.parquet")):
        if missing <= 0:
            break
        found.append(pl.read_parquet(path, n_rows=missing))
        missing -= found[-1].height
    content = pl.col("messages").list
    return pl.concat(found).select(
        *("format", "prompt_id"),
        content.get(1).struct.field("content").alias("prompt"),
        content.last().struct.field("content").alias("completion"),
    )


def _count_all(profile: dict[str, Any], plan: Plan, sets: dict[str, pl.DataFrame]) -> None:
    """Put the counts of all buckets in the place of one bucket's."""
    parts = {
        "direct": pl.concat(sets[name].select("prompt", "number") for name in DIRECT_SETS),
        "pairwise": pl.concat(sets[name].select("prompt", "a_is_better") for name in PAIRWISE_SETS),
    }
    at_a = int(parts["pairwise"]["a_is_better"].sum())
    positions = {"A": at_a, "B": parts["pairwise"].height - at_a}
    scores = parts["direct"].join(plan.graded.select("number", "score"), on="number")["score"]
    verdicts = {"direct": _count_scores(scores), "pairwise": positions}
    no_reference = pl.Series([None], dtype=pl.String).hash().item()
    for kind, part in parts.items():
        used = plan.graded.filter(pl.col("prompt").is_in(part["prompt"].unique().implode()))
        profile["table"][kind] |= {
            "rubrics": used["rubric"].n_unique(),
            "instructions": used["prompt"].n_unique(),
            "references": used.filter(pl.col("reference") != no_reference).select("prompt", "reference").n_unique(),
            "responses": used.select("prompt", "response").n_unique(),
            "instances": part.height,
            "feedback": part.height,
            "feedback_by_verdict": {verdict: count for verdict, count in verdicts[kind].items() if count},
        }
    profile |= {"scores": _count_scores(plan.graded["score"]), "positions": positions}


def _count_scores(scores: pl.Series) -> dict[str, int]:
    return {str(score): count for score, count in scores.value_counts().sort("score").iter_rows()}
