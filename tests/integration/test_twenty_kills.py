"""Twenty kills at random moments of one run: nothing is lost, and nothing is learnt twice."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

KILLS = 20


class Silent:
    def set_tags(self, tags):
        pass

    def log_metrics(self, values, step=None):
        pass


def train_in_a_process(params: Any, data: Path, base: Path, folder: Path) -> None:
    from judgeforge.train.job import Job
    from judgeforge.train.run import train_judge

    job = Job("direct", data, base, folder / "checkpoints", folder / "judge", folder / "curve.jsonl")
    train_judge(params, job, Silent())


def find_saved(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("checkpoints/*/checkpoint-*/COMPLETE")}


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_with_the_weights_of_an_unbroken_one(
    training_sets, miniature, small_train_params, tmp_path
):
    params = small_train_params.model_copy(update={"epochs": 200, "checkpoint_every_steps": 10, "log_every_steps": 10})
    # Its processes are copies of one that has imported everything, so that each reaches its training in a second.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["judgeforge.train.run"])

    def start(folder):
        folder.mkdir(exist_ok=True)
        process = context.Process(target=train_in_a_process, args=(params, training_sets, miniature, folder))
        process.start()
        return process

    for_all = start(tmp_path / "whole")
    for_all.join()
    moments = random.Random(20)
    reached = []
    for _ in range(KILLS):
        saved = find_saved(tmp_path / "broken")
        process = start(tmp_path / "broken")
        while find_saved(tmp_path / "broken") <= saved and process.is_alive():
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.3))
        assert process.is_alive(), "each kill meets a running process: give the run more epochs"
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        reached.append(max(int(name.rpartition("-")[2]) for name in find_saved(tmp_path / "broken")))
    last = start(tmp_path / "broken")
    last.join()
    assert (for_all.exitcode, last.exitcode) == (0, 0)
    assert reached == sorted(reached) and len(set(reached)) == KILLS, "each run went on from where the last one was"
    whole, broken = (load_file(tmp_path / name / "judge" / "adapter_model.safetensors") for name in ("whole", "broken"))
    assert broken.keys() == whole.keys() and all(torch.equal(broken[name], whole[name]) for name in whole)
    curves = [(tmp_path / name / "curve.jsonl").read_text() for name in ("whole", "broken")]
    assert curves[0] == curves[1]
