"""From item to conversation: the golden prompts are what a judge was trained on, byte for byte."""

from pathlib import Path
from typing import Any

import pytest

from judgeforge.errors import InputError
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric, Verdict
from judgeforge.grading.rendering import render_chat, render_prompt, render_verdict
from judgeforge.grading.templates import load_template

TEMPLATE = load_template("judgeforge-1")
GOLDEN = Path(__file__).parent / "golden"
RUBRIC = Rubric(criteria="Is the sum right?", levels=("No sum.", "Far off.", "Near.", "Right, no steps.", "Right."))
SHARED = {"item_id": "1", "prompt_id": "1", "instruction": "Add 2 and {3}.", "rubric": RUBRIC}
REFERENCE = "2 + 3 = 5"
DIRECT = DirectItem(**SHARED, response="It is {response}.", reference=REFERENCE)
PAIRWISE = PairwiseItem(**SHARED, response_a="5", response_b="It is 6.", reference=REFERENCE)


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("direct", DIRECT),
        ("direct-without-reference", DIRECT.model_copy(update={"reference": None})),
        ("pairwise", PAIRWISE),
        ("pairwise-without-reference", PAIRWISE.model_copy(update={"reference": None})),
    ],
)
def test_golden_prompts(name: str, item: DirectItem | PairwiseItem) -> None:
    system, user = render_prompt(item, TEMPLATE)
    assert system == {"role": "system", "content": TEMPLATE.system}
    assert user["role"] == "user"
    assert user["content"].encode() == (GOLDEN / f"{name}.txt").read_bytes()


def test_braces_in_an_item_are_left_alone() -> None:
    text = render_prompt(DIRECT, TEMPLATE)[1]["content"]
    assert "Add 2 and {3}." in text
    assert "It is {response}." in text


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict(feedback=" Right. \n", score=5), "Right. [RESULT] 5"),
        (Verdict(feedback="A adds up.", choice="A"), "A adds up. [RESULT] A"),
    ],
)
def test_verdicts(verdict: Verdict, text: str) -> None:
    assert render_verdict(verdict, TEMPLATE) == text


def test_no_verdict_cannot_be_taught() -> None:
    with pytest.raises(ValueError, match="cannot be taught"):
        render_verdict(Verdict(feedback="Hm."), TEMPLATE)


class TemplateError(Exception):
    """Stands for jinja2.TemplateError, which a chat template raises for roles it does not know."""


class Tokenizer:
    """A tokenizer whose template joins messages by bars, and refuses system messages if told so."""

    def __init__(self, chat_template: str | None = "bars", takes_system: bool = True) -> None:
        self.chat_template = chat_template
        self.takes_system = takes_system

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> str:
        assert options == {"tokenize": False, "add_generation_prompt": True}
        if not self.takes_system and conversation[0]["role"] == "system":
            raise TemplateError("System role not supported")
        return "|".join(f"{message['role']}:{message['content']}" for message in conversation) + "|assistant:"


def _refuse(*_: object, **__: object) -> str:
    raise TemplateError("Conversation roles must alternate")


MESSAGES = [{"role": "system", "content": "Be fair."}, {"role": "user", "content": "Grade."}]


def test_a_conversation_is_rendered_by_the_models_own_template() -> None:
    assert render_chat(Tokenizer(), MESSAGES) == "system:Be fair.|user:Grade.|assistant:"


def test_where_system_messages_are_refused_they_stand_at_the_head_of_the_users() -> None:
    assert render_chat(Tokenizer(takes_system=False), MESSAGES) == "user:Be fair.\n\nGrade.|assistant:"


def test_other_faults_of_a_template_are_not_hidden() -> None:
    refusing = Tokenizer()
    refusing.apply_chat_template = _refuse  # type: ignore[method-assign]
    with pytest.raises(TemplateError):
        render_chat(refusing, MESSAGES[1:])
    broken = Tokenizer()
    broken.apply_chat_template = lambda *_, **__: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        render_chat(broken, MESSAGES)


@pytest.mark.parametrize("template", [None, ""])
def test_a_base_model_without_chat_template_is_refused(template: str | None) -> None:
    with pytest.raises(InputError, match=r"no chat template.*instruction-tuned"):
        render_chat(Tokenizer(template), MESSAGES)
