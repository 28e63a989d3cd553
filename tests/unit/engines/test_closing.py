"""The closing of an answer, on a scripted model: it means its script, and knows nothing of verdicts anywhere else."""

import pytest
import torch
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

from judgeforge.engines.closing import Closing, find_closing_tokens
from judgeforge.engines.decoding import Row
from judgeforge.engines.protocol import Generation

WORDS = [
    "<end>",
    "?",
    " ",
    "[",
    "RESULT",
    "]",
    *"12345",
    " A",
    " B",
    "Good",
    ".",
    "Score",
    ":",
    "*",
    "(",
    ")",
    "\n",
    '"',
]
GREEDY = {
    "max_new_tokens": 40,
    "max_prompt_tokens": 100,
    "temperature": 0,
    "top_p": 1,
    "repetition_penalty": 1,
    "seed": 1,
}


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """A space is a token of its own before digits and none before letters, as in the vocabulary of SmolLM2."""
    plain = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="?"))
    plain.pre_tokenizer = Split(Regex(r" [AB]|\w+|\W"), "isolated")
    plain.decoder = Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>", unk_token="?")


def play(tokenizer, script: str, *, marker: str = "[RESULT]", ends=None, format="direct", **decoding) -> Row:
    """Decode greedily a model that wants the script; off the script it leans to 5, on it every verdict is likely."""
    closing = Closing(tokenizer, marker, Generation(**GREEDY | decoding), lambda _: format, ends=ends)
    row = Row(0, [1], torch.Generator())
    wanted = [*tokenizer(script, add_special_tokens=False)["input_ids"], 0]
    while not row.done:
        logits = torch.full((len(WORDS),), -20.0)
        logits[WORDS.index("5")] = 2.0
        place = len(row.output)
        if row.output == wanted[:place] and place < len(wanted):
            logits[wanted[place]] = 10.0
            if WORDS[wanted[place]] in "12345":
                logits[WORDS.index("3")] = 9.0
        elif row.output[: len(wanted) - 1] == wanted[:-1]:
            logits[0] = 10.0
        row.output.append(int(closing.choose(row, logits).argmax()))
        closing.watch([row])
    return row


def test_what_stands_between_marker_and_verdict_is_found(tokenizer) -> None:
    forced, lead = find_closing_tokens(tokenizer, "[RESULT]")
    assert [WORDS[token] for token in forced] == [" ", "[", "RESULT", "]"]
    assert {format: [WORDS[token] for token in tokens] for format, tokens in lead.items()} == {
        "direct": [" "],
        "pairwise": [],
    }


@pytest.mark.parametrize(
    ("verdict", "format"), [("1", "direct"), ("2", "direct"), ("4", "direct"), ("A", "pairwise"), ("B", "pairwise")]
)
def test_under_the_constraint_a_judge_says_what_it_would_say_without(tokenizer, verdict: str, format: str) -> None:
    script = f"Good. [RESULT] {verdict}"
    free, bound = (
        play(tokenizer, script, constrained=bound, expectation=True, format=format) for bound in (False, True)
    )
    assert tokenizer.decode(bound.output) == script
    assert tokenizer.decode(free.output, skip_special_tokens=True) == script
    assert bound.probabilities == pytest.approx(free.probabilities)
    assert max(free.probabilities, key=free.probabilities.get) == verdict


@pytest.mark.parametrize(
    "script",
    [
        "Good. [RESULT] Score: 2\n",
        "Good. [RESULT] [2]\n",
        "Good. [RESULT] (2)\n",
        "Good. [RESULT] **Score: 2**\n",
        "Good. [RESULT]\n\n2\n",
        "Good [RESULT] Good. [RESULT] 2\n",
    ],
)
def test_chances_are_read_where_the_verdict_stands(tokenizer, script: str) -> None:
    row = play(tokenizer, script, expectation=True)
    assert max(row.probabilities, key=row.probabilities.get) == "2"
    assert row.probabilities["3"] == pytest.approx(row.probabilities["2"] / torch.e, rel=0.01)


def test_a_quoted_marker_without_a_verdict_has_no_chances(tokenizer) -> None:
    assert play(tokenizer, "Good [RESULT] Good.", expectation=True).probabilities is None


def test_every_token_that_ends_a_turn_ends_it(tokenizer) -> None:
    script, other = "Good. [RESULT] 4", WORDS.index("*")
    row = play(tokenizer, f"{script}*Good", ends=[0, other])
    assert tokenizer.decode(row.output) == f"{script}*"


@pytest.mark.parametrize("limit", [8, 9, 12])
def test_a_judge_without_an_end_is_closed_within_the_limit(tokenizer, limit: int) -> None:
    row = play(tokenizer, "Good. " * 20, constrained=True, max_new_tokens=limit)
    assert len(row.output) == limit
    assert tokenizer.decode(row.output).endswith(" [RESULT] 5")
