"""The figures of reports/metrics.json, for the record of a run. The gate itself looks at verdicts."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.grading.records import Format


class Measure(BaseModel):
    """A figure; None where it is undefined, as a correlation with a judge that always says the same."""

    model_config = ConfigDict(frozen=True)

    value: float | None


class BenchmarkMetrics(BaseModel):
    """What is read of a judge's entry.

    Args:
        unparsable_rate: None where the benchmark has no items left to measure.
        metrics: by name.
    """

    model_config = ConfigDict(frozen=True)

    format: Format
    unparsable_rate: float | None
    metrics: dict[str, Measure]


JudgeMetrics = Mapping[str, BenchmarkMetrics]
"""By benchmark."""


def load_metrics(path: Path) -> dict[str, JudgeMetrics]:
    """Read reports/metrics.json: judge to benchmark to metrics.

    Raises:
        InputError: it is missing, broken, or not of that shape.
    """
    document = load_json(path)
    judges = document if isinstance(document, dict) else {}
    try:
        return {
            judge: {name: BenchmarkMetrics.model_validate(entry) for name, entry in benchmarks.items()}
            for judge, benchmarks in judges.items()
            if judge != "differences"
        }
    except (ValidationError, AttributeError) as error:
        raise InputError(
            f"{path} is not a table of judges' metrics.", "write it again with 'dvc repro report'."
        ) from error
