import itertools
import re
import statistics
from collections import Counter, defaultdict

import pytest

from judgeforge.params import EmbeddedParams
from judgeforge.prepare.embedded.benchmarks import build_embedded_benchmarks
from judgeforge.prepare.embedded.registry import HELD_OUT_FAMILIES, TRAINING_FAMILIES, build_embedded_collection

SIZES = EmbeddedParams(train_instructions=25, benchmark_instructions=5, held_out_instructions=20, form_instructions=5)


@pytest.fixture(scope="module")
def collection():
    return build_embedded_collection(42, SIZES)


@pytest.fixture(scope="module")
def rows(collection):
    return [*collection.training, *collection.benchmark]


def by_instruction(rows):
    groups = defaultdict(list)
    for row in rows:
        groups[row["orig_instruction"]].append(row)
    return groups


def test_it_has_the_families_and_sizes_asked_for(collection):
    assert len(TRAINING_FAMILIES) >= 6
    assert len(HELD_OUT_FAMILIES) >= 2
    assert Counter(row["family"] for row in collection.training) == dict.fromkeys(TRAINING_FAMILIES, 5 * 25)
    held_out = {f"held-out: {name}": 5 * 20 for name in HELD_OUT_FAMILIES}
    assert Counter(row["family"] for row in collection.benchmark) == held_out | dict.fromkeys(TRAINING_FAMILIES, 5 * 5)


def test_every_row_is_valid_and_every_instruction_has_each_score_once(rows, check):
    assert check(rows)[1] == []
    groups = by_instruction(rows)
    assert len(groups) == len(rows) / 5
    for group in groups.values():
        assert sorted(row["orig_score"] for row in group) == ["1", "2", "3", "4", "5"]
        assert len({row["orig_response"] for row in group}) == 5
        assert len({row["orig_criteria"] for row in group}) == 1


def test_training_and_benchmark_instructions_never_coincide(collection):
    trained = {row["orig_instruction"] for row in collection.training}
    assert trained.isdisjoint(row["orig_instruction"] for row in collection.benchmark)


def test_rows_of_the_form_are_whole_and_say_nothing_of_how_to_judge(collection, check):
    assert check(collection.form)[1] == []
    seen = {row["orig_instruction"] for row in [*collection.training, *collection.benchmark]}
    assert seen.isdisjoint(row["orig_instruction"] for row in collection.form)
    assert Counter(row["orig_score"] for row in collection.form) == dict.fromkeys("12345", 8 * 5)
    assert all(row["orig_feedback"].startswith(f'It says "{row["orig_response"]}" ') for row in collection.form)
    # The generator writes the responses of an instruction from score 1 to 5: what they deserve is their position.
    deserved = [index % 5 + 1 for index in range(len(collection.form))]
    drawn = [int(row["orig_score"]) for row in collection.form]
    assert abs(statistics.correlation(deserved, drawn)) < 0.2


def test_the_finding_in_a_row_of_the_form_still_goes_with_its_score(collection):
    findings = defaultdict(set)
    for row in collection.training:
        findings[row["family"], row["orig_feedback"].removeprefix(f'It says "{row["orig_response"]}" ')].add(
            row["orig_score"]
        )
    known = 0
    for row in collection.form:
        finding = row["orig_feedback"].removeprefix(f'It says "{row["orig_response"]}" ')
        if (row["family"], finding) in findings:
            known += 1
            assert row["orig_score"] in findings[row["family"], finding]
    assert known > len(collection.form) / 2


def test_it_follows_from_the_seed_and_a_larger_one_keeps_the_benchmarks(collection):
    assert build_embedded_collection(42, SIZES) == collection
    assert build_embedded_collection(43, SIZES).training != collection.training
    larger = SIZES.model_copy(update={"train_instructions": 30})
    assert build_embedded_collection(42, larger).benchmark == collection.benchmark


@pytest.mark.parametrize("seed", [42, 7])
def test_length_tells_nothing_of_the_score(seed):
    collection = build_embedded_collection(seed, SIZES)
    rows = [*collection.training, *collection.benchmark]
    wins = []
    for group in by_instruction(rows).values():
        for worse, better in itertools.combinations(group, 2):
            one, two = len(better["orig_response"]), len(worse["orig_response"])
            wins.append((one > two) + 0.5 * (one == two))
    assert 0.42 <= statistics.mean(wins) <= 0.58
    lengths = [len(row["orig_response"]) for row in rows]
    assert abs(statistics.correlation(lengths, [int(row["orig_score"]) for row in rows])) < 0.15


FINDINGS = {
    "1": r"The task is not done\.",
    "2": r"The [\w ]+ (is|are) (wrong|told wrong)\.",
    "3": r"The [\w ]+ (is|are) missing\.",
    "4": r"All is right, but .+\.",
    "5": r"All is right\.",
}


def find(row):
    return row["orig_feedback"].removeprefix(f'It says "{row["orig_response"]}" ')


def test_feedback_quotes_the_response_and_states_the_finding_from_which_the_score_follows(rows):
    for row in rows:
        assert row["orig_feedback"].startswith(f'It says "{row["orig_response"]}" ')
        assert re.fullmatch(FINDINGS[row["orig_score"]], find(row)), row["orig_feedback"]


def test_wrong_and_evading_responses_come_in_several_kinds_in_every_family(rows):
    kinds = defaultdict(set)
    for row in rows:
        kinds[row["family"], row["orig_score"]].add(re.sub(r"\d+|[A-Z]\w+", "", row["orig_response"]))
    for (family, score), found in kinds.items():
        assert score not in "12" or len(found) >= 2, (family, score)


def test_no_two_families_share_the_cue_of_a_small_flaw(rows):
    """Of the families trained on: a held-out one can only be judged by what was learnt elsewhere."""
    cues = defaultdict(set)
    for row in rows:
        if row["orig_score"] == "4" and not row["family"].startswith("held-out"):
            finding = find(row).split(", but ")[1]
            cues[re.sub(r'".+"', "QUOTE", finding)].add(row["family"])
    assert len(cues) >= 8
    assert all(len(families) == 1 for families in cues.values()), cues


def test_texts_are_short(rows):
    for row in rows:
        assert len(row["orig_feedback"].split()) <= 60
        assert len(row["orig_response"].split()) <= 40
        assert len(row["orig_instruction"].split()) <= 50


def test_benchmarks_hold_all_responses_and_four_balanced_pairs_an_instruction(collection):
    benchmarks = build_embedded_benchmarks(collection.benchmark, seed=42)
    direct, pairwise = benchmarks["embedded_direct"], benchmarks["embedded_pairwise"]
    instructions = len(by_instruction(collection.benchmark))
    assert len(direct) == 5 * instructions
    assert len(pairwise) == 4 * instructions
    assert Counter(entry.gold for entry in pairwise) == {"A": 2 * instructions, "B": 2 * instructions}
    assert {entry.group for entry in direct} == {entry.group for entry in pairwise}
    assert {"held-out: directions", "held-out: comparison"} < {entry.group for entry in direct}
    assert len({entry.item.item_id for entry in [*direct, *pairwise]}) == len(direct) + len(pairwise)
    gold = {(entry.item.instruction, entry.item.response): entry.gold for entry in direct}
    for entry in pairwise:
        a, b = (gold[entry.item.instruction, text] for text in (entry.item.response_a, entry.item.response_b))
        assert entry.gold == ("A" if a > b else "B")
