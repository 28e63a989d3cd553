"""Two processes of one training: they learn what one alone would, and end as one."""

import re
import signal
import socket
import sqlite3
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from judgeforge.files import load_json_rows
from judgeforge.train.dataset import load_examples
from judgeforge.train.model import load_tokenizer
from judgeforge.train.tokens import TokenRows, tokenize_examples

TOLERANCE = {"rtol": 0.0, "atol": 1e-5}
"""Weights move by 0.02 to 0.04 here. Sums in another order were seen to change them by 6e-7 (none) and 2e-6 (zero3)."""
LONG = {"batch_size": 1, "epochs": 15, "checkpoint_every_steps": 4}


def load_weights(judge: Path) -> dict[str, torch.Tensor]:
    (path,) = judge.glob("*.safetensors")
    return load_file(path)


def require_close(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> None:
    assert weights.keys() == others.keys() and weights
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], **TOLERANCE, msg=lambda text, name=name: f"{name}: {text}")


def require_equal(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> None:
    assert weights.keys() == others.keys() and weights
    assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())


def wait_for_checkpoint(stage, process) -> None:
    while not stage.sealed and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, stage.log


def find_workers(process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def take_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("engine", "method", "accumulation"),
    [
        pytest.param("none", "lora", 2, marks=pytest.mark.slow),
        ("none", "full", 1),
        pytest.param("zero2", "lora", 1, marks=pytest.mark.slow),
        pytest.param("zero2", "full", 2, marks=pytest.mark.slow),
        ("zero3", "lora", 2),
        pytest.param("zero3", "full", 1, marks=pytest.mark.slow),
    ],
)
def test_two_processes_learn_what_one_does(
    engine, method, accumulation, stage, train, tmp_path, training_sets, miniature
):
    """Of seven rows, the last cannot be dealt out: with two batches an update it joins the one before it."""
    rows = TokenRows(*tokenize_examples(load_examples(training_sets, "direct"), load_tokenizer(miniature), 2000))
    shared = {"method": method, "gradient_accumulation": accumulation, "max_length_tokens": rows.longest - 1}
    shared |= {"learning_rate": 0.01, "weight_decay": 0.1}
    alone = train(tmp_path / "judge", batch_size=2, **shared)
    both = stage("both")
    assert both.run(batch_size=1, distribution={"engine": engine}, **shared) == 0, both.log
    require_close(both.weights, load_weights(alone))
    curve, other = load_json_rows(tmp_path / "judge.jsonl"), load_json_rows(both.folder / "curve.jsonl")
    for point, same in zip(curve, other, strict=True):
        for name in {*point, *same} - {"epoch"}:  # a batch that joined another one counts as none
            assert same[name] == pytest.approx(point[name], rel=1e-5, abs=1e-5), name
    assert [each.name for each in both.folder.glob("checkpoints/*")] == ["tokens"], "gone once the judge is written"
    with sqlite3.connect(both.folder / "mlflow.db") as store:
        assert store.execute("select count(*), max(status) from runs").fetchone() == (1, "FINISHED")
    assert both.log.count("direct: 7 rows") == 1, "one of them speaks"


@pytest.mark.slow
def test_one_process_may_offload_and_its_judge_is_whole(stage, miniature):
    one = stage("one")
    changes = {"method": "full", "dtype": "bfloat16", "gradient_checkpointing": True, "epochs": 1}
    distribution = {"processes": 1, "engine": "zero3", "offload": True}
    assert one.run(**changes, distribution=distribution) == 0, one.log
    base = load_file(miniature / "model.safetensors")
    assert {name: tensor.shape for name, tensor in one.weights.items()} == {n: t.shape for n, t in base.items()}
    assert all(tensor.dtype == torch.bfloat16 and tensor.isfinite().all() for tensor in one.weights.values())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["none", "zero3"])
def test_a_signal_saves_one_checkpoint_from_which_as_many_processes_go_on(engine, stage):
    distribution = {"engine": engine}
    whole, broken = stage("whole"), stage("broken")
    assert whole.run(**LONG, distribution=distribution) == 0, whole.log
    process = broken.start(**LONG, distribution=distribution)
    wait_for_checkpoint(broken, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 75, broken.log
    (update,) = re.findall(r"error: Training was ended by SIGTERM after update (\d+)", broken.log)
    assert "Traceback" not in broken.log
    (saved,) = broken.folder.glob(f"checkpoints/*/checkpoint-{update}")
    assert (saved / "COMPLETE").is_file() and int(update) < 60
    before = sorted(path.stat().st_mtime_ns for path in broken.sealed)
    assert broken.run(**LONG, distribution=distribution | {"processes": 1}) == 2
    assert re.search(r"is of 2 process\(es\).*now says 1 process\(es\)", broken.log)
    assert before == sorted(path.stat().st_mtime_ns for path in broken.sealed), "refused, not deleted"
    assert broken.run(**LONG, distribution=distribution) == 0, broken.log
    assert f"Resuming direct from {saved.name}" in broken.log
    require_equal(broken.weights, whole.weights)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["none", "zero3"])
