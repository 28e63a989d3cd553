"""Wire the stage ``evaluate``: a judge, benchmarks and params.yaml -> verdicts and metrics."""

from pathlib import Path

from judgeforge.errors import InputError
from judgeforge.evaluate.run import (
    evaluate_judge,
    evaluate_reference,
    load_benchmarks,
    load_contaminated,
    write_evaluation,
)
from judgeforge.params import EvaluateParams, load_section
from judgeforge.stage import run_stage
from judgeforge.tracking import stage_run


def main(
    *,
    judge: str,
    benchmarks: Path,
    audit: Path,
    out: Path,
    journal: Path,
    model: Path | None = None,
    base: Path | None = None,
    template: Path | None = None,
    train: Path | None = None,
) -> None:
    """Evaluate one judge (--model, --template; --base for an adapter that was moved) or a reference (--train).

    Example: python -m judgeforge.evaluate --judge merged --model models/merged
    --template data/train --benchmarks data/benchmarks --audit data/audit.json --out evaluation/merged
    --journal .judgeforge/journal/merged
    """
    params = load_section("evaluate", EvaluateParams)
    loaded = load_benchmarks(params, benchmarks)
    contaminated = load_contaminated(audit)
    with stage_run(f"evaluate-{judge}", params.model_dump()) as run:
        if train is not None:
            rows = evaluate_reference(params, judge, train, loaded, contaminated)
            metrics = write_evaluation(params, judge, rows, None, out)
        elif model is not None and template is not None:
            rows, kept, used = evaluate_judge(params, judge, model, base, template, loaded, contaminated, journal)
            metrics = write_evaluation(params, judge, rows, used, out)
            kept.discard()
        else:
            raise InputError("Nothing to evaluate.", "give --model and --template, or --train.")
        run.log_metrics(_flatten(metrics))


def _flatten(metrics: dict[str, object]) -> dict[str, float]:
    found = {}
    for name, entry in metrics["benchmarks"].items():  # type: ignore[attr-defined]
        if entry["unparsable_rate"] is not None:
            found[f"{name}/unparsable_rate"] = entry["unparsable_rate"]
        found |= {
            f"{name}/{metric}": value["value"]
            for metric, value in entry["metrics"].items()
            if isinstance(value, dict) and value["value"] is not None
        }
    return found


if __name__ == "__main__":
    run_stage(main)
