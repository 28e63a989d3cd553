"""One evaluation run: a judge, or a trivial reference, on all benchmarks of params.yaml."""

from collections.abc import Sequence
from pathlib import Path

from judgeforge.benchmarks import load_benchmark, select_prompts
from judgeforge.benchmarks.records import Benchmark
from judgeforge.engines.protocol import Completion, Conversation
from judgeforge.engines.references import build_reference
from judgeforge.evaluate.journal import Journal
from judgeforge.evaluate.judging import build_conversations, build_row, build_rows, compute_journal_key, judge
from judgeforge.evaluate.metrics import compute_metrics
from judgeforge.files import load_json, write_folder_atomically, write_json
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
    contaminated: dict[str, set[str]],
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
    conversations = build_conversations(benchmarks, template)
    decoding = params.model_dump(
        mode="json", exclude={"benchmarks", "benchmarks_folder", "bootstrap_resamples", "confidence"}
    )
    journal = Journal(journal_folder, compute_journal_key(model, decoding, conversations))
    completions = _complete(params, name, model, base, template, conversations, journal)
    return build_rows(name, benchmarks, completions, template.result_marker, contaminated), journal, template


def _complete(
    params: EvaluateParams,
    name: str,
    model: Path,
    base: Path | None,
    template: JudgeTemplate,
    conversations: Sequence[Conversation],
    journal: Journal,
) -> list[Completion]:
    from judgeforge.engines.transformers import TransformersEngine  # noqa: PLC0415 - references need no torch

    engine = TransformersEngine(
        model,
        base_folder=base,
        template=template,
        batch_size=params.batch_size,
        max_new_tokens=params.max_new_tokens,
        max_prompt_tokens=params.max_prompt_tokens,
        temperature=params.temperature,
        top_p=params.top_p,
        repetition_penalty=params.repetition_penalty,
        seed=params.seed,
        dtype=params.dtype,
        cpu_threads=params.cpu_threads,
    )
    return judge(engine, conversations, journal, f"evaluate {name}")


def evaluate_reference(
    params: EvaluateParams,
    name: str,
    train: Path,
    benchmarks: Sequence[Benchmark],
    contaminated: dict[str, set[str]],
) -> list[VerdictRow]:
    """Judge all items with a trivial judge: ``majority``, ``random`` or ``longer``."""
    reference = build_reference(name, train, params.seed)
    rows = []
    for benchmark in benchmarks:
        verdicts = reference([entry.item for entry in benchmark.items])
        for entry, verdict in zip(benchmark.items, verdicts, strict=True):
            completion = Completion(text=verdict.feedback, prompt_tokens=0, output_tokens=0, finish="verdict")
            rows.append(build_row(name, benchmark, entry, verdict, completion, contaminated))
    return rows


def write_evaluation(
    params: EvaluateParams, name: str, rows: Sequence[VerdictRow], template: JudgeTemplate | None, out: Path
) -> dict[str, object]:
    """Write verdicts and the metrics computed from them; return the metrics."""
    with write_folder_atomically(out) as folder:
        write_verdicts(rows, folder)
        metrics: dict[str, object] = {
            "judge": name,
            "template": None if template is None else {"name": template.name, "digest": template.compute_digest()},
            "benchmarks": compute_metrics(
                load_verdicts(folder), params.bootstrap_resamples, params.confidence, params.seed
            ),
        }
        write_json(folder / METRICS_FILE, metrics)
    return metrics
