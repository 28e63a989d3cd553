"""A judge as the gate sees it: its judged items by benchmark, and the conditions under which they were judged."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from judgeforge.grading.records import Format
from judgeforge.statistics import build_judged_items, select_main
from judgeforge.verdicts import load_evaluation


@dataclass(frozen=True)
class Conditions:
    """What two evaluations must share for their verdicts to be compared.

    Args:
        contents: digest of each benchmark's items; empty in evaluations of before these were written.
        asked: answers of each benchmark in its own format: samples and orders.
        mode: see docs/judging.md.
        generation: how the judge decoded; None of a trivial judge.
        template: digest of the judge template; None of a trivial judge.
        engine: what ran the judge, with its arithmetic. It may differ, since it changes few verdicts; None where it is
            not known.
    """

    contents: Mapping[str, str]
    asked: Mapping[str, int]
    mode: str
    generation: Mapping[str, Any] | None
    template: str | None
    engine: str | None = None


@dataclass(frozen=True)
class Candidate:
    """An evaluated judge.

    Args:
        formats: of each benchmark.
        judged: one row an item, judged in the benchmark's own format.
        unparsable: share of each benchmark's answers; None where no item is left.
        barred: benchmarks of which too many items were trained on.
        conditions: under which it was judged.
        weights: digest of the weights that gave the verdicts; None: not known, or no weights gave them.
    """

    formats: Mapping[str, Format]
    judged: pl.DataFrame
    unparsable: Mapping[str, float | None]
    barred: frozenset[str]
    conditions: Conditions
    weights: str | None = None

    def select(self, benchmark: str) -> pl.DataFrame:
        """Return the judged items of one benchmark."""
        return self.judged.filter(pl.col("benchmark") == benchmark)


def load_candidate(folder: Path) -> Candidate:
    """Read an evaluation.

    Raises:
        InputError: something is missing or broken, or its files do not belong together.
    """
    document, verdicts = load_evaluation(folder)
    entries = document["benchmarks"]
    own = verdicts.filter(pl.col("method") == pl.col("format"))
    template, engine = document.get("template"), document.get("engine")
    return Candidate(
        formats={name: entry["format"] for name, entry in entries.items()},
        judged=select_main(build_judged_items(verdicts)),
        unparsable={name: entry["unparsable_rate"] for name, entry in entries.items()},
        barred=frozenset(name for name, entry in entries.items() if entry.get("barred")),
        conditions=Conditions(
            contents=document.get("contents") or {},
            asked=dict(own.group_by("benchmark").len().iter_rows()),
            mode=document["mode"],
            generation=document.get("generation"),
            template=template["digest"] if template else None,
            engine=f"{engine['name']} in {engine['dtype']}" if engine else None,
        ),
        weights=document.get("weights"),
    )


def list_disagreements(found: Conditions, wanted: Conditions, *, template: bool = True) -> list[str]:
    """Say in which conditions an evaluation is not what another one is; nothing: their verdicts compare.

    Args:
        found: of the one.
        wanted: of the other; benchmarks that it has not do not matter.
        template: whether both judges must have been asked by one template.
    """
    said = []
    for name, answers in wanted.asked.items():
        if name not in found.asked:
            said.append(f"{name} was not judged")
        elif not {name} <= found.contents.keys() & wanted.contents.keys():
            said.append(f"what {name} held is not known")
        elif found.contents[name] != wanted.contents[name]:
            said.append(f"{name} holds other items")
        elif found.asked[name] != answers:
            said.append(f"other numbers of samples or orders were asked of {name}")
    if found.mode != wanted.mode:
        said.append(f"the mode was {found.mode}, not {wanted.mode}")
    if found.generation != wanted.generation:
        said.append("it decoded otherwise")
    if template and found.template != wanted.template:
        said.append("it was asked by another template")
    return said


def carry_contamination(fresh: Candidate, stored: Candidate | None) -> Candidate:
    """Leave out of a new evaluation what the stored one says its judge was trained on, and nothing else.

    The new one was made with a challenger's audit, and is kept: what that challenger was trained on is left out for it
    anyhow, and must not be for those that come later. Without a stored one it is not known.
    """
    if stored is None:
        return replace(fresh, judged=fresh.judged.with_columns(contaminated=pl.lit(False)), barred=frozenset())
    known = stored.judged.filter("contaminated").select("benchmark", "item_id", seen=pl.lit(True))
    marked = fresh.judged.join(known, on=["benchmark", "item_id"], how="left", maintain_order="left")
    marked = marked.with_columns(contaminated=pl.col("seen").fill_null(False)).drop("seen")
    return replace(fresh, judged=marked, barred=stored.barred)
