"""A retraining over machines as a whole, once in peace and once for each fault: it ends right or fails loudly.

Prefect, MLflow, Terraform, DVC and the workers are real; moto plays AWS, and each machine that it says is running is
played by a process that executes the machine's own worker script. The table in docs/faults.md is written by these
tests, where JUDGEFORGE_FAULT_TABLE names it (``make fault-table``).
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from installed import running_installation
from played import wait_for
from rented import Moto
from retrained import MODEL, Installation

from judgeforge.files import write_text

pytestmark = pytest.mark.slow
STEPS = 30
SEALED = 2
"""Steps that may be done twice where the machines had time to seal their checkpoints: the last one of each training."""
ROWS: list[tuple[str, str, str, str]] = []
"""(fault, what the retraining did, steps computed twice, what was left)"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, moto_server: Moto) -> Iterator[Installation]:
    with running_installation(tmp_path_factory.mktemp("whole"), moto_server) as made:
        yield made
    if name := os.environ.get("JUDGEFORGE_FAULT_TABLE"):
        write_table(Path(name))


def write_table(path: Path) -> None:
    text = path.read_text()
    head, old, rest = re.split(r"<!-- (?:end of )?faults -->\n?", text, maxsplit=2)
    kept = {line.split(" | ")[0]: line for line in old.splitlines()[2:]}  # of faults that were not run this time
    rows = {f"| {row[0]}": f"| {' | '.join(row)} |" for row in ROWS}
    lines = ["| fault | what the retraining did | computed twice | left running |", "| --- | --- | --- | --- |"]
    lines += (kept | rows).values()
    write_text(path, f"{head}<!-- faults -->\n" + "\n".join(lines) + f"\n<!-- end of faults -->\n{rest}")


def begin(installation: Installation, quality: int, step_s: float = 1.0) -> str:
    """Change the data and start a retraining; returns its flow run."""
    installation.set_pace(STEPS, step_s)
    installation.change_data(quality)
    return installation.retrain()


def count_twice(installation: Installation) -> int:
    counts = [installation.count(f"train-{name}") for name in ("direct", "pairwise")]
    for steps in counts:
        assert set(steps) == {str(step) for step in range(1, STEPS + 1)}, installation.describe()
    return sum(sum(steps.values()) - len(steps) for steps in counts)


def record(installation: Installation, fault: str, outcome: str) -> int:
    twice = count_twice(installation)
    wait_for(lambda: installation.list_left() == [], 120, lambda: str(installation.list_left()))
    ROWS.append((fault, outcome, f"{twice} of {2 * STEPS} steps", "nothing"))
    return twice


def is_at(installation: Installation, step: int) -> Callable[[], bool]:
    return lambda: all(str(step) in installation.count(f"train-{name}") for name in ("direct", "pairwise"))


def find_machine(installation: Installation, stage: str) -> str:
    """Return the machine on which a stage is at work."""
    rows = [line.split() for line in installation.log.read_text().splitlines()]
    return next(row[2] for row in reversed(rows) if row[0] == stage)


def test_in_peace_the_data_change_machines_come_train_at_once_and_go(installation: Installation) -> None:
    for quality, version in ((3, 1), (12, 2)):
        run = begin(installation, quality) if version > 1 else begin_first(installation)
        assert installation.wait_until_ended(run) == "COMPLETED", installation.describe()
        assert installation.read_champion() == version
        assert f"{MODEL} version {version} is champion" in installation.told[-1]["subject"]
        assert f"{installation.mlflow.address}/#/models/{MODEL}/versions/{version}" in installation.told[-1]["body"]
        assert f"/runs/flow-run/{run}" in installation.told[-1]["body"]
        assert installation.machines.most == 2
        assert set(installation.count_runs().values()) == {1}
        machines = {find_machine(installation, f"train-{name}") for name in ("direct", "pairwise")}
        assert len(machines) == 2
        assert "flow" not in machines
        assert find_machine(installation, "evaluate-merged") != "flow"
        assert find_machine(installation, "merge") == "flow"
        assert count_twice(installation) == 0
        wait_for(lambda: installation.list_left() == [], 60, lambda: str(installation.list_left()))
    ROWS.append(("none", "the new judge was promoted", f"0 of {2 * STEPS} steps", "nothing"))
    installation.log.write_text("")
    run = installation.retrain()
    assert installation.wait_until_ended(run) == "COMPLETED"
    assert installation.count_runs() == Counter()


