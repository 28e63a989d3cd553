"""``judgeforge seen``: each judge's own lineage tells who had seen a row."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from judgeforge.cli import build_app
from judgeforge.errors import InputError
from judgeforge.training_sets import LINEAGE_SCHEMA, load_judge_lineage, write_judge_lineage


def write_judge(folder: Path, *rows: tuple[str, str, str]) -> None:
    folder.mkdir(parents=True)
    write_judge_lineage([pl.DataFrame(rows, schema=LINEAGE_SCHEMA, orient="row")], folder)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_judge(tmp_path / "direct", ("x:1", "train/direct", "direct-3"), ("x:2", "train/direct", "direct-4"))
    write_judge(
        tmp_path / "merged",
        ("x:1", "train/pairwise", "pairwise-0"),
        ("x:1", "train/pairwise", "pairwise-1"),
        ("x:2", "train/validation_pairwise", "validation_pairwise-0"),
    )
    (tmp_path / "base").mkdir()
    return tmp_path


def ask(*arguments: str) -> list[str]:
    shown = CliRunner().invoke(build_app(["seen", *arguments]), ["seen", *arguments], catch_exceptions=False)
    assert shown.exit_code == 0
    return shown.output.splitlines()


def test_every_judge_that_saw_a_row_is_named_with_the_examples(models: Path) -> None:
    assert ask("x:1", "x:2", "x:9", "--models", str(models)) == [
        "x:1: direct learnt: train/direct: direct-3",
        "x:1: merged learnt: train/pairwise: pairwise-0, pairwise-1",
        "x:2: direct learnt: train/direct: direct-4",
        "x:2: merged held back for the validation loss: train/validation_pairwise: validation_pairwise-0",
        f"x:9: no judge in {models} has seen it",
    ]
    assert ask("x:2", "--models", str(models / "direct")) == ["x:2: direct learnt: train/direct: direct-4"]


def test_without_any_lineage_or_with_a_broken_one_it_is_an_error(models: Path) -> None:
    assert load_judge_lineage(models / "base").is_empty()
    with pytest.raises(InputError, match=r"No judge in .*base has a lineage\.parquet"):
        ask("x:1", "--models", str(models / "base"))
    (models / "direct" / "lineage.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"lineage\.parquet is broken"):
        ask("x:1", "--models", str(models))
