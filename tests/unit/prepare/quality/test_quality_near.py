import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_rows import build_rows, check_rows, list_ids, list_reasons, load_committed, only

from judgeforge.params.quality import SimilarityParams
from judgeforge.prepare.quality.similarity import choose_band_size, compute_signatures, find_near

SIMILARITY = load_committed().near_duplicates.similarity
WORDS = [f"word{number}" for number in range(60)]
LONG = " ".join(WORDS)


def run_lengths(first: str, second: str, size: int) -> float:
    one, two = (
        {tuple(words[start : start + size]) for start in range(max(1, len(words) - size + 1))}
        for words in (first.split(), second.split())
    )
    return len(one & two) / len(one | two)


@pytest.mark.parametrize("changed", [0, 1, 5, 20, 60])
def test_signatures_estimate_the_jaccard_similarity_of_runs_of_words(changed):
    other = " ".join([f"other{number}" for number in range(changed)] + WORDS[changed:])
    params = SIMILARITY.model_copy(update={"permutations": 1024})
    one, two = compute_signatures(pl.Series([LONG, other]), params)
    assert (one == two).mean() == pytest.approx(run_lengths(LONG, other, 3), abs=0.06)


def test_a_signature_is_the_same_wherever_a_text_stands_and_ignores_case_and_punctuation():
    texts = ["", "!!!", "Yes.", "No", "a b", "a b c", LONG, "春眠不覚暁", LONG.upper().replace(" ", ", "), ""]
    together = compute_signatures(pl.Series(texts), SIMILARITY)
    for text, signature in zip(texts, together, strict=True):
        assert (compute_signatures(pl.Series([text]), SIMILARITY)[0] == signature).all(), text
    same = {
        (one, two)
        for one, two in itertools.combinations(range(len(texts)), 2)
        if (together[one] == together[two]).all()
    }
    assert same == {(0, 9), (6, 8)}


def test_texts_of_a_script_without_spaces_are_compared_by_their_characters():
    poem = "春眠不覚暁処処聞啼鳥夜来風雨声花落知多少" * 2
    one, two, three = compute_signatures(
        pl.Series([poem, poem + "。終", "白日依山尽黄河入海流欲窮千里目更上一層楼"]), SIMILARITY
    )
    assert (one == two).mean() > 0.8 > 0.2 > (one == three).mean()


