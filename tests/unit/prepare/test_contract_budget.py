"""The token budget: kept always, paid by the responses alone, and as small a cut as fits."""

import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from judgeforge.errors import InputError
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric, Verdict
from judgeforge.grading.rendering import render_prompt, render_verdict
from judgeforge.grading.templates import load_template
from judgeforge.params import TokenBudgetParams
from judgeforge.prepare.contract.budget import CUT, Exchange, count_fates, fit_to_budget
from judgeforge.prepare.contract.tokens import load_token_counter

TEMPLATE = load_template("judgeforge-1")
RUBRIC = Rubric(criteria="Good?", levels=("no", "hardly", "half", "nearly", "yes"))
SHARED = {"item_id": "i", "prompt_id": "p", "instruction": "Say it.", "reference": "It.", "rubric": RUBRIC}


def count_characters(exchanges: Sequence[Exchange]) -> list[int]:
    return [len(prompt[0]["content"]) + len(prompt[1]["content"]) + len(answer) for prompt, answer in exchanges]


def count_words(exchanges: Sequence[Exchange]) -> list[int]:
    return [len(f"{prompt[0]['content']} {prompt[1]['content']} {answer}".split()) for prompt, answer in exchanges]


def count_unsteadily(exchanges: Sequence[Exchange]) -> list[int]:
    """As byte pairs do: one character more can be a token less."""
    texts = [prompt[1]["content"] + answer for prompt, answer in exchanges]
    return [len(text) // 3 + zlib.crc32(text.encode("utf-8", "replace")) % 4 for text in texts]


def measure(item: DirectItem | PairwiseItem, verdict: Verdict, count=count_characters) -> int:
    return count([(render_prompt(item, TEMPLATE), render_verdict(verdict, TEMPLATE))])[0]


def fit(item, verdict, max_tokens, too_long="truncate", count=count_characters):
    return fit_to_budget([(item, verdict)], TEMPLATE, count, max_tokens, too_long)[0]


DIRECT = DirectItem(**SHARED, response="One two three four five.")
SCORE = Verdict(feedback="So so.", score=3)
PAIR = PairwiseItem(**SHARED, response_a="a1 a2 a3 a4 a5 a6 a7 a8", response_b="b1 b2 b3 b4")
CHOICE = Verdict(feedback="B is brief.", choice="B")


@pytest.mark.parametrize(
    ("less", "response"),
    [
        (0, "One two three four five."),
        (1, "… two three four five."),
        (2, "… two three four five."),
        (3, "… three four five."),
        (17, "… five."),
        (18, "… ive."),
        (21, "… ."),
    ],
)
def test_a_response_keeps_its_end_and_as_much_as_fits(less: int, response: str) -> None:
    fitted = fit(DIRECT, SCORE, measure(DIRECT, SCORE) - less)
    assert fitted.item == DIRECT.model_copy(update={"response": response})
    assert fitted.fate == ("whole" if less == 0 else "cut")


def test_the_longer_response_of_a_pair_pays_first() -> None:
    whole = measure(PAIR, CHOICE)
    some = fit(PAIR, CHOICE, whole - 9).item
    assert (some.response_a, some.response_b) == ("… a5 a6 a7 a8", PAIR.response_b)
    more = fit(PAIR, CHOICE, whole - 18).item
    assert (more.response_a, more.response_b) == ("… a7 a8", "… b3 b4")


@pytest.mark.parametrize(("item", "verdict"), [(DIRECT, SCORE), (PAIR, CHOICE)])
def test_what_cannot_be_cut_is_dropped(item, verdict) -> None:
    bare = {name: "" for name in ("response", "response_a", "response_b") if name in type(item).model_fields}
    smallest = measure(item.model_copy(update=bare), verdict)
    assert fit(item, verdict, smallest).fate == "dropped"
    assert fit(item, verdict, 1).item is None
    assert fit(item, verdict, measure(item, verdict) - 1, "drop") == fit(item, verdict, 1, "drop")
    assert fit(item.model_copy(update=bare), verdict, smallest - 1).fate == "dropped"


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["direct", "pairwise"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text("ab \n{}", max_size=200),
        st.text("xy \n", max_size=200),
    ),
    max_size=4,
)


@given(ROWS, st.integers(1, 700), st.sampled_from([count_characters, count_words, count_unsteadily]))
def test_the_budget_holds_and_nothing_but_responses_changes(rows, max_tokens, count) -> None:
    pairs = [
        (DirectItem(**SHARED, response=one), SCORE)
        if format == "direct"
        else (PairwiseItem(**SHARED, response_a=one, response_b=other), CHOICE)
        for format, one, other in rows
    ]
    fitted = fit_to_budget(pairs, TEMPLATE, count, max_tokens, "truncate")
    for (item, verdict), after in zip(pairs, fitted, strict=True):
        assert after.tokens == measure(item, verdict, count)
        assert (after.fate == "whole") == (after.tokens <= max_tokens)
        if after.fate == "whole":
            assert after.item is item
        elif after.item is not None:
            assert measure(after.item, verdict, count) <= max_tokens
            for name, value in item:
                now = getattr(after.item, name)
                is_response = name.startswith("response")
                assert now == value or (is_response and now.startswith(CUT) and value.endswith(now[len(CUT) :]))
    counts = count_fates(fitted)
    assert counts["whole"] + counts["cut"] + counts["dropped"] == len(rows)
    dropping = fit_to_budget(pairs, TEMPLATE, count, max_tokens, "drop")
    assert [each.fate != "whole" for each in dropping] == [each.fate != "whole" for each in fitted]
    assert all(each.item is None for each in dropping if each.fate != "whole")


def test_a_limit_needs_a_tokenizer_and_the_tokenizer_must_be_there(tmp_path) -> None:
    with pytest.raises(ValidationError, match="needs a tokenizer"):
        TokenBudgetParams(max_tokens=5, tokenizer=None, too_long="drop")
    assert TokenBudgetParams(max_tokens=None, tokenizer=None, too_long="drop").max_tokens is None
    with pytest.raises(InputError, match=r"no tokenizer in .*nowhere.*dvc repro base"):
        load_token_counter(tmp_path / "nowhere")
