"""Candidates' answers to the validation questions, as tables of verdicts."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from judgeforge.engines.asking import complete_journalled, is_answered
from judgeforge.engines.building import build_engine
from judgeforge.engines.folders import ADAPTER_FILE
from judgeforge.engines.grading import compute_expected_score, read_verdict
from judgeforge.engines.journal import Journal
from judgeforge.engines.protocol import Completion, LocalEngine
from judgeforge.grading.records import Verdict
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.params import EvaluateParams
from judgeforge.search.questions import Question
from judgeforge.statistics.judged import build_judged_items
from judgeforge.verdicts import VerdictRow, build_table

VALIDATION = "validation"
"""In the place of a benchmark's name."""


class Bench:
    """Runs one candidate after another, all asked the same, each alone: greedy, and pairs in the set's order.

    vLLM keeps the base of adapters, and takes the next candidate's adapter to it; other weights are loaded anew.

    Args:
        params: the section ``evaluate``: how judges are run.
        base: the base of adapters.
        template: the judges'.
        questions: what to ask.
    """

    def __init__(
        self, params: EvaluateParams, base: Path, template: JudgeTemplate, questions: Sequence[Question]
    ) -> None:
        self.params = params.model_copy(update={"mode": "clean", "samples": 1, "temperature": 0.0})
        self._base, self._template, self._questions = base, template, questions
        self._conversations = [question.conversation for question in questions]
        self._engine: LocalEngine | None = None

    def is_answered(self, journal: Journal) -> bool:
        """Whether a journal has all the answers: no weights have to be made for them."""
        return is_answered(self._conversations, journal)

    def judge(self, name: str, folder: Path | None, journal: Journal, label: str) -> pl.DataFrame:
        """Ask a candidate all questions.

        Args:
            name: of the candidate.
            folder: its weights or adapter; None: the journal has all answers.
            journal: where answers are kept as they come.
            label: of the progress.

        Returns:
            Judged items (``judgeforge.statistics.judged.JUDGED_SCHEMA``).
        """
        engine = None if folder is None else self._load(folder)
        completions = complete_journalled(engine, self._conversations, journal, label)
        rows = [
            _build_row(name, question, completion, read_verdict(completion, question.conversation, self._template))
            for question, completion in zip(self._questions, completions, strict=True)
        ]
        return build_judged_items(build_table(rows))

    def _load(self, folder: Path) -> LocalEngine:
        adapter = (folder / ADAPTER_FILE).is_file()
        if self._engine is None or not (adapter and self._engine.take_adapter(folder)):
            self.close()
            self._engine = build_engine(self.params, folder, self._base, self._template)
        return self._engine

    def close(self) -> None:
        """Let go of what is loaded."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def _build_row(name: str, question: Question, completion: Completion, verdict: Verdict) -> VerdictRow:
    format, scale = question.conversation.format, question.conversation.scale
    gold = question.gold
    return VerdictRow(
        judge=name,
        mode="clean",
        benchmark=f"{VALIDATION}_{format}",
        format=format,
        method=format,
        order="" if format == "direct" else "given",
        sample=0,
        item_id=question.item_id,
        prompt_id=question.prompt_id,
        group="",
        contaminated=False,
        gold_score=None if gold.score is None else float(gold.score),
        graders=(),
        gold_choice=gold.choice,
        score=verdict.score,
        expected_score=compute_expected_score(completion) if format == "direct" else None,
        choice=verdict.choice,
        feedback=verdict.feedback,
        raw_text=completion.text,
        prompt_tokens=completion.prompt_tokens,
        output_tokens=completion.output_tokens,
        finish=completion.finish,
        # The responses stand within the prompt; nothing here asks for their lengths.
        lengths=(0,) if format == "direct" else (0, 0),
        responses=("",) if format == "direct" else ("", ""),
        lowest=scale.lowest,
        highest=scale.highest,
    )