def test_a_killed_process_ends_the_others_and_the_next_run_goes_on(engine, stage):
    whole, broken = stage("whole"), stage("broken")
    assert whole.run(**LONG, distribution={"engine": engine}) == 0, whole.log
    process = broken.start(**LONG, distribution={"engine": engine})
    wait_for_checkpoint(broken, process)
    workers = find_workers(process)
    victim = next(each for each in workers if each.environ().get("RANK") == "1")
    victim.kill()
    assert process.wait(120) == 75, broken.log
    assert "error: Training process 1 of 2 on this machine was killed." in broken.log
    assert not psutil.wait_procs(workers, timeout=5)[1]
    assert broken.run(**LONG, distribution={"engine": engine}) == 0, broken.log
    assert "Resuming direct from checkpoint-" in broken.log
    require_equal(broken.weights, whole.weights)


@pytest.mark.slow
def test_processes_do_not_outlive_a_killed_launcher(stage):
    broken = stage("broken")
    process = broken.start(**LONG)
    wait_for_checkpoint(broken, process)
    workers = find_workers(process)
    process.kill()
    assert len(workers) >= 2 and not psutil.wait_procs(workers, timeout=10)[1]


@pytest.mark.slow
def test_signals_end_processes_that_hang(stage):
    broken = stage("broken")
    process = broken.start(**LONG)
    wait_for_checkpoint(broken, process)
    workers = find_workers(process)
    next(each for each in workers if each.environ().get("RANK") == "1").suspend()
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
    assert process.wait(30) == 143, broken.log
    assert not psutil.wait_procs(workers, timeout=10)[1]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["none", "zero2", "zero3"])
def test_all_processes_stop_at_a_bad_update_and_its_whole_batch_is_kept(engine, stage):
    both = stage("both")
    shared = {"batch_size": 1, "method": "full", "learning_rate": 1e30, "distribution": {"engine": engine}}
    assert both.run(**shared, bad_update="stop") == 2, both.log
    assert both.log.count("is bad: its gradient is not finite") == 1 and "Traceback" not in both.log
    (kept,) = both.folder.rglob("bad-update-*.jsonl")
    assert len(load_json_rows(kept)) == 2, "a row of each process"
    assert not (both.folder / "judge").exists()
    assert both.run(**shared, bad_update="skip", epochs=6) == 2
    assert re.search(r"Update \d+ is skipped", both.log)


@pytest.mark.slow
def test_two_machines_learn_what_one_does_and_a_signal_to_one_ends_both(stage, train, tmp_path):
    alone = load_weights(train(tmp_path / "judge", **LONG | {"batch_size": 2}))
    shared = stage("shared")
    machines = LONG | {"distribution": {"processes": 1, "nodes": 2, "port": take_free_port()}}
    hosts = {"JUDGEFORGE_HOSTS": "127.0.0.1,127.0.0.1"}

    def start() -> list:
        return [shared.start(environment=hosts | {"JUDGEFORGE_NODE_RANK": str(n)}, **machines) for n in range(2)]

    both = start()
    wait_for_checkpoint(shared, both[0])
    both[1].send_signal(signal.SIGTERM)
    assert [each.wait(120) for each in both] == [75, 75], shared.log
    assert len(set(re.findall(r"Training was ended by SIGTERM after update (\d+)", shared.log))) == 1
    assert [each.wait(300) for each in start()] == [0, 0], shared.log
    assert "Resuming direct from checkpoint-" in shared.log
    require_close(shared.weights, alone)


@pytest.mark.slow
def test_who_is_no_machine_of_the_list_says_so(stage):
    assert stage("one").run(distribution={"nodes": 2}) == 2
    far = stage("far")
    environment = {"JUDGEFORGE_HOSTS": "203.0.113.7,203.0.113.8"}
    assert far.start(environment=environment, distribution={"nodes": 2}).wait(120) == 2
    assert "none is this machine's" in far.log


@pytest.mark.slow
def test_torchrun_by_hand_works_too_but_not_with_another_number(stage):
    hand = stage("hand")
    environment = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    environment["MASTER_PORT"] = str(take_free_port())
    assert hand.start(environment=environment).wait(120) == 2
    assert "1 training processes were started, but train.distribution says 1 x 2" in hand.log
    alone = {"processes": 1, "engine": "zero3"}
    assert hand.start(environment=environment, distribution=alone).wait(300) == 0, hand.log
    assert hand.weights
