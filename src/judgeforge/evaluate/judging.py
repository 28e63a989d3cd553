"""Judge benchmarks: ask the engine for what the journal does not hold, and turn completions into verdict rows."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from judgeforge.benchmarks.records import Benchmark, BenchmarkItem
from judgeforge.engines.protocol import Completion, Conversation, Engine
from judgeforge.evaluate.journal import Journal
from judgeforge.files import hash_file
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.records import Verdict
from judgeforge.grading.rendering import render_prompt
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.progress import progress_bar
from judgeforge.verdicts import VerdictRow

_FLUSH_EVERY = 16


def compute_journal_key(model: Path, values: dict[str, Any], conversations: Sequence[Conversation]) -> str:
    """Return a digest of everything that a completion depends on.

    Args:
        model: the judge's folder; its files count by content.
        values: parameters, JSON-ready.
        conversations: what is asked.
    """
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for conversation in conversations:
        digest.update(conversation.model_dump_json().encode())
    for path in sorted(each for each in model.iterdir() if each.is_file()):
        digest.update(hash_file(path).encode())
    return digest.hexdigest()[:16]


def build_conversations(benchmarks: Sequence[Benchmark], template: JudgeTemplate) -> list[Conversation]:
    """Render every item of ``benchmarks``, in order."""
    return [
        Conversation(format=benchmark.format, messages=tuple(render_prompt(entry.item, template)))
        for benchmark in benchmarks
        for entry in benchmark.items
    ]


def judge(
    engine: Engine, conversations: Sequence[Conversation], journal: Journal, description: str
) -> list[Completion]:
    """Return a completion for each conversation, asking only for those that the journal does not hold."""
    found = journal.load(conversations)
    missing = [index for index in range(len(conversations)) if index not in found]
    with progress_bar() as bar:
        task = bar.add_task(description, total=len(conversations), completed=len(found), note="")
        batch: list[tuple[int, Completion]] = []
        try:
            for position, completion in engine.complete([conversations[index] for index in missing]):
                batch.append((missing[position], completion))
                bar.advance(task)
                if len(batch) == _FLUSH_EVERY:
                    journal.append(batch)
                    found.update(batch)
                    batch = []
        finally:
            if batch:
                journal.append(batch)
                found.update(batch)
    return [found[index] for index in range(len(conversations))]


def build_rows(
    judge_name: str,
    benchmarks: Sequence[Benchmark],
    completions: Sequence[Completion],
    marker: str,
    contaminated: dict[str, set[str]],
) -> list[VerdictRow]:
    """Join items, gold verdicts and parsed completions.

    Args:
        judge_name: goes into each row.
        benchmarks: in the order of ``completions``.
        completions: one an item.
        marker: the template's result marker.
        contaminated: item ids by benchmark, from the audit.
    """
    rows = []
    source = iter(completions)
    for benchmark, entry in _entries(benchmarks):
        completion = next(source)
        verdict = parse_verdict(completion.text, benchmark.format, marker)
        rows.append(build_row(judge_name, benchmark, entry, verdict, completion, contaminated))
    return rows


def build_row(
    judge_name: str,
    benchmark: Benchmark,
    entry: BenchmarkItem,
    verdict: Verdict,
    completion: Completion,
    contaminated: dict[str, set[str]],
) -> VerdictRow:
    """Build one row of the verdict table."""
    direct = benchmark.format == "direct"
    return VerdictRow(
        judge=judge_name,
        benchmark=benchmark.name,
        format=benchmark.format,
        item_id=entry.item.item_id,
        prompt_id=entry.item.prompt_id,
        group=entry.group,
        contaminated=entry.item.item_id in contaminated.get(benchmark.name, set()),
        gold_score=entry.gold if direct else None,  # type: ignore[arg-type]
        gold_choice=None if direct else entry.gold,  # type: ignore[arg-type]
        score=verdict.score,
        choice=verdict.choice,
        feedback=verdict.feedback,
        raw_text=completion.text,
        prompt_tokens=completion.prompt_tokens,
        output_tokens=completion.output_tokens,
        finish=completion.finish,
    )


def _entries(benchmarks: Sequence[Benchmark]) -> Iterator[tuple[Benchmark, BenchmarkItem]]:
    for benchmark in benchmarks:
        for entry in benchmark.items:
            yield benchmark, entry
