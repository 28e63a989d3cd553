"""From an item to the conversation a judge sees, and from a verdict to the text it is taught to write.

``prepare``, ``evaluate`` and serving all render here, so training and judging cannot drift apart.
"""

import json
from typing import Any, Protocol

from judgeforge.errors import InputError
from judgeforge.grading.parsing import JSON_MARKER
from judgeforge.grading.records import DirectItem, Message, PairwiseItem, Verdict
from judgeforge.grading.templates import JudgeTemplate, fill


class ChatTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that rendering needs."""

    chat_template: Any

    def apply_chat_template(self, conversation: list[Message], **options: Any) -> Any:
        """Render a conversation by the model's own chat template."""
        ...


def render_prompt(item: DirectItem | PairwiseItem, template: JudgeTemplate) -> list[Message]:
    """Render what the judge is asked: a system and a user message.

    Raises:
        InputError: the template does not show rubrics of the item's scale.
    """
    rubric = item.rubric
    template.check_scale(rubric.scale)
    ends = {"lowest": str(rubric.scale.lowest), "highest": str(rubric.scale.highest)}
    levels = list(zip(map(str, rubric.scale.scores), rubric.levels, strict=True))
    fields = {"instruction": item.instruction, "criteria": rubric.criteria} | ends
    if template.level_line is None:
        fields |= {f"level_{score}": level for score, level in levels}
    else:
        lines = [fill(template.level_line, {"score": score, "level": level}) for score, level in levels]
        fields["levels"] = "\n".join(lines)
    clause, section = template.select_reference(item.format)
    fields["reference_clause"] = clause if item.reference else ""
    fields["reference_section"] = fill(section, ends | {"reference": item.reference}) if item.reference else ""
    if isinstance(item, DirectItem):
        text = fill(template.direct, fields | {"response": item.response})
    else:
        text = fill(template.pairwise, fields | {"response_a": item.response_a, "response_b": item.response_b})
    return [{"role": "system", "content": template.system}, {"role": "user", "content": text}]


def render_verdict(verdict: Verdict, template: JudgeTemplate) -> str:
    """Render the judge's answer: feedback, marker, score or letter; or a JSON object of the two.

    Raises:
        ValueError: the verdict has neither score nor choice.
    """
    closing = verdict.choice if verdict.score is None else str(verdict.score)
    if closing is None:
        raise ValueError("a verdict without score or choice cannot be taught")
    feedback = verdict.feedback.strip()
    if template.result_marker == JSON_MARKER:
        return json.dumps(
            {"feedback": feedback, "verdict": verdict.choice if verdict.score is None else verdict.score},
            ensure_ascii=False,
        )
    return f"{feedback} {template.result_marker} {closing}"


def render_chat(tokenizer: ChatTokenizer, messages: list[Message]) -> str:
    """Render a prompt by the model's chat template, ready for the judge's turn.

    A model whose chat template refuses system messages gets the system text at the head of the user's, with an empty
    line between: the one way in which judgeforge treats such models, in training and in judging.

    Raises:
        InputError: the tokenizer has no chat template.
    """
    if not tokenizer.chat_template:
        raise InputError("The base model's tokenizer has no chat template.", "choose an instruction-tuned base model.")
    try:
        return _apply(tokenizer, messages)
    except Exception as error:  # jinja2.TemplateError; jinja2 is the tokenizer's dependency, not ours
        if type(error).__name__ != "TemplateError" or messages[0]["role"] != "system":
            raise
        return _apply(tokenizer, join_system_message(messages))


def join_system_message(messages: list[Message]) -> list[Message]:
    """Put the system text at the head of the user's, with an empty line between."""
    system, user, *rest = messages
    return [{"role": "user", "content": f"{system['content']}\n\n{user['content']}"}, *rest]


def _apply(tokenizer: ChatTokenizer, messages: list[Message]) -> str:
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text
