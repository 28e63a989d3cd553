"""How far gold graders, repeated runs and rankings agree with themselves: what can be reached, and how steady it is."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, Literal

import krippendorff
import numpy as np
import polars as pl

from judgeforge.grading.records import SCORES
from judgeforge.statistics.measure import Array, Pearson, compute

_CHOICES = ("A", "B", "tie")


def compute_ceiling(judged: pl.DataFrame) -> dict[str, Any] | None:
    """Compute how well one gold grader agrees with the others: about the most that a judge can reach.

    Direct: Pearson's correlation of each grader with the mean of the others, averaged over graders. Pairwise: how often
    two people who saw the same pair gave it the same label, over all such pairs of people.

    Args:
        judged: judged items of one benchmark and method.

    Returns:
        ``measure``, ``value``, and ``graders`` or ``items``; None where no item has two graders.
    """
    if judged["gold_choice"].is_null().all():
        return _correlate_graders([list(scores) for scores in judged["graders"] if scores is not None])
    labels = defaultdict(list)
    for row in judged.select("prompt_id", "response_a", "response_b", "gold_choice").iter_rows():
        prompt, first, second, gold = row
        turned = {"A": "B", "B": "A"}.get(gold, gold) if first > second else gold
        labels[prompt, min(first, second), max(first, second)].append(turned)
    agreed = [one == other for same in labels.values() for one, other in combinations(same, 2)]
    if not agreed:
        return None
    return {"measure": "agreement", "value": float(np.mean(agreed)), "items": len(agreed)}


def _correlate_graders(scores: Sequence[Sequence[float]]) -> dict[str, Any] | None:
    most = max(map(len, scores), default=0)
    if most < 2:
        return None
    whole = np.array([row for row in scores if len(row) == most])
    found = []
    for grader in range(most):
        others = np.delete(whole, grader, axis=1).mean(axis=1)
        found.append(compute(Pearson("one", "others"), {"one": whole[:, grader], "others": others}))
    known = [value for value in found if value is not None]
    return {"measure": "pearson", "value": float(np.mean(known)), "graders": most} if known else None


def compute_run_alpha(answers: pl.DataFrame) -> float | None:
    """Compute Krippendorff's alpha of repeated answers to the same questions: ordinal of scores, nominal of choices.

    Args:
        answers: verdict rows of one judge, benchmark and method, as they were given.

    Returns:
        None with fewer than two samples, or where all answers are the same and alpha is not defined.
    """
    if answers["sample"].n_unique() < 2:
        return None
    direct = answers["format"][0] == "direct"
    value = "score" if direct else "choice"
    runs = answers.pivot(on="sample", index=["item_id", "order"], values=value).drop("item_id", "order")
    if direct:
        table = runs.cast(pl.Float64).fill_null(float("nan")).to_numpy().T
        return _compute_alpha(table, "ordinal", np.array(SCORES, dtype=float))
    codes = runs.select(pl.all().replace_strict({name: code for code, name in enumerate(_CHOICES)}, default=None))
    table = codes.cast(pl.Float64).fill_null(float("nan")).to_numpy().T
    return _compute_alpha(table, "nominal", np.arange(len(_CHOICES), dtype=float))


def _compute_alpha(table: Array, level: Literal["ordinal", "nominal"], domain: Array) -> float | None:
    paired = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    if np.unique(paired[~np.isnan(paired)]).size < 2:
        return None
    return float(krippendorff.alpha(reliability_data=paired, level_of_measurement=level, value_domain=domain))


def compute_transitivity(judged: pl.DataFrame) -> dict[str, Any] | None:
    """Compute how often a judge's three verdicts on three responses to a prompt fit a ranking, ties allowed.

    Of the 27 ways in which three pairs can come out, 13 fit one: by lot with no ties, 6 of 8 do.

    Args:
        judged: judged pairs of one benchmark and method.

    Returns:
        ``value`` and ``triples``; None where no three responses were judged in all three pairs.
    """
    verdicts: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for prompt, first, second, choice in judged.select("prompt_id", "response_a", "response_b", "choice").iter_rows():
        if choice is not None and first != second:
            sign = {"A": 1, "B": -1, "tie": 0}[choice]
            verdicts[prompt][min(first, second), max(first, second)] = sign if first < second else -sign
    fits = [fit for pairs in verdicts.values() for fit in _check_triples(pairs)]
    return {"value": float(np.mean(fits)), "triples": len(fits)} if fits else None


def _check_triples(pairs: dict[tuple[str, str], int]) -> Iterable[bool]:
    names = sorted({name for pair in pairs for name in pair})
    for one, two, three in combinations(names, 3):
        if {(one, two), (two, three), (one, three)} <= pairs.keys():
            yield fits_ranking(pairs[one, two], pairs[two, three], pairs[one, three])


def fits_ranking(one_two: int, two_three: int, one_three: int) -> bool:
    """Tell whether three verdicts (1: the former is better, 0: equal, -1: the latter) fit a ranking with ties."""
    steps = {one_two, two_three} - {0}
    if len(steps) == 2:
        return True
    return one_three == (steps.pop() if steps else 0)
