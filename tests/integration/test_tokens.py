"""Tokens are made once, kept in a file, and read from there."""

import numpy as np
import pytest

from judgeforge.train import tokens
from judgeforge.train.dataset import load_examples
from judgeforge.train.model import load_tokenizer
from judgeforge.train.tokens import load_or_tokenize


@pytest.fixture
def load(miniature, training_sets, tmp_path):
    def load(max_length_tokens=2000, format="joint"):
        examples = load_examples(training_sets, format)
        return load_or_tokenize(tmp_path / "tokens" / "key", examples, load_tokenizer(miniature), max_length_tokens)

    return load


def test_what_is_read_back_is_what_was_made(load, miniature, training_sets, monkeypatch):
    monkeypatch.setattr(tokens, "_EXAMPLES_AT_A_TIME", 3)
    made = load()
    monkeypatch.setattr(tokens, "tokenize_examples", None)
    read = load()
    assert len(made) == len(read) == 16 and read.lengths == made.lengths
    assert all(np.array_equal(made[n]["input_ids"], read[n]["input_ids"]) for n in range(16))
    tokenizer = load_tokenizer(miniature)
    text = tokenizer.decode(read[9]["input_ids"])
    assert "Add 1 and 1." in text and text.endswith("So it goes. [RESULT] B<|im_end|>")
    assert read.tokens == sum(map(len, (read[n]["input_ids"] for n in range(16))))
    assert read.learnt_tokens == sum(read[n]["completion_length"] for n in range(16)) < read.tokens / 4


def test_rows_are_not_copied_from_the_file(load):
    ids = load()[3]["input_ids"]
    assert not ids.flags.owndata and not ids.flags.writeable


@pytest.mark.parametrize("reading", [1, 2])
def test_left_out_rows_are_remembered(load, reading):
    for _ in range(reading):
        rows = load(max_length_tokens=10)
    assert len(rows) == 0 and rows.left_out[0] == "direct-0" and len(rows.left_out) == 16
    assert rows.tokens == rows.learnt_tokens == 0


def test_a_changed_parameter_takes_the_same_tokens_and_a_changed_length_makes_new_ones(train, tmp_path, monkeypatch):
    train(tmp_path / "judge")
    (key,) = (tmp_path / "checkpoints" / "judge" / "tokens").iterdir()
    made = {path: path.stat().st_mtime_ns for path in key.rglob("*.arrow")}
    train(tmp_path / "judge", learning_rate=0.005)
    assert {path: path.stat().st_mtime_ns for path in key.rglob("*.arrow")} == made
    train(tmp_path / "judge", max_length_tokens=1999)
    (other,) = (tmp_path / "checkpoints" / "judge" / "tokens").iterdir()
    assert other.name != key.name
