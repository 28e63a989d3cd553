"""One evaluation run: a judge, or a trivial reference, on all benchmarks of params.yaml."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from judgeforge.benchmarks import load_benchmark, select_prompts
from judgeforge.benchmarks.records import Benchmark
from judgeforge.engines.building import build_engine
from judgeforge.engines.endpoint.engine import EndpointEngine
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.fingerprint import compute_journal_key, list_weights
from judgeforge.engines.journal import Journal
from judgeforge.engines.protocol import Completion, Engine, build_generation
from judgeforge.engines.references import build_reference
from judgeforge.errors import InputError
from judgeforge.evaluate.judging import ask_questions
from judgeforge.evaluate.plan import Question, plan_questions
from judgeforge.evaluate.recorded import answer_from_file
from judgeforge.evaluate.rows import Contaminated, build_rows
from judgeforge.files import hash_file, load_json, write_folder_atomically, write_json
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.params import EvaluateParams
from judgeforge.progress import say
from judgeforge.statistics.metrics import compute_metrics
from judgeforge.verdicts import METRICS_FILE, VERDICTS_FILE, Method, VerdictRow, load_verdicts, write_verdicts


def load_benchmarks(params: EvaluateParams, embedded: Path) -> list[Benchmark]:
    """Load the benchmarks of ``params``, each cut to ``max_prompts`` prompts.

    Raises:
        InputError: two of them have one name.
    """
    folder = None if params.benchmarks_folder is None else Path(params.benchmarks_folder)
    loaded = [
        select_prompts(load_benchmark(name, embedded, folder), params.max_prompts, params.seed)
        for name in params.benchmarks
    ]
    twice = [name for name, count in Counter(each.name for each in loaded).items() if count > 1]
    if twice:
        raise InputError(f"evaluate.benchmarks has {twice[0]!r} twice.", "name each benchmark once.")
    return loaded


def load_contaminated(audit: Path | None, benchmarks: Sequence[str]) -> dict[str, set[str]]:
    """Read the audit: item ids that stand in the training set, by benchmark; none for a judge not trained here.

    Args:
        audit: its file.
        benchmarks: names of those that are judged.

    Raises:
        InputError: one of them was not audited; that it is clean would be a guess.
    """
    if audit is None:
        return {}
    found = {name: set(entry["contaminated"]) for name, entry in load_json(audit).items()}
    missing = [name for name in benchmarks if name not in found]
    if missing:
        raise InputError(f"{audit} says nothing of {', '.join(missing)}.", "audit again with 'dvc repro audit'.")
    return found


def evaluate_judge(
    params: EvaluateParams,
    name: str,
    model: Path,
    base: Path | None,
    template: JudgeTemplate,
    benchmarks: Sequence[Benchmark],
    contaminated: Contaminated,
    journal_folder: Path,
) -> tuple[list[VerdictRow], Journal]:
    """Judge all items with a model.

    Args:
        params: the section ``evaluate``.
        name: the judge's.
        model: its folder: full weights or an adapter.
        base: the base model of an adapter; None: the one that the adapter names.
        template: the judge's own (see ``choose_template``).
        benchmarks: what to judge.
        contaminated: item ids by benchmark.
        journal_folder: where completions are kept until the verdicts are written.
    """
    decoding = {
        "generation": build_generation(params).model_dump(),
        "template": template.compute_digest(),
        **params.model_dump(include={"engine", "batch_size", "dtype", "cpu_threads"}),
        # How much memory it takes changes no answer; over how many GPUs it adds up may.
        "gpus": params.vllm.tensor_parallel_size if params.engine == "vllm" else None,
    }
    journal = Journal(journal_folder, compute_journal_key(list_weights(model, base), decoding))
    engine = build_engine(params, model, base, template)
    return _ask(params, name, engine, template, benchmarks, contaminated, journal), journal


def evaluate_endpoint(
    params: EvaluateParams,
    name: str,
    settings: EndpointSettings,
    template: JudgeTemplate,
    benchmarks: Sequence[Benchmark],
    contaminated: Contaminated,
    journal_folder: Path,
    cache: Path,
) -> tuple[list[VerdictRow], Journal]:
    """Judge all items with a judge behind an endpoint; what it may cost is said first.

    Args:
        params: the section ``evaluate``.
        name: the judge's.
        settings: of the endpoint.
        template: what it is asked by.
        benchmarks: what to judge.
        contaminated: item ids by benchmark.
        journal_folder: where completions are kept until the verdicts are written.
        cache: file of all answers that were ever paid for.
    """
    generation = build_generation(params)
    engine = EndpointEngine(settings, template=template, generation=generation, cache=cache)
    questions = [question.render(template) for question in _plan(params, benchmarks)]
    say(f"{name}: {engine.estimate(questions).describe(settings.currency, redraws=params.mode == 'paper')}")
    decoding = {"generation": generation.model_dump(), "template": template.compute_digest()}
    key = hashlib.sha256(json.dumps([settings.compute_digest(), decoding], sort_keys=True).encode()).hexdigest()[:16]
    journal = _EndpointJournal(journal_folder, key)
    return _ask(params, name, engine, template, benchmarks, contaminated, journal), journal


class _EndpointJournal(Journal):
    """Asks again what was too long: the context is the server's own, and may have grown."""

    def load(self) -> dict[str, Completion]:
        return {key: each for key, each in super().load().items() if each.finish != "prompt_too_long"}


