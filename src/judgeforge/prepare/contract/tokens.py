"""Count the tokens of a row as ``train`` does: by the base model's chat template, with the end-of-turn token."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from judgeforge.errors import InputError
from judgeforge.grading.rendering import render_chat
from judgeforge.prepare.contract.budget import Exchange, TokenCounter


def find_tokenizer(folder: Path) -> None:
    """Check that a folder holds a tokenizer.

    Raises:
        InputError: it does not.
    """
    if not (folder / "tokenizer_config.json").is_file():
        raise InputError(
            f"There is no tokenizer in {folder}.",
            "run 'dvc repro base', or correct prepare.token_budget.tokenizer in params.yaml.",
        )


def load_token_counter(folder: Path) -> TokenCounter:
    """Load the counter of the tokenizer in ``folder``.

    Raises:
        InputError: there is none.
    """
    find_tokenizer(folder)
    from transformers import AutoTokenizer  # noqa: PLC0415 - takes seconds, and only a budget needs it

    return build_token_counter(AutoTokenizer.from_pretrained(folder))


def build_token_counter(tokenizer: Any) -> TokenCounter:
    """Build the counter of a Hugging Face tokenizer."""

    def count(exchanges: Sequence[Exchange]) -> list[int]:
        if not exchanges:
            return []
        prompts = tokenizer([render_chat(tokenizer, list(prompt)) for prompt, _ in exchanges], add_special_tokens=False)
        answers = tokenizer([answer for _, answer in exchanges], add_special_tokens=False)
        pairs = zip(prompts["input_ids"], answers["input_ids"], strict=True)
        return [len(prompt) + len(answer) + 1 for prompt, answer in pairs]

    return count
