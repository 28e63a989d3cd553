"""What keeps a run from being lost: bad updates, signals, and a disk that is nearly full."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import judgeforge
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import load_json_rows
from judgeforge.train import guard
from judgeforge.train.attention import PACKED_ATTENTION
from judgeforge.train.dataset import load_examples
from judgeforge.train.loss import CompletionLoss
from judgeforge.train.model import load_tokenizer
from judgeforge.train.packing import FILLER, IGNORED, PackingCollator
from judgeforge.train.tokens import TokenRows, tokenize_examples
from judgeforge.train.trainer import CompletionTrainer
from judgeforge.training_sets import EXAMPLES_SCHEMA, load_table, write_table

ROOT = Path(__file__).parents[2]


def load_weights(judge: Path) -> dict[str, torch.Tensor]:
    return load_file(judge / "adapter_model.safetensors")


@pytest.fixture
def spoil(monkeypatch):
    """Let the loss of some updates be infinite."""
    whole = CompletionTrainer.compute_loss

    def choose(*updates: int) -> None:
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            loss = whole(self, model, inputs, return_outputs, num_items_in_batch)
            return loss * float("inf") if model.training and self.state.global_step + 1 in updates else loss

        monkeypatch.setattr(CompletionTrainer, "compute_loss", compute_loss)

    return choose


def test_a_bad_update_stops_the_run_and_keeps_its_batch(train, spoil, tmp_path):
    spoil(3)
    with pytest.raises(InputError, match="Update 3 is bad: its gradient is not finite"):
        train(tmp_path / "judge", bad_update="stop")
    (kept,) = tmp_path.rglob("bad-update-3.jsonl")
    texts = [row["text"] for row in load_json_rows(kept)]
    assert len(texts) == 2 and all("Add " in text and "[RESULT]" in text for text in texts)
    assert not (tmp_path / "judge").exists()


def test_a_skipped_update_leaves_the_weights_as_they_were(train, spoil, tmp_path, recorded_run):
    spoil(*range(1, 9))
    out = train(tmp_path / "spoilt", bad_update="skip", learning_rate=0.01)
    assert all(not tensor.any() for name, tensor in load_weights(out).items() if "lora_B" in name), "as they began"
    spoil(3)
    judge = load_weights(train(tmp_path / "judge", bad_update="skip", learning_rate=0.01))
    assert all(tensor.isfinite().all() for tensor in judge.values())
    assert any(tensor.any() for name, tensor in judge.items() if "lora_B" in name)


def test_too_many_bad_updates_are_no_accident(train, spoil, tmp_path):
    spoil(*range(1, 100))
    with pytest.raises(InputError, match="Update 11 is bad: its gradient is not finite"):
        train(tmp_path / "judge", bad_update="skip", epochs=5)


def test_no_checkpoint_is_begun_without_room_for_it(train, tmp_path, monkeypatch):
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(guard.shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 1000))
    with pytest.raises(EnvironmentFault, match="A checkpoint needs "):
        train(tmp_path / "judge")
    assert not list(tmp_path.rglob("checkpoint-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_a_checkpoint_and_the_next_run_ends_where_an_unbroken_one_does(
    number, train, miniature, training_sets, small_train_params, tmp_path
):
    changed = {"epochs": 15, "checkpoint_every_steps": 4}
    whole = load_weights(train(tmp_path / "whole", **changed))
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["train"] = small_train_params.model_copy(update=changed).model_dump(mode="json")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    command = [sys.executable, "-m", "judgeforge.train", "--format", "direct", "--data", str(training_sets)]
    command += ["--base", str(miniature), "--out", "judge", "--curve", "curve.jsonl", "--checkpoints", "checkpoints"]
    environment = os.environ | {"PYTHONPATH": str(Path(judgeforge.__file__).parents[1])}
    environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    log = tmp_path / "log"
    with log.open("wb") as handle:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=handle, stderr=handle)
    while not list(tmp_path.glob("checkpoints/*/checkpoint-*/COMPLETE")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(120) == 75, log.read_text()
    (update,) = re.findall(rf"Training was ended by {number.name} after update (\d+)", log.read_text())
    (saved,) = tmp_path.glob(f"checkpoints/*/checkpoint-{update}")
    assert (saved / "COMPLETE").is_file() and int(update) < 60
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"Resuming direct from {saved.name}" in done.stderr + done.stdout
    judge = load_weights(tmp_path / "judge")
    assert judge.keys() == whole.keys() and all(torch.equal(judge[name], whole[name]) for name in whole)


@pytest.fixture
def jump(monkeypatch):
    """Let the loss of some updates be a hundred times what it is."""
    whole = CompletionTrainer.compute_loss

    def choose(*updates: int) -> None:
        remember = guard.UpdateGuard.remember

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            factor = 100 if model.training and self.state.global_step + 1 in updates else 1
            keep = lambda guard, ids, lengths, loss: remember(guard, ids, lengths, loss * factor)  # noqa: E731
            monkeypatch.setattr(guard.UpdateGuard, "remember", keep)
            return whole(self, model, inputs, return_outputs, num_items_in_batch) * factor

        monkeypatch.setattr(CompletionTrainer, "compute_loss", compute_loss)

    return choose


def test_a_loss_that_jumps_is_skipped_as_if_its_rows_were_not_there(train, jump, tmp_path, capsys):
    jump(22)
    judge = train(tmp_path / "judge", bad_update="skip", max_loss_ratio=5.0, epochs=6)
    assert "Update 22 is skipped: its loss is" in capsys.readouterr().err
    (kept,) = tmp_path.rglob("bad-updates/bad-update-22.jsonl")
    assert len(load_json_rows(kept)) == 2, "they stay when the run is done"
    assert all(tensor.isfinite().all() for tensor in load_weights(judge).values())


def test_a_loss_that_jumps_stops_the_run_and_the_resumed_run_remembers_what_was_usual(train, jump, tmp_path):
    jump(23)
    for _ in range(2):  # the second resumes from update 22, and must know the 20 losses before
        with pytest.raises(InputError, match=r"Update 23 is bad: its loss is .* Its batches stand in"):
            train(tmp_path / "judge", bad_update="stop", max_loss_ratio=5.0, epochs=6)


def write_opposites(training_sets, folder):
    """Write sets whose validation asks for one letter and whose training teaches another: each update does harm."""
    shutil.copytree(training_sets, folder)
    for name, letter in (("direct", "a"), ("validation_direct", "z")):
        rows = load_table(training_sets, name, EXAMPLES_SCHEMA).to_dicts()
        for row in rows:
            row["messages"][-1]["content"] = 40 * letter
        write_table(pl.DataFrame(rows, schema=EXAMPLES_SCHEMA), folder / name / "part-00000.parquet")
    return folder


def test_training_ends_early_with_the_weights_of_the_lowest_validation_loss(
    train, tmp_path, recorded_run, training_sets
):
    training_sets = write_opposites(training_sets, tmp_path / "opposites")
    values = {"validate_every_steps": 2, "patience": 2, "epochs": 10, "learning_rate": 0.01, "method": "full"}
    judge = train(tmp_path / "judge", data=training_sets, **values, keep_checkpoints=2)
    looks = [(step, point["validation_loss"]) for step, point in recorded_run.points if "validation_loss" in point]
    best = min(looks, key=lambda look: look[1])
    assert looks[-1][0] == best[0] + 4 < 40, "two looks after the best"
    model = AutoModelForCausalLM.from_pretrained(judge, dtype=torch.float32)
    model.set_attn_implementation(PACKED_ATTENTION)
    table, left_out = tokenize_examples(
        load_examples(training_sets, "direct", "validation_"), load_tokenizer(judge), 2000
    )
    batch = PackingCollator(1)([TokenRows(table, left_out)[0]])
    labels, _filler = batch.pop("labels"), batch.pop(FILLER)
    total, _ = CompletionLoss(model, None).compute(model, batch, labels)
    assert float(total) / int((labels != IGNORED).sum()) == pytest.approx(best[1], rel=1e-4), (
        "the judge is the best one"
    )