def evaluate_recorded(
    name: str, path: Path, template: JudgeTemplate, benchmarks: Sequence[Benchmark], contaminated: Contaminated
) -> list[VerdictRow]:
    """Score recorded verdicts as those of a judge that runs here, in ``clean`` mode."""
    return build_rows(name, "clean", answer_from_file(path, name, template, benchmarks), contaminated)


def _ask(
    params: EvaluateParams,
    name: str,
    engine: Engine,
    template: JudgeTemplate,
    benchmarks: Sequence[Benchmark],
    contaminated: Contaminated,
    journal: Journal,
) -> list[VerdictRow]:
    answers = ask_questions(
        engine,
        _plan(params, benchmarks),
        template,
        journal,
        mode=params.mode,
        greedy=build_generation(params).temperature == 0,
        description=f"evaluate {name}",
    )
    return build_rows(name, params.mode, answers, contaminated)


def _plan(params: EvaluateParams, benchmarks: Sequence[Benchmark]) -> list[Question]:
    return plan_questions(
        benchmarks,
        mode=params.mode,
        samples=params.samples,
        direct_for_pairwise=params.direct_for_pairwise,
        seed=params.seed,
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
        # Method by method: what is graded by length is graded among its like.
        for method in get_args(Method):
            questions = [question for question in _plan(params, [benchmark]) if question.method == method]
            shown = [_tell_apart(question) for question in questions]
            for question, verdict in zip(questions, reference(shown), strict=True):
                completion = Completion(text=verdict.feedback, prompt_tokens=0, output_tokens=0, finish="verdict")
                answers.append((question, completion, verdict))
    return build_rows(name, params.mode, answers, contaminated)


def _tell_apart(question: Question) -> Any:
    """Give the other order and further samples ids of their own: a judge by lot draws anew for each."""
    suffix = f"/{question.order}" if question.order in ("swapped", "a", "b") else ""
    suffix += f"/{question.sample}" if question.sample else ""
    return question.shown.model_copy(update={"item_id": question.shown.item_id + suffix})


def write_evaluation(
    params: EvaluateParams,
    name: str,
    rows: Sequence[VerdictRow],
    template: JudgeTemplate | None,
    out: Path,
    *,
    fingerprint: str | None,
    origin: Mapping[str, object],
) -> dict[str, object]:
    """Write verdicts and the metrics computed from them; return the metrics.

    Args:
        params: the section ``evaluate``.
        name: the judge's.
        rows: its verdicts.
        template: what it was asked or read by; None for a reference.
        out: the folder.
        fingerprint: of the model and all else that the answers depend on; None where no engine gave them.
        origin: where the answers came from, of ``describe_origin``, and ``contents``: the benchmarks' digests.
    """
    with write_folder_atomically(out) as folder:
        write_verdicts(rows, folder)
        metrics: dict[str, object] = {
            "judge": name,
            **origin,
            "template": None if template is None else {"name": template.name, "digest": template.compute_digest()},
            "mode": rows[0].mode,
            "generation": build_generation(params).model_dump() if fingerprint else None,
            "engine": {"name": params.engine, "dtype": params.dtype} if origin.get("origin") == "model" else None,
            "fingerprint": fingerprint,
            "verdicts": hash_file(folder / VERDICTS_FILE),
            "benchmarks": compute_metrics(
                load_verdicts(folder),
                params.bootstrap_resamples,
                params.confidence,
                params.seed,
                params.max_contaminated_share,
            ),
        }
        write_json(folder / METRICS_FILE, metrics)
    return metrics