def begin_first(installation: Installation) -> str:
    installation.set_pace(STEPS, 1.0)
    return installation.retrain()


def test_a_worker_killed_in_mid_training(installation: Installation) -> None:
    run = begin(installation, 13)
    wait_for(is_at(installation, 20), what=installation.describe)
    installation.machines.kill_worker(find_machine(installation, "train-direct"))
    assert installation.wait_until_ended(run) == "COMPLETED", installation.describe()
    what = "worker and its stage killed (`kill -9`) in mid-training"
    record(installation, what, "went on from the last checkpoint in the remote, on the other machine")
    assert installation.count("train-direct")["1"] == 1, "it began anew"


def test_the_flow_killed(installation: Installation) -> None:
    run = begin(installation, 14)
    wait_for(is_at(installation, 6), what=installation.describe)
    installation.kill_flow(run)
    assert installation.wait_until_ended(run) == "CRASHED"
    wait_for(lambda: any("crashed" in each["subject"] for each in installation.told), 60)
    wait_for(lambda: installation.list_left() == [], 180, lambda: str(installation.list_left()))
    again = installation.retrain()
    assert installation.wait_until_ended(again) == "COMPLETED", installation.describe()
    outcome = "Crashed; its guard ended the machines; the next one went on from the checkpoints"
    assert record(installation, "flow's process killed (`kill -9`)", outcome) <= SEALED


def test_the_cloud_away_for_twenty_seconds_in_apply(installation: Installation) -> None:
    installation.front.holding.clear()
    installation.front.released.clear()
    installation.front.held = "Action=CreateAutoScalingGroup"
    run = begin(installation, 15)
    assert installation.front.holding.wait(120), installation.describe()
    installation.front.held = None
    installation.front.down()
    installation.front.released.set()
    time.sleep(20)
    installation.front.up()
    assert installation.wait_until_ended(run) == "COMPLETED", installation.describe()
    record(installation, "cloud away for 20 s in `terraform apply`", "waited, applied again, went on")


def test_no_capacity(installation: Installation) -> None:
    refused: list[str] = []

    def refuse_spot(body: str) -> str | None:
        if "Action=CreateAutoScalingGroup" not in body or "OnDemandPercentageAboveBaseCapacity=0" not in body:
            return None
        refused.append(body)
        return "InsufficientInstanceCapacity"

    installation.front.fault = refuse_spot
    try:
        run = begin(installation, 16)
        assert installation.wait_until_ended(run) == "COMPLETED", installation.describe()
    finally:
        installation.front.fault = lambda body: None
    assert refused
    record(installation, "no capacity for spot machines, of whatever type", "took machines on demand")


def test_cancelled_from_the_api(installation: Installation) -> None:
    run = begin(installation, 17)
    wait_for(is_at(installation, 6), what=installation.describe)
    installation.cancel(run)
    assert installation.wait_until_ended(run) == "CANCELLED", installation.describe()
    wait_for(lambda: installation.list_left() == [], 180, lambda: str(installation.list_left()))
    again = installation.retrain()
    assert installation.wait_until_ended(again) == "COMPLETED", installation.describe()
    outcome = "Cancelled, machines gone; the next one went on from the checkpoints"
    assert record(installation, "cancelled from Prefect's API", outcome) <= SEALED


def test_the_prefect_server_restarted(installation: Installation) -> None:
    run = begin(installation, 18, step_s=6.0)  # beyond 225 s, when Prefect renews what it had lent before the restart
    wait_for(is_at(installation, 4), what=installation.describe)
    installation.prefect.stop()
    time.sleep(5)
    installation.prefect.start()
    assert installation.wait_until_ended(run) == "COMPLETED", installation.describe()
    assert record(installation, "Prefect server killed and started again", "went on") == 0


def list_costs(installation: Installation) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(installation.mlflow.address)
    experiment = client.get_experiment_by_name("judgeforge")
    runs = client.search_runs([experiment.experiment_id], "attributes.run_name = 'retrain'")
    return runs[0].data.metrics


def test_what_machines_cost_stands_in_the_run(installation: Installation) -> None:
    found = list_costs(installation)
    assert 0 < found["machines/spent_usd"] < found["machines/likely_usd"] < found["machines/estimate_usd"]
