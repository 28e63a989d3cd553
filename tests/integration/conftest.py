"""Miniature models and training sets, built on the spot: every integration test runs real libraries on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric, Verdict
from judgeforge.grading.rendering import render_prompt, render_verdict
from judgeforge.grading.templates import JudgeTemplate, load_template, write_template
from judgeforge.params import Params, load_params
from judgeforge.training_sets import EXAMPLES_SCHEMA, LINEAGE_SCHEMA, write_table

ROOT = Path(__file__).parents[2]
RUBRIC = Rubric(criteria="Is it right?", levels=("no", "hardly", "half", "nearly", "yes"))


@pytest.fixture(scope="session")
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def template() -> JudgeTemplate:
    return load_template("judgeforge-1")


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from judgeforge.base.miniature import build_miniature

    folder = tmp_path_factory.mktemp("base")
    build_miniature(folder, "float32", seed=0)
    return folder


@pytest.fixture
def small_train_params(params: Params) -> Any:
    lora = params.train.lora.model_copy(update={"rank": 2, "last_layers": 1})
    return params.train.model_copy(
        update={
            "lora": lora,
            "dtype": "float32",
            "batch_size": 2,
            "epochs": 2,
            "checkpoint_every_steps": 2,
            "log_every_steps": 1,
            "cpu_threads": 1,
            "max_length_tokens": 2000,
        }
    )


def make_example(number: int, format: str, template: JudgeTemplate) -> dict[str, Any]:
    shared = {"item_id": str(number), "prompt_id": str(number), "instruction": f"Add {number} and 1.", "rubric": RUBRIC}
    score = number % 5 + 1
    if format == "direct":
        item: DirectItem | PairwiseItem = DirectItem(response=f"It is {number + score}.", **shared)
        verdict = Verdict(feedback="So it goes.", score=score)
    else:
        item = PairwiseItem(response_a="It is one.", response_b="It is two.", **shared)
        verdict = Verdict(feedback="So it goes.", choice="A" if score > 2 else "B")
    answer = {"role": "assistant", "content": render_verdict(verdict, template)}
    messages = [*render_prompt(item, template), answer]
    owner = {"example_id": f"{format}-{number}", "prompt_id": str(number), "format": format}
    return owner | {"messages": messages, "scale": list(RUBRIC.scale)}


@pytest.fixture(scope="session")
def training_sets(tmp_path_factory: pytest.TempPathFactory, template: JudgeTemplate) -> Path:
    folder = tmp_path_factory.mktemp("train")
    for format in ("direct", "pairwise"):
        for name, numbers in ((format, range(8)), (f"validation_{format}", [9])):
            examples = pl.DataFrame([make_example(n, format, template) for n in numbers], schema=EXAMPLES_SCHEMA)
            write_table(examples, folder / name / "part-00000.parquet")
            held = [{"row_id": f"x:{n}", "set": name, "example_id": f"{format}-{n}"} for n in numbers]
            write_table(pl.DataFrame(held, schema=LINEAGE_SCHEMA), folder / "lineage" / f"{name}.parquet")
    write_template(template, folder)
    return folder


class RecordedRun:
    """Stands in for a tracking run where tracking is not what is tested."""

    def __init__(self) -> None:
        self.points: list[tuple[int | None, dict[str, float]]] = []
        self.tags: dict[str, str] = {}

    def set_tags(self, tags: dict[str, str]) -> None:
        self.tags.update(tags)

    def log_metrics(self, values: dict[str, float], step: int | None = None) -> None:
        self.points.append((step, values))


@pytest.fixture
def recorded_run() -> RecordedRun:
    return RecordedRun()


@pytest.fixture
def train(
    miniature: Path, training_sets: Path, small_train_params: Any, recorded_run: RecordedRun
) -> Callable[..., Any]:
    """Train a miniature judge into ``out`` with overrides of the parameters; returns its folder."""
    from judgeforge.train.job import Job
    from judgeforge.train.run import train_judge

    def run(
        out: Path,
        format: str = "direct",
        run: Any = recorded_run,
        base: Path = miniature,
        data: Path = training_sets,
        **overrides: Any,
    ) -> Path:
        job = Job(
            format=format,  # type: ignore[arg-type]
            data=data,
            base=base,
            checkpoints=out.parent / "checkpoints" / out.name,
            out=out,
            curve=out.with_suffix(".jsonl"),
        )
        train_judge(small_train_params.model_copy(update=overrides), job, run)
        return out

    return run
