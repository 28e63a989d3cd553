import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.errors import InputError
from judgeforge.prepare.split import choose_capped_prompts, choose_validation_prompts, compute_prompt_id

PROMPTS = st.integers(0, 2**64 - 1)


def series(values):
    return pl.Series(values, dtype=pl.UInt64)


def test_prompt_id_is_stable_and_ignores_surrounding_white_space():
    assert compute_prompt_id(" Name a colour.\n") == compute_prompt_id("Name a colour.") == "4eef85d027f3c351"


@given(st.lists(PROMPTS, max_size=30), st.floats(0, 0.99), st.integers(0, 9))
def test_validation_prompts_are_a_share_and_never_all(prompts, fraction, seed):
    different = set(prompts)
    chosen = set(choose_validation_prompts(series(prompts), fraction, seed))
    assert chosen <= different
    assert chosen == set(choose_validation_prompts(series(prompts[::-1]), fraction, seed))
    assert len(chosen) < max(1, len(different)) or not different
    assert abs(len(chosen) - fraction * len(different)) <= 1


def test_validation_is_empty_without_a_fraction_and_has_one_with_a_small_one():
    assert len(choose_validation_prompts(series(range(10)), 0.0, 1)) == 0
    assert len(choose_validation_prompts(series(range(10)), 0.01, 1)) == 1


def test_the_choice_depends_on_the_seed():
    chosen = {tuple(sorted(choose_validation_prompts(series(range(50)), 0.5, seed))) for seed in range(5)}
    assert len(chosen) == 5


@given(st.lists(st.integers(1, 6), max_size=40), st.integers(7, 40), st.integers(0, 9))
def test_cap_keeps_whole_instructions(prompts, limit, seed):
    sizes = {prompt: prompts.count(prompt) for prompt in prompts}
    if sizes and min(sizes.values()) > limit:
        return
    kept = set(choose_capped_prompts(series(prompts), limit, seed))
    total = sum(sizes[prompt] for prompt in kept)
    assert total <= limit
    assert all(total + sizes[prompt] > limit for prompt in set(sizes) - kept)


def test_cap_below_every_instruction_is_an_error():
    with pytest.raises(InputError, match=r"set it to 3 or more"):
        choose_capped_prompts(series([1, 1, 1]), 2, seed=0)
