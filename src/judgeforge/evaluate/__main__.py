"""Wire the stage ``evaluate``: a judge, benchmarks and params.yaml -> verdicts and metrics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from judgeforge.engines.endpoint.settings import load_endpoint
from judgeforge.errors import InputError
from judgeforge.evaluate.floors import compute_floors
from judgeforge.evaluate.journal import Journal
from judgeforge.evaluate.naming import check_name, choose_recorded_benchmarks
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
from judgeforge.grading.templates import TEMPLATE_FILE, load_template
from judgeforge.params import EvaluateParams, load_section
from judgeforge.progress import say
from judgeforge.stage import run_stage
from judgeforge.tracking import stage_run

_TEMPLATE = "judgeforge-1"
_ANSWERS = Path(".judgeforge/answers.sqlite")


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
    params = load_section("evaluate", EvaluateParams)
    if benchmark:
        params = params.model_copy(update={"benchmarks": tuple(benchmark)})
    if recorded is not None:
        params = choose_recorded_benchmarks(params, recorded, chosen=bool(benchmark))
    loaded = load_benchmarks(params, benchmarks)
    contaminated = load_contaminated(audit, [each.name for each in loaded])
    place = out or Path("evaluation") / judge
    journals = journal or Path(".judgeforge/journal") / judge
    kept: Journal | None = None
    with stage_run(f"evaluate-{judge}", params.model_dump()) as run:
        own = model is not None and (model / TEMPLATE_FILE).is_file()
        used = None if train else load_template(model if own and model else template)
        if train is not None:
            rows = evaluate_reference(params, judge, train, loaded, contaminated)
        elif model is not None and used is not None:
            rows, kept = evaluate_judge(params, judge, model, base, used, loaded, contaminated, journals)
        elif endpoint is not None and used is not None:
            settings = load_endpoint(endpoint)
            rows, kept = evaluate_endpoint(params, judge, settings, used, loaded, contaminated, journals, _ANSWERS)
        elif recorded is not None and used is not None:
            rows = evaluate_recorded(judge, recorded, used, loaded, contaminated)
        metrics = write_evaluation(params, judge, rows, used, place, fingerprint=kept.key if kept else None)
        if kept is not None:
            kept.discard_others()
        run.log_metrics(_flatten(metrics))
    show_metrics(metrics, compute_floors(params, loaded, contaminated))
    say(f"Verdicts and metrics are in {place}.")


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
