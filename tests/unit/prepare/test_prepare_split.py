from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.errors import InputError
from judgeforge.prepare.split import cap_rows, choose_validation_prompts, compute_prompt_id


@dataclass(frozen=True)
class Row:
    prompt_id: str
    number: int


def test_prompt_id_is_stable_and_ignores_surrounding_white_space():
    assert compute_prompt_id(" Name a colour.\n") == compute_prompt_id("Name a colour.") == "4eef85d027f3c351"


@given(st.lists(st.text(max_size=3), max_size=30), st.floats(0, 0.99), st.integers(0, 9))
def test_validation_prompts_are_a_share_and_never_all(prompt_ids, fraction, seed):
    different = set(prompt_ids)
    chosen = choose_validation_prompts(prompt_ids, fraction, seed)
    assert chosen <= different
    assert chosen == choose_validation_prompts(reversed(prompt_ids), fraction, seed)
    assert len(chosen) < max(1, len(different)) or not different
    assert abs(len(chosen) - fraction * len(different)) <= 1


def test_validation_is_empty_without_a_fraction_and_has_one_with_a_small_one():
    prompt_ids = [str(number) for number in range(10)]
    assert choose_validation_prompts(prompt_ids, 0.0, 1) == frozenset()
    assert len(choose_validation_prompts(prompt_ids, 0.01, 1)) == 1


@given(st.lists(st.sampled_from("abcdef"), max_size=40), st.integers(7, 40), st.integers(0, 9))
def test_cap_keeps_whole_instructions(prompt_ids, limit, seed):
    rows = [Row(prompt_id, number) for number, prompt_id in enumerate(prompt_ids)]
    sizes = {prompt_id: prompt_ids.count(prompt_id) for prompt_id in prompt_ids}
    if sizes and min(sizes.values()) > limit:
        return
    kept = cap_rows(rows, limit, seed)
    assert len(kept) <= limit
    assert kept == [row for row in rows if row.prompt_id in {entry.prompt_id for entry in kept}]
    left_out = {row.prompt_id for row in rows} - {row.prompt_id for row in kept}
    assert all(len(kept) + sizes[prompt_id] > limit for prompt_id in left_out)


def test_cap_below_every_instruction_is_an_error():
    with pytest.raises(InputError, match=r"set it to 3 or more"):
        cap_rows([Row("a", number) for number in range(3)], 2, seed=0)
