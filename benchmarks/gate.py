"""Does the gate let through what it must not? A simulation over judges whose truth is known, 1,000 repetitions a cell.

Champion and challengers are drawn as verdict tables (``synthetic.py``) and go through the gate's own checks, but for
the limits. ``false_pass_rate`` is the share of judges worse by exactly the margin that are found not inferior, in the
cell where it is largest; the whole gate asks for a gain besides, so that it lets through no more. Strong champions,
where intervals are hardest to get right, are told apart.
"""

import gc
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from statistics import mean
from typing import Any

from harness import RESULTS, describe_machine, find_commit
from rich.console import Console
from rich.table import Table
from statsmodels.stats.proportion import proportion_confint
from synthetic import MOST_ITEMS, draw_judges

from judgeforge.files import write_json
from judgeforge.grading.records import Format
from judgeforge.promote.candidate import Candidate, Conditions
from judgeforge.promote.checks import Contrast, check_not_inferior, check_superior, contrast, count_needed
from judgeforge.promote.decision import conclude
from judgeforge.promote.limits import Drawing
from judgeforge.statistics import MAIN_MEASURE, build_judged_items

REPETITIONS = 1000
MARGIN, ALPHA, RESAMPLES, SEED = 0.05, 0.05, 1000, 20261126
PROMPTS = (25, 50, 100, 200, 400)
ITEMS_A_PROMPT = (1 + MOST_ITEMS) / 2
CHAMPION: dict[Format, float] = {"direct": 0.6, "pairwise": 0.75}
STRONG: dict[Format, float] = {"direct": 0.85, "pairwise": 0.98}
WORSE = "worse by the margin"
SHIFTS = {WORSE: -1.0, "worse by half": -0.5, "equal": 0.0, "better by the margin": 1.0}
WHOLE = {
    "worse in scores, better in pairs": (WORSE, "better by the margin"),
    "better in scores, worse in pairs": ("better by the margin", WORSE),
    "equal in both": ("equal", "equal"),
    "better in both": ("better by the margin", "better by the margin"),
}
"""Of the whole gate: scores and pairs are two benchmarks, both primary."""

CHUNK_ITEMS = 10_000
"""Drawn at a time: finding a benchmark in a longer table takes longer than all the rest."""

Found = dict[tuple[Format, int, str], list[Contrast]]


