"""Wire the stage ``evaluate``: a judge, benchmarks and params.yaml -> verdicts and metrics."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from judgeforge.benchmarks.records import Benchmark
from judgeforge.engines.endpoint.settings import EndpointSettings, load_endpoint
from judgeforge.engines.fingerprint import list_weights
from judgeforge.engines.journal import Journal
from judgeforge.errors import InputError
from judgeforge.evaluate.floors import compute_floors
from judgeforge.evaluate.naming import check_name, choose_recorded_benchmarks
from judgeforge.evaluate.origin import describe_origin
from judgeforge.evaluate.rows import Contaminated
from judgeforge.evaluate.run import (
    evaluate_endpoint,
    evaluate_judge,
    evaluate_recorded,
    evaluate_reference,
    load_benchmarks,
    load_contaminated,
    write_evaluation,
)
from judgeforge.evaluate.summary import show_metrics
from judgeforge.files import hash_file
from judgeforge.grading.templates import TEMPLATE_FILE, JudgeTemplate, load_template
from judgeforge.params import EvaluateParams, load_section
from judgeforge.progress import say
from judgeforge.stage import run_stage
from judgeforge.tracking import stage_run
from judgeforge.verdicts import VerdictRow

_TEMPLATE = "judgeforge-1"
_ANSWERS = Path(".judgeforge/answers.sqlite")
_JOURNALS = ".judgeforge/journal"


def main(
    *,
    judge: Annotated[str, typer.Option(help="The judge's name, in tables and as a folder of evaluation/.")],
    benchmark: Annotated[
        list[str] | None, typer.Option(help="A benchmark, by name or YAML file; without it those of params.yaml.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="A judge's folder: weights or an adapter.")] = None,
    base: Annotated[Path | None, typer.Option(help="The base of an adapter, if it was moved.")] = None,
    endpoint: Annotated[Path | None, typer.Option(help="A YAML file that describes an endpoint.")] = None,
    recorded: Annotated[Path | None, typer.Option(help="A JSON Lines file of verdicts.")] = None,
    train: Annotated[Path | None, typer.Option(help="Training sets, for a trivial judge.")] = None,
    template: Annotated[str, typer.Option(help="Judge template of a judge that carries none.")] = _TEMPLATE,
    benchmarks: Annotated[Path, typer.Option(help="The folder of the embedded benchmarks.")] = Path("data/benchmarks"),
    audit: Annotated[Path | None, typer.Option(help="What was trained on, to be left out.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where verdicts and metrics go: evaluation/JUDGE.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Where answers are kept as they come.")] = None,
    cache: Annotated[Path, typer.Option(help="Where answers of endpoints are kept for all runs.")] = _ANSWERS,
) -> None:
    """Evaluate one judge: a model, an endpoint, recorded verdicts, or a trivial reference.

    One of --model (with --template if it carries none, and --base for an adapter that was moved), --endpoint (a YAML
    file), --recorded (a JSON Lines file) or --train (training sets, for the references majority, random and longer).
    Verdicts and metrics go to evaluation/JUDGE unless --out says otherwise.

    Example: judgeforge evaluate --judge mine --model models/merged;
    judgeforge evaluate --judge gpt-4 --endpoint endpoints/gpt-4.yaml;
    judgeforge evaluate --judge theirs --recorded their-verdicts.jsonl --benchmark support.yaml
    """
    check_name(judge, foreign=endpoint is not None or recorded is not None)
    if sum(source is not None for source in (model, endpoint, recorded, train)) != 1:
        raise InputError("What is to be evaluated?", "give one of --model, --endpoint, --recorded and --train.")
    params = _choose_params(benchmark, recorded)
    loaded = load_benchmarks(params, benchmarks)
    contaminated = load_contaminated(audit, [each.name for each in loaded])
    place = out or Path("evaluation") / judge
    asked = _Asked(judge, model, base, endpoint, recorded, train, template, journal or Path(_JOURNALS) / judge, cache)
    with stage_run(f"evaluate-{judge}", params.model_dump()) as run:
        rows, used, kept = _answer(params, asked, loaded, contaminated)
        origin, key = describe_origin(model, endpoint, recorded), kept.key if kept else None
        origin |= {"contents": {each.name: each.compute_digest() for each in loaded}}
        metrics = write_evaluation(params, judge, rows, used, place, fingerprint=key, origin=origin)
        if kept is not None:
            kept.discard_others()
        run.log_metrics(_flatten(metrics))
    show_metrics(metrics, compute_floors(params, loaded, contaminated))
    say(f"Verdicts and metrics are in {place}.")


@dataclass(frozen=True)
class _Asked:
    judge: str
    model: Path | None
    base: Path | None
    endpoint: Path | None
    recorded: Path | None
    train: Path | None
    template: str
    journals: Path
    cache: Path


def _choose_params(benchmark: list[str] | None, recorded: Path | None) -> EvaluateParams:
    params = load_section("evaluate", EvaluateParams)
    if benchmark:
        params = params.model_copy(update={"benchmarks": tuple(benchmark)})
    return params if recorded is None else choose_recorded_benchmarks(params, recorded, chosen=bool(benchmark))


def _answer(
    params: EvaluateParams, asked: _Asked, benchmarks: Sequence[Benchmark], contaminated: Contaminated
) -> tuple[list[VerdictRow], JudgeTemplate | None, Journal | None]:
    """Answer all questions; return the rows, the template that was used, and the journal of an engine."""
    if asked.train is not None:
        return evaluate_reference(params, asked.judge, asked.train, benchmarks, contaminated), None, None
    own = asked.model is not None and (asked.model / TEMPLATE_FILE).is_file()
    used = load_template(asked.model if own and asked.model else asked.template)
    if asked.recorded is not None:
        return evaluate_recorded(asked.judge, asked.recorded, used, benchmarks, contaminated), used, None
    options = {"benchmarks": benchmarks, "contaminated": contaminated, "journal_folder": asked.journals}
    if asked.endpoint is not None:
        settings = load_endpoint(asked.endpoint)
        if Path(asked.template).is_dir():
            settings = _tie_to_weights(settings, Path(asked.template), asked.base)
        rows, kept = evaluate_endpoint(params, asked.judge, settings, used, cache=asked.cache, **options)  # type: ignore[arg-type]
    else:
        rows, kept = evaluate_judge(params, asked.judge, asked.model or Path(), asked.base, used, **options)  # type: ignore[arg-type]
    return rows, used, kept


def _tie_to_weights(settings: EndpointSettings, model: Path, base: Path | None) -> EndpointSettings:
    """Make the weights that are served part of the revision: a judge that was trained anew is asked anew.

    Args:
        settings: of the endpoint.
        model: the folder of the judge that it serves.
        base: the base model of an adapter; None: the one that the adapter names.
    """
    files = [path for folder in list_weights(model, base) for path in sorted(folder.iterdir()) if path.is_file()]
    digest = hashlib.sha256("".join(map(hash_file, files)).encode()).hexdigest()
    return settings.model_copy(update={"revision": f"{settings.revision or ''} {digest}".strip()})


def _flatten(metrics: dict[str, object]) -> dict[str, float]:
    found = {}
    for name, entry in metrics["benchmarks"].items():  # type: ignore[attr-defined]
        if entry["unparsable_rate"] is not None:
            found[f"{name}/unparsable_rate"] = entry["unparsable_rate"]
        found |= {
            f"{name}/{metric}": value["value"]
            for metric, value in (entry["metrics"] | _list_others(entry)).items()
            if isinstance(value, dict) and value["value"] is not None
        }
    return found


def _list_others(entry: Mapping[str, Any]) -> dict[str, Any]:
    graded = entry.get("direct_for_pairwise") or {}
    return {
        "run_alpha": {"value": entry["run_alpha"]},
        "ceiling": entry["ceiling"],
        "transitivity": entry.get("transitivity"),
        "direct_for_pairwise_accuracy": graded.get("accuracy"),
        "format_gap": graded.get("gap"),
    }


if __name__ == "__main__":
    run_stage(main)
