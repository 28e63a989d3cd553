import itertools
import statistics
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.grading.records import Rubric
from judgeforge.prepare.pairing import GradedResponse, Pair, PlacedPair, build_pairs, place_pairs
from judgeforge.prepare.sources import FeedbackRow
from judgeforge.prepare.teacher import MAX_WORDS_EACH, compose_feedback

RUBRIC = Rubric(criteria="Good?", levels=("1", "2", "3", "4", "5"))


def graded(instruction: str, response: str, score: int, feedback: str = "f") -> FeedbackRow:
    levels = {f"orig_score{level}_description": str(level) for level in range(1, 6)}
    return FeedbackRow.model_validate(
        {
            "orig_instruction": instruction,
            "orig_response": response,
            "orig_criteria": "Good?",
            "orig_feedback": feedback,
            "orig_score": score,
            **levels,
        }
    )


ROWS = st.lists(
    st.builds(
        graded,
        st.sampled_from(["p", "q"]),
        st.sampled_from(["one", "two", " two ", "three", "four"]),
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
    pairs = build_pairs(rows, None, seed=0)
    found = {(pair.better.text, pair.worse.text): pair for pair in pairs}
    assert set(found) == {("two", "one"), ("two", "three")}
    assert found["two", "one"].worse == GradedResponse("one", 3.0, "fair")
    assert found["two", "one"].better.score == 4.5


@given(ROWS)
def test_pairs_are_all_combinations_of_different_responses_with_different_medians(rows):
    expected = Counter()
    for instruction in ("p", "q"):
        scores: dict[str, list[int]] = {}
        for row in rows:
            if row.instruction == instruction:
                scores.setdefault(row.response.strip(), []).append(row.score)
        medians = {text: statistics.median(labels) for text, labels in scores.items()}
        for one, two in itertools.combinations(medians, 2):
            if medians[one] != medians[two]:
                expected[instruction, max(one, two, key=medians.get), min(one, two, key=medians.get)] += 1
    found = Counter((pair.instruction, pair.better.text, pair.worse.text) for pair in build_pairs(rows, None, seed=0))
    assert found == expected


@given(ROWS, st.integers(1, 4), st.integers(0, 5))
def test_drawn_pairs_are_some_of_all_pairs(rows, limit, seed):
    everything = build_pairs(rows, None, seed)
    drawn = build_pairs(rows, limit, seed)
    sizes = Counter(pair.instruction for pair in everything)
    assert Counter(pair.instruction for pair in drawn) == {key: min(size, limit) for key, size in sizes.items()}
    assert set(drawn) <= set(everything)
    assert drawn == build_pairs(rows, limit, seed)


@given(ROWS, st.integers(0, 5))
def test_placement_is_balanced_and_keeps_the_pairs(rows, seed):
    pairs = build_pairs(rows, None, seed)
    placed = place_pairs(pairs, seed)
    assert [entry.pair for entry in placed] == pairs
    counts = Counter(entry.choice for entry in placed)
    assert abs(counts["A"] - counts["B"]) <= 1
    for entry in placed:
        chosen, other = (entry.a, entry.b) if entry.choice == "A" else (entry.b, entry.a)
        assert chosen.score > other.score


def test_rubrics_and_references_are_not_mixed():
    rows = [graded("p", "one", 1), graded("p", "two", 2).model_copy(update={"criteria": "Other?"})]
    assert build_pairs(rows, None, seed=0) == []
    rows = [graded("p", "one", 1), graded("p", "two", 2).model_copy(update={"reference": "r"})]
    assert build_pairs(rows, None, seed=0) == []


def placed(better: GradedResponse, worse: GradedResponse, choice: str) -> PlacedPair:
    return PlacedPair(Pair("id", "p", RUBRIC, None, better, worse), choice)


@pytest.mark.parametrize(
    ("better", "worse", "choice", "expected"),
    [
        (
            GradedResponse("x", 5, "It names both."),
            GradedResponse("y", 3, "The response names one; the response is short."),
            "B",
            "Response A names one; Response A is short. Response B names both. "
            "Only one does well: Response B is better.",
        ),
        (
            GradedResponse("x", 2, "No greeting"),
            GradedResponse("y", 1, "It is clear that the response fails!"),
            "A",
            "Response A: No greeting. It is clear that Response B fails! Neither does well, but Response A is better.",
        ),
        (
            GradedResponse("x", 5, "This response's tone is kind."),
            GradedResponse("y", 4, "The answer is fine. It is short. And so on."),
            "A",
            "Response A's tone is kind. Response B is fine. It is short. And so on. "
            "Both do well, but Response A is better.",
        ),
    ],
)
def test_teacher_composes_a_then_b_then_verdict(better, worse, choice, expected):
    assert compose_feedback(placed(better, worse, choice)) == expected


@given(st.lists(st.sampled_from(["word", "end.", "It", "(and", "Stop!"]), min_size=1, max_size=300))
def test_teacher_bounds_long_feedback(words):
    feedback = " ".join(words)
    text = compose_feedback(placed(GradedResponse("x", 5, feedback), GradedResponse("y", 1, "It fails."), "A"))
    assert len(text.split()) <= MAX_WORDS_EACH + 15
    assert text.endswith("Only one does well: Response A is better.")