def main() -> None:
    """Simulate, print the tables and one line of JSON, and write benchmarks/results/gate.json."""
    found: Found = {}
    for format, quality in CHAMPION.items():
        for prompts in PROMPTS:
            found |= simulate(format, prompts, quality, SHIFTS)
    strong: Found = {}
    for format, quality in STRONG.items():
        for prompts in PROMPTS[:3]:
            strong |= simulate(format, prompts, quality, {WORSE: SHIFTS[WORSE]})
    gc.freeze()  # statsmodels collects garbage at every correction, and would look through all that was found each time
    cells = [describe_cell(key, contrasts) for key, contrasts in found.items()]
    worse = [cell for cell in cells if cell["judge"] == WORSE]
    worst = max(worse, key=lambda cell: cell["not_inferior"]["share"])
    record = {
        "name": "gate",
        "work": f"{REPETITIONS} repetitions a cell, champion {CHAMPION}, margin {MARGIN}, level {ALPHA}",
        "false_pass_rate": worst["not_inferior"]["share"],
        "false_pass_interval": worst["not_inferior"]["interval"],
        "false_pass_cell": {key: worst[key] for key in ("format", "prompts")},
        "false_pass_rate_of_all_cells": describe_share(
            sum(cell["not_inferior"]["count"] for cell in worse), len(worse)
        ),
        "goal": ALPHA,
        "goal_met": all(cell["not_inferior"]["interval"][0] <= ALPHA for cell in worse),
        "cells": cells,
        "strong_champions": STRONG,
        "strong_cells": [describe_cell(key, contrasts) for key, contrasts in strong.items()],
        "whole_gate": list(describe_gate(found)),
        "items_needed": list(list_needed(found)),
        "command": "make bench NAME=gate",
        **{"date": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": find_commit(), "machine": describe_machine()},
    }
    print_tables(record)
    write_json(RESULTS / "gate.json", record)
    print(json.dumps({key: value for key, value in record.items() if key.startswith(("name", "false", "goal"))}))


def simulate(format: Format, prompts: int, quality: float, shifts: Mapping[str, float]) -> Found:
    """Contrast every challenger with a champion of this quality on each of the repetitions' benchmarks."""
    found: Found = {(format, prompts, name): [] for name in shifts}
    qualities = {name: round(quality + MARGIN * shift, 6) for name, shift in shifts.items()}
    size = max(1, int(CHUNK_ITEMS / (prompts * ITEMS_A_PROMPT)))
    for start in range(0, REPETITIONS, size):
        numbers = range(start, min(start + size, REPETITIONS))
        judges = draw_judges(format, quality, qualities, prompts=prompts, repetitions=numbers, seed=SEED)
        champion = build_candidate(build_judged_items(judges.champion), format)
        for name, table in judges.challengers.items():
            challenger = build_candidate(build_judged_items(table), format)
            for number in numbers:
                drawing = Drawing(ALPHA, RESAMPLES, SEED + number)
                measure = f"{number}/{MAIN_MEASURE[format]}"
                found[format, prompts, name].append(contrast(challenger, champion, "the champion", measure, drawing))
    return found


def build_candidate(judged: Any, format: Format) -> Candidate:
    """Let a table of judged items stand for an evaluation."""
    names = judged["benchmark"].unique().to_list()
    conditions = Conditions(contents={}, asked={}, mode="clean", generation=None, template=None)
    return Candidate(dict.fromkeys(names, format), judged, dict.fromkeys(names, 0.0), frozenset(), conditions)


def describe_cell(key: tuple[Format, int, str], contrasts: Sequence[Contrast]) -> dict[str, Any]:
    """Count the verdicts of one judge on benchmarks of one size."""
    format, prompts, judge = key
    checks = [check_not_inferior(each, MARGIN, ALPHA) for each in contrasts]
    gains = [check for each in contrasts for check in check_superior([each], MARGIN, ALPHA)]
    return {
        **{"format": format, "prompts": prompts, "items": round(prompts * ITEMS_A_PROMPT), "judge": judge},
        "not_inferior": describe_share(sum(check.verdict == "passed" for check in checks)),
        "not_inferior_undecided": describe_share(sum(check.verdict == "undecided" for check in checks))["share"],
        "superior": describe_share(sum(check.verdict == "passed" for check in gains)),
        "mean_difference": round(mean(each.found.interval.value or 0.0 for each in contrasts), 4),
    }


def describe_share(count: int, cells: int = 1) -> dict[str, Any]:
    """Give a share of repetitions with its Clopper-Pearson interval of 95%."""
    total = REPETITIONS * cells
    low, high = proportion_confint(count, total, alpha=0.05, method="beta")
    return {"count": count, "share": round(count / total, 4), "interval": [round(float(low), 4), round(float(high), 4)]}


def describe_gate(found: Found) -> Iterator[dict[str, Any]]:
    """Let both benchmarks decide together, on repetitions that are independent of each other."""
    for title, names in WHOLE.items():
        for prompts in PROMPTS:
            sides = [found[format, prompts, name] for format, name in zip(CHAMPION, names, strict=True)]
            outcomes = [decide_both(pair) for pair in zip(*sides, strict=True)]
            shares = {each: describe_share(outcomes.count(each)) for each in ("promoted", "undecided", "refused")}
            yield {"judge": title, "prompts": prompts, **shares}


def decide_both(pair: Sequence[Contrast]) -> str:
    """Add the checks up as the gate does."""
    checks = [check_not_inferior(each, MARGIN, ALPHA) for each in pair]
    return conclude([*checks, *check_superior(pair, MARGIN, ALPHA)], "successor")


def list_needed(found: Found) -> Iterator[dict[str, Any]]:
    """List how many items an equal judge needs to pass in 80 of 100 cases, by margin, from the largest benchmarks."""
    for format in CHAMPION:
        contrasts = found[format, PROMPTS[-1], "equal"]
        for margin in (0.02, 0.03, 0.05, 0.1):
            items = [count for each in contrasts if (count := count_needed(each, margin, ALPHA)) is not None]
            yield {"format": format, "margin": margin, "items": round(mean(items))}


def print_tables(record: dict[str, Any]) -> None:
    """Print the shares."""
    console = Console()
    heads = ("format", "prompts", "items", "judge", "not inferior", "undecided", "superior")
    cells = [
        (
            *(each[key] for key in heads[:4]),
            write_share(each["not_inferior"]),
            f"{each['not_inferior_undecided']:.1%}",
            write_share(each["superior"]),
        )
        for each in record["cells"] + record["strong_cells"]
    ]
    console.print(build_table(f"each check alone; the last of champions {STRONG}", heads, cells))
    outcomes = ("promoted", "undecided", "refused")
    whole = [
        (each["judge"], each["prompts"], *(write_share(each[name]) for name in outcomes))
        for each in record["whole_gate"]
    ]
    console.print(build_table("the whole gate", ("judge", "prompts", *outcomes), whole))
    needed = [(each["format"], each["margin"], each["items"]) for each in record["items_needed"]]
    console.print(build_table("items needed", ("format", "margin", "items"), needed))


def build_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Build a table of anything."""
    table = Table(*heads, title=title)
    for row in rows:
        table.add_row(*map(str, row))
    return table


def write_share(share: dict[str, Any]) -> str:
    """Write a share and its interval."""
    return f"{share['share']:.1%} [{share['interval'][0]:.1%}, {share['interval'][1]:.1%}]"


if __name__ == "__main__":
    main()
