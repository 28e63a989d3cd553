"""What a stage checks and sends before machines are paid for."""

import concurrent.futures
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.placing import Places
from flows.remote.running import Order
from flows.stages import run_stage
from judgeforge.errors import InputError
from judgeforge.params import load_params

ROOT = Path(__file__).parents[3]


def test_what_cannot_travel_is_refused_before_machines_are_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(
        f"stages:\n  train:\n    cmd: {sys.executable} stage.py\n    deps: [stage.py]\n    outs: [weights]\n"
    )
    (tmp_path / "stage.py").write_text("from judgeforge.stage import refuse_to_compute\nrefuse_to_compute()\n")
    for command in ("git init -q", "git config user.email t@example.invalid", "git config user.name test"):
        subprocess.run(command.split(), check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "remote", "add", "-q", "-d", "far", str(tmp_path / "far")], check=True)
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-qm", "Begin"], check=True)
    (tmp_path / "mine.txt").write_text("not in the commit\n")
    raised: list[int] = []

    @contextlib.contextmanager
    def raise_machines(count: int) -> Iterator[object]:
        raised.append(count)
        yield object()

    params = load_params(ROOT / "params.yaml")
    runner = params.runner.model_copy(update={"provider": "standing", "stages": ("train",)})
    order = Order(params, {"train": set()}, None)
    with Places(runner, order.graph, 1, raise_machines) as places:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(run_stage.fn, "train", None, order, places)
            while not asked.done():
                places.serve()
                time.sleep(0.05)
        with pytest.raises(InputError, match="Files differ from the commit"):
            asked.result()
    assert raised == []