@pytest.mark.parametrize(("permutations", "threshold"), [(128, 0.8), (64, 0.9), (256, 0.5), (16, 0.1), (16, 1.0)])
def test_bands_let_nearly_all_pairs_at_the_threshold_through_and_longer_ones_would_not(permutations, threshold):
    size = choose_band_size(permutations, threshold)

    def recall(size: int) -> float:
        return 1 - (1 - threshold**size) ** (permutations // size)

    assert recall(size) >= 0.99 or size == 1
    assert size == permutations or recall(size + 1) < 0.99


SIGNATURES = st.lists(st.lists(st.integers(0, 2), min_size=16, max_size=16), min_size=1, max_size=14)


@given(SIGNATURES, st.sampled_from([0.5, 0.75, 1.0]), st.data())
def test_buckets_find_what_comparing_in_order_finds(signatures, threshold, data):
    """With bands of one place, every pair with a place in common is a candidate: nothing can be missed."""
    matrix = np.array(signatures, dtype=np.uint32)
    groups = np.array(
        data.draw(st.lists(st.integers(0, 1), min_size=len(matrix), max_size=len(matrix))), dtype=np.uint64
    )
    expected: list[int] = []
    for number in range(len(matrix)):
        near = [
            other
            for other in range(number)
            if expected[other] == other
            and groups[other] == groups[number]
            and (matrix[other] == matrix[number]).mean() >= threshold
        ]
        expected.append(near[0] if near else number)
    if choose_band_size(16, threshold) == 1:
        assert find_near(matrix, groups, threshold).tolist() == expected
    else:
        found = find_near(matrix, groups, 1.0).tolist()
        equal = [(matrix == row).all(axis=1) & (groups == group) for row, group in zip(matrix, groups, strict=True)]
        assert found == [int(np.flatnonzero(same)[0]) for same in equal]


def near(**actions: str):
    values = only("duplicates", action="skip").model_dump()
    for name, action in actions.items():
        values["near_duplicates"][name]["action"] = action
    return type(load_committed()).model_validate(values)


ASK = {"instruction": "Tell me a long story of many words."}
ALMOST = LONG + " more"


def test_a_response_that_is_almost_an_earlier_one_is_set_aside_and_names_it():
    rows = build_rows(
        ASK | {"response": LONG},
        ASK | {"response": ALMOST},
        ASK | {"response": ALMOST, "score": 3},  # another score: a contrast
        ASK | {"response": ALMOST, "criteria": "Is it long?"},  # another rubric
        ASK | {"response": LONG, "feedback": "Another grader."},  # another grader of the first
        ASK | {"response": ALMOST, "feedback": "Another grader."},  # ... of what is set aside
        {"response": ALMOST},  # another instruction
    )
    checked = check_rows(rows, near(responses="quarantine"))
    assert list_ids(checked.kept) == ["rows:1", "rows:3", "rows:4", "rows:5", "rows:7"]
    reason = "near_responses: the response is almost that of row rows:1"
    assert list_reasons(checked.quarantined) == {2: reason, 6: reason}


def test_an_instruction_that_is_almost_an_earlier_one_is_set_aside_with_all_its_rows():
    rows = build_rows(
        {"instruction": LONG},
        {"instruction": ALMOST, "response": "One."},
        {"instruction": LONG, "response": "Two."},
        {"instruction": ALMOST, "response": "Two."},
        {"instruction": "Something else altogether, if I may ask."},
    )
    checked = check_rows(rows, near(instructions="quarantine"))
    reason = "near_instructions: the instruction is almost that of row rows:1"
    assert list_reasons(checked.quarantined) == {2: reason, 4: reason}
    assert checked.findings["near_instructions"]["share"] == 0.4


def test_responses_to_almost_the_same_instruction_are_compared_where_instructions_are_looked_at():
    rows = build_rows({"instruction": LONG, "response": LONG}, {"instruction": ALMOST, "response": LONG})
    assert check_rows(rows, near(responses="quarantine")).kept.height == 2
    both = check_rows(rows, near(instructions="report", responses="quarantine"))
    assert list_reasons(both.quarantined) == {2: "near_responses: the response is almost that of row rows:1"}
    assert both.findings["near_instructions"]["count"] == 1


def test_a_chain_does_not_carry_away_what_is_unlike_the_kept_row():
    steps = [" ".join(WORDS[start : start + 40]) for start in (0, 3, 6)]
    similarities = [run_lengths(steps[0], other, 3) for other in steps[1:]]
    assert similarities[0] > 0.8 > similarities[1]
    rows = build_rows(*(ASK | {"response": text} for text in steps))
    params = near(responses="quarantine")
    exact = params.near_duplicates.similarity.model_copy(update={"permutations": 1024})
    inner = params.near_duplicates.model_copy(update={"similarity": exact})
    checked = check_rows(rows, params.model_copy(update={"near_duplicates": inner}))
    assert list_ids(checked.kept) == ["rows:1", "rows:3"]


def test_a_thousand_rows_of_one_pattern_leave_the_first():
    rows = build_rows(*(ASK | {"response": f"{LONG} {number}"} for number in range(1000)))
    assert list_ids(check_rows(rows, near(responses="quarantine")).kept) == ["rows:1"]


def test_similarity_needs_permutations_and_a_threshold():
    for wrong in ({"permutations": 8}, {"threshold": 0.0}, {"threshold": 1.1}, {"shingle_words": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SimilarityParams.model_validate(SIMILARITY.model_dump() | wrong)
