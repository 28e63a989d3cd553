"""One evaluation run: a judge, or a trivial reference, on all benchmarks of params.yaml."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from judgeforge.benchmarks import load_benchmark, select_prompts
from judgeforge.benchmarks.records import Benchmark
from judgeforge.engines.protocol import Completion, Engine, Generation, build_generation
from judgeforge.engines.references import build_reference
from judgeforge.evaluate.journal import Journal
from judgeforge.evaluate.judging import ask_questions
from judgeforge.evaluate.metrics import compute_metrics
from judgeforge.evaluate.plan import Question, plan_questions
from judgeforge.evaluate.rows import Contaminated, build_rows
from judgeforge.files import hash_file, load_json, write_folder_atomically, write_json
from judgeforge.grading.templates import TEMPLATE_FILE, JudgeTemplate, load_template
from judgeforge.params import EvaluateParams
from judgeforge.verdicts import VerdictRow, load_verdicts, write_verdicts

METRICS_FILE = "metrics.json"


def load_benchmarks(params: EvaluateParams, embedded: Path) -> list[Benchmark]:
    """Load the benchmarks of ``params``, each cut to ``max_prompts`` prompts."""
    folder = None if params.benchmarks_folder is None else Path(params.benchmarks_folder)
    return [
        select_prompts(load_benchmark(name, embedded, folder), params.max_prompts, params.seed)
        for name in params.benchmarks
    ]


def load_contaminated(audit: Path) -> dict[str, set[str]]:
    """Read the audit: item ids that stand in the training set, by benchmark."""
    return {name: set(entry["contaminated"]) for name, entry in load_json(audit).items()}


def evaluate_judge(
    params: EvaluateParams,
    name: str,
    model: Path,
    base: Path | None,
    fallback_template: Path,
    benchmarks: Sequence[Benchmark],
    contaminated: Contaminated,
    journal_folder: Path,
) -> tuple[list[VerdictRow], Journal, JudgeTemplate]:
    """Judge all items with a model.

    Args:
        params: the section ``evaluate``.
        name: the judge's.
        model: its folder: full weights or an adapter.
        base: the base model of an adapter; None: the one that the adapter names.
        fallback_template: for a judge that was not trained (the base) and so carries no template.
        benchmarks: what to judge.
        contaminated: item ids by benchmark.
        journal_folder: where completions are kept until the verdicts are written.
    """
    template = load_template(model if (model / TEMPLATE_FILE).is_file() else fallback_template)
    generation = build_generation(params)
    decoding = {
        "generation": generation.model_dump(),
        "template": template.compute_digest(),
        **params.model_dump(include={"engine", "batch_size", "dtype", "cpu_threads"}),
    }
    journal = Journal(journal_folder, compute_journal_key(model, decoding))
    answers = ask_questions(
        _build_engine(params, model, base, template, generation),
        _plan(params, benchmarks),
        template,
        journal,
        mode=params.mode,
        greedy=generation.temperature == 0,
        description=f"evaluate {name}",
    )
    return build_rows(name, params.mode, answers, contaminated), journal, template


def compute_journal_key(model: Path, decoding: dict[str, Any]) -> str:
    """Return a digest of everything but the question that a completion depends on.

    Args:
        model: the judge's folder; its files count by content.
        decoding: parameters and template, JSON-ready.
    """
    digest = hashlib.sha256(json.dumps(decoding, sort_keys=True).encode())
    for path in sorted(each for each in model.iterdir() if each.is_file()):
        digest.update(hash_file(path).encode())
    return digest.hexdigest()[:16]


def _plan(params: EvaluateParams, benchmarks: Sequence[Benchmark]) -> list[Question]:
    return plan_questions(
        benchmarks,
        mode=params.mode,
        samples=params.samples,
        direct_for_pairwise=params.direct_for_pairwise,
        seed=params.seed,
    )


def _build_engine(
    params: EvaluateParams, model: Path, base: Path | None, template: JudgeTemplate, generation: Generation
) -> Engine:
    from judgeforge.engines.transformers import TransformersEngine  # noqa: PLC0415 - references need no torch

    return TransformersEngine(
        model,
        base_folder=base,
        template=template,
        generation=generation,
        batch_size=params.batch_size,
        dtype=params.dtype,
        cpu_threads=params.cpu_threads,
    )


def evaluate_reference(
    params: EvaluateParams,
    name: str,
    train: Path,
    benchmarks: Sequence[Benchmark],
    contaminated: Contaminated,
) -> list[VerdictRow]:
    """Judge all items with a trivial judge: ``majority``, ``random`` or ``longer``."""
    reference = build_reference(name, train, params.seed)
    answers = []
    for benchmark in benchmarks:
        questions = [question for question in _plan(params, [benchmark]) if question.method == benchmark.format]
        shown = [_tell_apart(question) for question in questions]
        for question, verdict in zip(questions, reference(shown), strict=True):
            completion = Completion(text=verdict.feedback, prompt_tokens=0, output_tokens=0, finish="verdict")
            answers.append((question, completion, verdict))
    return build_rows(name, params.mode, answers, contaminated)


def _tell_apart(question: Question) -> Any:
    """Give the other order and further samples ids of their own: a judge by lot draws anew for each."""
    suffix = ("/swapped" if question.order == "swapped" else "") + (f"/{question.sample}" if question.sample else "")
    return question.shown.model_copy(update={"item_id": question.shown.item_id + suffix})


def write_evaluation(
    params: EvaluateParams, name: str, rows: Sequence[VerdictRow], template: JudgeTemplate | None, out: Path
) -> dict[str, object]:
    """Write verdicts and the metrics computed from them; return the metrics."""
    with write_folder_atomically(out) as folder:
        write_verdicts(rows, folder)
        metrics: dict[str, object] = {
            "judge": name,
            "template": None if template is None else {"name": template.name, "digest": template.compute_digest()},
            "mode": params.mode,
            "generation": None if template is None else build_generation(params).model_dump(),
            "benchmarks": compute_metrics(
                load_verdicts(folder), params.bootstrap_resamples, params.confidence, params.seed
            ),
        }
        write_json(folder / METRICS_FILE, metrics)
    return metrics
