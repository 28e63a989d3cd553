"""How much disk a large judge takes while it is registered and fetched, by the benchmark on a gigabyte."""

import subprocess
import sys
from pathlib import Path

import pytest

from judgeforge.files import load_json

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_an_upload_takes_one_copy_and_a_reference_none(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    options = ["--gigabytes", "1", "--to", str(result)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/large_weights.py"), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    sides = load_json(result)["sides"]
    assert 1.0 <= sides["upload"]["peak_copies"] <= 1.1
    assert sides["upload, fetched"]["peak_copies"] <= 1.1
    assert sides["reference"]["peak_copies"] <= 1.1, "in the remote"
    assert sides["reference"]["store_copies"] <= 0.01
    assert sides["reference, from DVC's cache"]["peak_copies"] <= 0.01
    assert sides["reference, from the remote"]["peak_copies"] <= 1.1
    assert sides["log_model(artifacts=...)"]["peak_copies"] >= 1.9, "else all this is needless"
