import itertools
import statistics
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.errors import InputError
from judgeforge.prepare import pairing
from judgeforge.prepare.hashing import to_keys
from judgeforge.prepare.keys import build_graded_keys
from judgeforge.prepare.pairing import build_pairs, build_responses, place_pairs
from judgeforge.prepare.rows import GRADED
from judgeforge.prepare.split import compute_prompt_id


def graded(instruction, response, score, feedback="f", criteria="Good?", reference=None):
    return {
        "prompt_id": compute_prompt_id(instruction),
        **{"instruction": instruction, "response": response, "reference": reference, "criteria": criteria},
        **{"levels": list("12345"), "feedback": feedback, "score": score},
    }


def build_keys(rows):
    rows = [row | {"row_id": f"x:{n}", "source": "x", "line": n} for n, row in enumerate(rows, start=1)]
    return build_graded_keys(pl.DataFrame(rows, schema=GRADED), first=0, weight=1.0, seed=0)


def find_pairs(rows, limit=None, seed=0):
    """Pair rows; return (better row, worse row) with their medians, the rows being those of the nearest graders."""
    responses = build_responses(build_keys(rows))
    found = []
    for better, worse in build_pairs(responses, limit, seed).frame.select("better", "worse").iter_rows():
        sides = [responses.row(index, named=True) for index in (better, worse)]
        found.append(tuple((rows[side["number"]], side["median"]) for side in sides))
    return found


def name_pairs(found):
    return Counter((one["instruction"], one["response"], two["response"]) for (one, _), (two, _) in found)


ROWS = st.lists(
    st.builds(
        graded,
        st.sampled_from(["p", "q"]),
        st.sampled_from(["one", "two", "three", "four"]),
        st.integers(1, 5),
        st.sampled_from("fgh"),
    ),
    max_size=30,
)


def test_score_is_the_median_and_feedback_that_of_the_nearest_grader():
    rows = [
        graded("p", "one", 1, "harsh"),
        graded("p", "one", 3, "fair"),
        graded("p", "one", 5, "mild"),
        graded("p", "two", 4),
        graded("p", "two", 5),
        graded("p", "three", 3),
    ]
    found = {(one["response"], two["response"]): ((one, a), (two, b)) for (one, a), (two, b) in find_pairs(rows)}
    assert set(found) == {("two", "one"), ("two", "three")}
    (better, better_median), (worse, worse_median) = found["two", "one"]
    assert (worse["feedback"], worse_median) == ("fair", 3.0)
    assert (better["score"], better_median) == (4, 4.5)


@given(ROWS)
def test_pairs_are_all_combinations_of_different_responses_with_different_medians(rows):
    expected = Counter()
    equal = 0
    for instruction in ("p", "q"):
        scores: dict[str, list[int]] = {}
        for row in rows:
            if row["instruction"] == instruction:
                scores.setdefault(row["response"], []).append(row["score"])
        medians = {text: statistics.median(labels) for text, labels in scores.items()}
        for one, two in itertools.combinations(medians, 2):
            equal += medians[one] == medians[two]
            if medians[one] != medians[two]:
                expected[instruction, max(one, two, key=medians.get), min(one, two, key=medians.get)] += 1
    assert name_pairs(find_pairs(rows)) == expected
    assert build_pairs(build_responses(build_keys(rows)), None, seed=0).equal == equal


@given(ROWS, st.integers(1, 4), st.integers(0, 5))
def test_drawn_pairs_are_some_of_all_pairs(rows, limit, seed):
    everything = find_pairs(rows)
    drawn = find_pairs(rows, limit, seed)
    sizes = Counter(one["instruction"] for (one, _), _ in everything)
    assert Counter(one["instruction"] for (one, _), _ in drawn) == {key: min(n, limit) for key, n in sizes.items()}
    assert name_pairs(drawn) <= name_pairs(everything)
    assert build_pairs(build_responses(build_keys(rows)), limit, seed).capped == len(everything) - len(drawn)


def test_batches_of_groups_find_the_same_pairs(monkeypatch):
    rows = [graded(f"p{n % 7}", f"r{n}", n % 5 + 1) for n in range(60)]
    expected = name_pairs(find_pairs(rows))
    monkeypatch.setattr(pairing, "_JOINED_ROWS", 100)
    assert name_pairs(find_pairs(rows)) == expected


def test_a_crowd_of_responses_is_thinned_with_a_limit_and_refused_without():
    rows = [graded("p", f"r{n}", n % 5 + 1) for n in range(10_100)]
    with pytest.raises(InputError, match=r"50,999,950 combinations.*max_pairs_per_instruction"):
        find_pairs(rows)
    assert len(find_pairs(rows, limit=30)) == 30


@given(st.integers(0, 40), st.integers(0, 9), st.integers(0, 9), st.integers(0, 5))
def test_placement_is_balanced_with_what_stands_already_as_far_as_it_can_be(count, at_a, at_b, seed):
    ids = (to_keys(pl.Series(range(count), dtype=pl.UInt64)),)
    placed = place_pairs(ids, seed, (at_a, at_b))
    assert len(placed) == count
    difference = abs(int(placed.sum()) + at_a - int((~placed).sum()) - at_b)
    assert difference <= max(1, abs(at_a - at_b) - count)


def test_which_pairs_are_placed_at_a_follows_from_their_ids_and_not_from_their_order():
    ids = to_keys(pl.Series(range(100), dtype=pl.UInt64))
    placed = place_pairs((ids,), 1)
    assert place_pairs((ids[::-1],), 1).to_list() == placed.to_list()[::-1]
    assert place_pairs((ids,), 2).to_list() != placed.to_list()


def test_rubrics_and_references_are_not_mixed():
    assert find_pairs([graded("p", "one", 1), graded("p", "two", 2, criteria="Other?")]) == []
    assert find_pairs([graded("p", "one", 1), graded("p", "two", 2, reference="r")]) == []
    assert len(find_pairs([graded("p", "one", 1), graded("p", "two", 2)])) == 1
