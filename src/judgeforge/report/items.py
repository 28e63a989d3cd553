"""All judges on the same items: what the subject was trained on is left out of every judge's figures."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from judgeforge.errors import InputError
from judgeforge.report.sources import Evaluation, Sources
from judgeforge.statistics import build_judged_items, select_main
from judgeforge.statistics.metrics import compute_metrics

_FACTS = ["item_id", "prompt_id", "gold_score", "gold_choice"]


def share_items(sources: Sources) -> Sources:
    """Leave the subject's contaminated items out of every judge's figures, and see that the items are the same.

    A guest was seldom audited. Its own metrics file is left as it is; what is shown is computed again.

    Raises:
        InputError: a judge judged other items than the subject, or in another mode.
    """
    subject = sources.subject
    marked = subject.verdicts.filter(pl.col("contaminated"))
    contaminated = {name: set(marked.filter(pl.col("benchmark") == name)["item_id"]) for name in subject.metrics}
    shared = tuple(each if each is subject else _leave_out(each, subject, contaminated) for each in sources.evaluations)
    changed = replace(sources, evaluations=shared)
    for name in changed.names:
        for each in changed.list_judging(name):
            _check(each, changed.find_leader(name), name)
    return changed


def has_other_items(sources: Sources, evaluation: Evaluation, benchmark: str) -> bool:
    """Tell whether a judge's own training leaves out items that count for the subject."""
    return evaluation.list_counted(benchmark) != sources.find_leader(benchmark).list_counted(benchmark)


def _leave_out(evaluation: Evaluation, subject: Evaluation, contaminated: Mapping[str, set[str]]) -> Evaluation:
    metrics: dict[str, dict[str, Any]] = dict(evaluation.metrics)
    verdicts = evaluation.verdicts
    for name, ids in contaminated.items():
        here = (pl.col("benchmark") == name) & pl.col("item_id").is_in(sorted(ids)) & ~pl.col("contaminated")
        if name not in metrics or not verdicts.filter(here).height:
            continue
        verdicts = verdicts.with_columns(contaminated=pl.col("contaminated") | here)
        found = compute_metrics(verdicts.filter(pl.col("benchmark") == name), **metrics[name]["bootstrap"])
        barred = metrics[name]["barred"] or subject.metrics[name]["barred"]
        metrics[name] = found[name] | {"barred": barred}
    if verdicts is evaluation.verdicts:
        return evaluation
    judged = select_main(build_judged_items(verdicts))
    return replace(evaluation, metrics=metrics, verdicts=verdicts, judged=judged)


def _check(evaluation: Evaluation, leader: Evaluation, benchmark: str) -> None:
    names = f"{leader.judge} and {evaluation.judge}"
    modes = [each.metrics[benchmark]["mode"] for each in (leader, evaluation)]
    if modes[0] != modes[1]:
        raise InputError(
            f"{names} were judged in different modes ({' and '.join(modes)}): their figures differ in kind.",
            "evaluate both in one mode (evaluate.mode); recorded verdicts are of the mode clean.",
        )
    first, second = (each.select(benchmark).sort("item_id").select(_FACTS) for each in (leader, evaluation))
    if not first.equals(second):
        raise InputError(
            f"{names} judged different items of {benchmark}.",
            f"evaluate {evaluation.judge} again with the section evaluate as it was for {leader.judge} (max_prompts, "
            "seed, the same benchmark files).",
        )
