"""How far gold graders, repeated runs and rankings agree with themselves: what can be reached, and how steady it is."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, Literal

import krippendorff
import numpy as np
import polars as pl

from judgeforge.statistics.measure import Array, Pearson, compute

_CHOICES = ("A", "B", "tie")
_COIN = 0.5


def compute_ceiling(judged: pl.DataFrame) -> dict[str, Any] | None:
    """Compute how far gold graders agree with one another, and what that leaves a judge to reach.

    Direct: ``agreement`` is Pearson's correlation of each grader with the mean of the others, averaged over graders;
    ``value`` is what a judge without noise of its own can reach with the mean of all k, by their mean correlation r:
    the root of k r / (1 + (k - 1) r) (Spearman 1910, Brown 1910). Pairs: ``agreement`` is how often two people gave the
    same pair the same label, ties among them; ``value`` is the most that anybody can agree with labels of which two are
    equal with probability q where neither is a tie, (1 + root(2 q - 1)) / 2, by Jensen's inequality.

    Args:
        judged: judged items of one benchmark and method.

    Returns:
        ``measure`` (which ``value`` is of), ``value`` (None where agreement is below chance), ``agreement``, and
        ``graders`` and ``items``, or the ``comparisons`` of two labels; None where nothing was graded twice.
    """
    if judged["gold_choice"].is_null().all():
        return _correlate_graders([list(scores) for scores in judged["graders"] if scores is not None])
    labels = defaultdict(list)
    for row in judged.select("prompt_id", "response_a", "response_b", "gold_choice").iter_rows():
        prompt, first, second, gold = row
        turned = {"A": "B", "B": "A"}.get(gold, gold) if first > second else gold
        labels[prompt, min(first, second), max(first, second)].append(turned)
    compared = [pair for same in labels.values() for pair in combinations(same, 2)]
    if not compared:
        return None
    decided = [one == other for one, other in compared if "tie" not in (one, other)]
    equal = float(np.mean(decided)) if decided else 0.0
    return {
        "measure": "accuracy",
        "value": (1 + (2 * equal - 1) ** 0.5) / 2 if equal >= _COIN else None,
        "agreement": float(np.mean([one == other for one, other in compared])),
        "comparisons": len(compared),
    }


def _correlate_graders(scores: Sequence[Sequence[float]]) -> dict[str, Any] | None:
    counts = Counter(len(row) for row in scores if len(row) > 1)
    if not counts:
        return None
    # Items that more or fewer people graded are few, and one correlation needs equal numbers.
    graders = max(counts, key=lambda count: (counts[count], count))
    whole = np.array([row for row in scores if len(row) == graders])
    others = [np.delete(whole, one, axis=1).mean(axis=1) for one in range(graders)]
    known = [value for one in range(graders) if (value := _correlate(whole[:, one], others[one])) is not None]
    pairs = [_correlate(whole[:, one], whole[:, other]) for one, other in combinations(range(graders), 2)]
    mean = float(np.mean([value for value in pairs if value is not None] or [-1]))
    if not known:
        return None
    return {
        "measure": "pearson",
        "value": (graders * mean / (1 + (graders - 1) * mean)) ** 0.5 if mean >= 0 else None,
        "agreement": float(np.mean(known)),
        "graders": graders,
        "items": len(whole),
    }


def _correlate(first: Array, second: Array) -> float | None:
    return compute(Pearson("first", "second"), {"first": first, "second": second})


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
        scores = np.arange(answers["lowest"][0], answers["highest"][0] + 1, dtype=float)
        return _compute_alpha(table, "ordinal", scores)
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

    Of the 27 ways in which three pairs can come out, 13 fit one: by lot with no ties, 6 of 8 do. Three ties fit one,
    too: a judge that always says A is perfectly transitive over both orders, hence ``tied``.

    Args:
        judged: judged pairs of one benchmark and method.

    Returns:
        ``value``, ``triples`` and ``tied`` (the share of these that are three ties); None where no three responses were
        judged in all three pairs.
    """
    verdicts: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for prompt, first, second, choice in judged.select("prompt_id", "response_a", "response_b", "choice").iter_rows():
        if choice is not None and first != second:
            sign = {"A": 1, "B": -1, "tie": 0}[choice]
            verdicts[prompt][min(first, second), max(first, second)] = sign if first < second else -sign
    triples = [triple for pairs in verdicts.values() for triple in _list_triples(pairs)]
    if not triples:
        return None
    fits = [fits_ranking(*triple) for triple in triples]
    tied = [not any(triple) for triple in triples]
    return {"value": float(np.mean(fits)), "triples": len(triples), "tied": float(np.mean(tied))}


def _list_triples(pairs: dict[tuple[str, str], int]) -> Iterable[tuple[int, int, int]]:
    names = sorted({name for pair in pairs for name in pair})
    for one, two, three in combinations(names, 3):
        if {(one, two), (two, three), (one, three)} <= pairs.keys():
            yield pairs[one, two], pairs[two, three], pairs[one, three]


def fits_ranking(one_two: int, two_three: int, one_three: int) -> bool:
    """Tell whether three verdicts (1: the former is better, 0: equal, -1: the latter) fit a ranking with ties."""
    steps = {one_two, two_three} - {0}
    if len(steps) == 2:
        return True
    return one_three == (steps.pop() if steps else 0)
