"""Join recorded answers to the items of the benchmarks: every item is answered, or the file is refused."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from judgeforge.benchmarks.records import Benchmark
from judgeforge.engines.journal import compute_question_key
from judgeforge.engines.protocol import Completion
from judgeforge.engines.recorded import GUIDE, RecordedAnswer, check_identity, load_recorded
from judgeforge.errors import InputError
from judgeforge.evaluate.judging import Answer
from judgeforge.evaluate.plan import Question, plan_questions
from judgeforge.grading.templates import JudgeTemplate

_Place = tuple[str, str, str]
_METHOD_ORDERS = {"direct": ("",), "pairwise": ("given", "swapped"), "direct_for_pairwise": ("a", "b")}


def answer_from_file(path: Path, judge: str, template: JudgeTemplate, benchmarks: Sequence[Benchmark]) -> list[Answer]:
    """Answer the benchmarks from a file of recorded verdicts.

    A pairwise benchmark whose rows know one order alone is judged in that order. Every item needs an answer in each
    order that the file has for its benchmark.

    Args:
        path: the file.
        judge: its judge's name.
        template: what texts are parsed by.
        benchmarks: what is evaluated; rows of others are passed over.

    Raises:
        InputError: items without an answer, two answers to one question, or answers to questions of another template.
    """
    answers = load_recorded(path)
    check_identity(answers, path, judge, template.compute_digest())
    by_place = _group(answers, {each.name: each for each in benchmarks}, path)
    found: list[Answer] = []
    questions = _plan(benchmarks, by_place, path)
    missing = sum(_locate(question) not in by_place for question in questions)
    for question in questions:
        given = by_place.get(_locate(question))
        if given is None:
            name, item = question.benchmark.name, question.shown.item_id
            others = f" ({missing - 1:,} more are missing)" if missing > 1 else ""
            raise InputError(
                f"{path} has no answer to item {item!r} of {name}{_say_order(question)}{others}.",
                'add one ({"text": ""} where the judge gave none, which counts as unparsable), or evaluate fewer items '
                "with evaluate.benchmarks.",
            )
        found += [_read(question, answer, template, path) for answer in given]
    return found


def _group(
    answers: Sequence[RecordedAnswer], benchmarks: Mapping[str, Benchmark], path: Path
) -> dict[_Place, list[RecordedAnswer]]:
    by_place: dict[_Place, list[RecordedAnswer]] = defaultdict(list)
    seen = set()
    for answer in answers:
        if answer.benchmark not in benchmarks:
            continue
        order = answer.order or ("given" if benchmarks[answer.benchmark].format == "pairwise" else "")
        place = (answer.benchmark, answer.item_id, order)
        if (place, answer.sample) in seen:
            raise InputError(
                f"{path} answers item {answer.item_id!r} of {answer.benchmark} twice.",
                "number the answers to one question by 'sample' (0, 1, 2 ...), or delete one.",
            )
        seen.add((place, answer.sample))
        by_place[place].append(answer)
    if not by_place:
        named = ", ".join(sorted({answer.benchmark for answer in answers}))
        raise InputError(
            f"{path} answers none of the benchmarks of params.yaml; it names {named}.",
            f"name these in evaluate.benchmarks; {GUIDE}.",
        )
    return by_place


def _plan(benchmarks: Sequence[Benchmark], places: Mapping[_Place, object], path: Path) -> list[Question]:
    orders = defaultdict(set)
    for name, _, order in places:
        orders[name].add(order)
    answered = [benchmark for benchmark in benchmarks if orders[benchmark.name]]
    questions = plan_questions(answered, mode="clean", samples=1, direct_for_pairwise=True, seed=0)
    known = {_locate(question) for question in questions}
    for name, item, order in places:
        if (name, item, order) not in known:
            raise InputError(
                f"{path} answers an item {item!r} ({order or 'direct'}) that {name} does not have.",
                "'judgeforge questions' lists the items and orders.",
            )
    kept = [question for question in questions if question.order in orders[question.benchmark.name]]
    for benchmark in answered:
        own = {question.method for question in kept if question.benchmark is benchmark}
        if benchmark.format not in own:
            raise InputError(
                f"{path} has single grades for {benchmark.name} and no answer to its pairs.",
                f"add rows of the orders {' and '.join(_METHOD_ORDERS[benchmark.format])}.",
            )
    return kept


def _locate(question: Question) -> _Place:
    return question.benchmark.name, question.shown.item_id, question.order


def _say_order(question: Question) -> str:
    return f" in the order {question.order!r}" if question.order else ""


def _read(question: Question, answer: RecordedAnswer, template: JudgeTemplate, path: Path) -> Answer:
    asked = compute_question_key(question.render(template))
    if answer.question not in (None, asked):
        raise InputError(
            f"{path}: the answer to {answer.item_id!r} of {answer.benchmark} was given to another question "
            "(another template, or an item that has changed since).",
            "ask the judge the questions that 'judgeforge questions' writes now.",
        )
    verdict, shares = answer.read(question.shown.format, template.result_marker, question.shown.rubric.scale)
    text = answer.feedback if answer.text is None else answer.text
    finish = "verdict" if verdict.parsed else "end"
    completion = Completion(text=text, prompt_tokens=0, output_tokens=0, finish=finish, probabilities=shares)
    return replace(question, sample=answer.sample), completion, verdict
