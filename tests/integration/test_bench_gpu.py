"""The GPU benchmark in miniature on a CPU: every part runs, and says what it would say of a GPU."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from judgeforge.train.trainer import CompletionTrainer

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "benchmarks" / "training_gpu.py"
COLLECTION = ROOT.parent / "shared" / "collections" / "vicuna_gpt4_feedback.jsonl"


def measure(part: str, *options: str) -> dict:
    command = [sys.executable, str(PROGRAM), "--measure", part, "--dry-run", *options]
    done = subprocess.run(command, cwd=PROGRAM.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("part", ["lora", pytest.param("full", marks=pytest.mark.slow)])
def test_a_part_on_random_weights(part):
    figures = measure(part)
    assert figures["part"] == part and figures["weights"] > 100_000
    # Three updates of two rows of 30 to 90 tokens, the first of which does not count.
    assert 4 * 30 <= figures["tokens"] <= 4 * 90
    assert figures["tokens_per_second"] == pytest.approx(figures["tokens"] / figures["seconds"])
    assert 0 < figures["mfu"] < 1 and 0 < figures["share_of_ceiling"] < 1
    assert ("data sheet" if torch.cuda.is_available() else "measured product") in figures["peak"]


def test_no_checkpoint_is_written(monkeypatch):
    """In full, one of the 7B model has 87 GB."""
    monkeypatch.syspath_prepend(PROGRAM.parent)
    program, saved = importlib.import_module("training_gpu"), []
    monkeypatch.setattr(CompletionTrainer, "_save_checkpoint", lambda *_: saved.append(1))
    assert program.measure("lora", None, dry_run=True)["part"] == "lora"
    assert not saved


@pytest.mark.real_data
def test_the_part_on_real_rows(miniature):
    if not COLLECTION.is_file():
        pytest.skip(f"there is no {COLLECTION}")
    assert measure("small", "--base", str(miniature))["tokens"] > 1000


def test_without_a_gpu_it_says_how_to_try_it():
    done = subprocess.run([sys.executable, str(PROGRAM)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        pytest.skip("there is a GPU")
    assert "--dry-run" in done.stderr and "Traceback" not in done.stderr
