"""Ask a judge: each different question once, from the journal where it is already answered."""

from collections.abc import Callable, Sequence

from judgeforge.engines.asking import complete_journalled
from judgeforge.engines.grading import read_verdict
from judgeforge.engines.journal import Journal
from judgeforge.engines.protocol import Completion, Conversation, Engine
from judgeforge.evaluate.paper import ask_again, plan_parse_retries, plan_tie_retries
from judgeforge.evaluate.plan import Question
from judgeforge.grading.records import Verdict
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.verdicts import Mode

Answer = tuple[Question, Completion, Verdict]
_Ask = Callable[[Sequence[Question], str], list[Answer]]


def ask_questions(
    engine: Engine,
    questions: Sequence[Question],
    template: JudgeTemplate,
    journal: Journal,
    *,
    mode: Mode,
    greedy: bool,
    description: str,
) -> list[Answer]:
    """Return each question with its answer; in ``paper`` mode with upstream's re-sampling.

    Args:
        engine: the judge.
        questions: what to ask.
        template: the judge's own.
        journal: where answers are kept as they come.
        mode: see docs/judging.md.
        greedy: the samples of a prompt are all the same, and asked once.
        description: of the progress bar.
    """

    def ask(wanted: Sequence[Question], label: str) -> list[Answer]:
        conversations = [_render(question, template, greedy) for question in wanted]
        completions = complete_journalled(engine, conversations, journal, label)
        return [
            (question, completion, read_verdict(completion, conversation, template))
            for question, conversation, completion in zip(wanted, conversations, completions, strict=True)
        ]

    answers = ask(questions, description)
    if mode == "paper" and not greedy:
        _draw_unparsable_again(answers, ask, description)
        attempt = 1
        while again := plan_tie_retries(*_split(answers), attempt):
            drawn = ask(again, f"{description}, equal grades again")
            _draw_unparsable_again(drawn, ask, description)
            answers += drawn
            attempt += 1
    return answers


def _draw_unparsable_again(answers: list[Answer], ask: _Ask, description: str) -> None:
    attempt = 1
    while indices := plan_parse_retries(*_split(answers), attempt):
        drawn = ask([ask_again(answers[index][0], attempt) for index in indices], f"{description}, unparsable again")
        for index, (_, completion, verdict) in zip(indices, drawn, strict=True):
            answers[index] = (answers[index][0], completion, verdict)
        attempt += 1


def _split(answers: Sequence[Answer]) -> tuple[list[Question], list[Verdict]]:
    return [question for question, _, _ in answers], [verdict for _, _, verdict in answers]


def _render(question: Question, template: JudgeTemplate, greedy: bool) -> Conversation:
    conversation = question.render(template)
    return conversation.model_copy(update={"sample": 0}) if greedy else conversation
