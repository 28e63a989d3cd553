"""A training set's tokens: made once, kept in an Arrow file, and read from there without copying it into memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch.utils.data import Dataset

from judgeforge.files import load_json, write_folder_atomically, write_json
from judgeforge.grading.records import TrainingExample
from judgeforge.grading.rendering import render_chat

_SCHEMA = pa.schema({"input_ids": pa.list_(pa.int32()), "completion_length": pa.int32()})
_ROWS, _LEFT_OUT = "rows.arrow", "left_out.json"
_EXAMPLES_AT_A_TIME = 1000


class TokenRows(Dataset[dict[str, Any]]):
    """Tokenized conversations.

    Args:
        table: per conversation the token ids, and the number of them, at the end, that are the judge's completion.
        left_out: the ids of conversations that were left out because of their length.
    """

    def __init__(self, table: pa.Table, left_out: Sequence[str]) -> None:
        # One chunk, so that a row is found by its place; the file is written as one.
        self._ids, self._completions = (table.column(name).combine_chunks() for name in _SCHEMA.names)
        self.left_out = tuple(left_out)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        ids = self._ids[index].values.to_numpy()
        return {"input_ids": ids, "completion_length": self._completions[index].as_py(), "length": len(ids)}

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        return [self[index] for index in indices]

    @property
    def lengths(self) -> list[int]:
        """Number of tokens of each row."""
        return self._ids.value_lengths().to_pylist()  # type: ignore[no-any-return]

    @property
    def completion_lengths(self) -> list[int]:
        """Number of learnt tokens of each row."""
        return self._completions.to_pylist()  # type: ignore[no-any-return]

    @property
    def tokens(self) -> int:
        """Number of tokens in all rows."""
        return sum(self.lengths)

    @property
    def longest(self) -> int:
        """Number of tokens of the longest row."""
        return max(self.lengths)

    @property
    def learnt_tokens(self) -> int:
        """Number of tokens that are learnt."""
        return sum(self.completion_lengths)


def load_or_tokenize(
    folder: Path, examples: Sequence[TrainingExample], tokenizer: Any, max_length_tokens: int
) -> TokenRows:
    """Read the tokens that a run of the same inputs left, or make them.

    Args:
        folder: named after all that the tokens depend on; it appears whole or not at all.
        examples: see ``tokenize_examples``.
        tokenizer: see ``tokenize_examples``.
        max_length_tokens: see ``tokenize_examples``.
    """
    if not folder.is_dir():
        table, left_out = tokenize_examples(examples, tokenizer, max_length_tokens)
        with write_folder_atomically(folder) as new:
            with pa.OSFile(str(new / _ROWS), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
                writer.write_table(table.combine_chunks())
            write_json(new / _LEFT_OUT, left_out)
    with pa.memory_map(str(folder / _ROWS)) as source:
        return TokenRows(pa.ipc.open_file(source).read_all(), load_json(folder / _LEFT_OUT))


def tokenize_examples(
    examples: Sequence[TrainingExample], tokenizer: Any, max_length_tokens: int
) -> tuple[pa.Table, list[str]]:
    """Tokenize conversations as evaluation renders them, the completion closed by the end-of-turn token.

    Args:
        examples: conversations, the judge's turn last.
        tokenizer: the base model's.
        max_length_tokens: a longer conversation is left out rather than cut: a cut one has lost its verdict.

    Returns:
        A table for ``TokenRows``, and the ids of what was left out.
    """
    parts, left_out = [], []
    for start in range(0, len(examples), _EXAMPLES_AT_A_TIME):
        some = examples[start : start + _EXAMPLES_AT_A_TIME]
        rows = _tokenize(some, tokenizer)
        fits = [len(row["input_ids"]) <= max_length_tokens for row in rows]
        left_out += [each.example_id for each, whole in zip(some, fits, strict=True) if not whole]
        parts.append(pa.Table.from_pylist([row for row, whole in zip(rows, fits, strict=True) if whole], _SCHEMA))
    return pa.concat_tables(parts) if parts else _SCHEMA.empty_table(), left_out


def _tokenize(examples: Sequence[TrainingExample], tokenizer: Any) -> list[dict[str, Any]]:
    prompts = [render_chat(tokenizer, list(each.messages[:-1])) for each in examples]
    answers = [each.messages[-1]["content"] for each in examples]
    prompt_ids = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    answer_ids = tokenizer(answers, add_special_tokens=False)["input_ids"]
    return [
        {"input_ids": [*prompt, *answer, tokenizer.eos_token_id], "completion_length": len(answer) + 1}
        for prompt, answer in zip(prompt_ids, answer_ids, strict=True)
    ]
