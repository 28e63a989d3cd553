"""The examples as a user runs them: real processes, beside a real ``judgeforge serve`` with a random judge."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from judgeforge.grading.templates import JudgeTemplate
from tests.integration.serving.conftest import TOKENS, Service, prepare

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
PYTHONS = (Path(sys.executable), ROOT / ".venv-examples" / "bin" / "python")
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
PATIENCE_S = 900


def has_package(python: Path, name: str) -> bool:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
    return python.exists() and subprocess.run([python, "-c", code, name], check=False).returncode == 0


@pytest.fixture(scope="session")
def python_with() -> Callable[..., Path]:
    """Return the interpreter that has all these packages, or skip."""

    def find(*names: str) -> Path:
        for python in PYTHONS:
            if all(has_package(python, name) for name in names):
                return python
        pytest.skip(f"not installed: {', '.join(names)}; 'make test-examples' installs them")

    return find


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in an empty folder (or in ``folder``); variables by keyword."""

    def start(python: Path | str, *arguments: Any, folder: Path = tmp_path, **variables: str) -> Any:
        environment = os.environ | QUIET | {"PYTHONPATH": str(ROOT / "src"), "JUDGEFORGE_TOKEN": TOKENS[0]} | variables
        command = [str(python), *map(str, arguments)]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )

    return start


def read_values(output: str, name: str) -> list[str]:
    """Return what stands behind ``name: `` in each line that begins so, up to the bracket."""
    return re.findall(rf"^{name}: (\S+)", output, flags=re.MULTILINE)


def expect_one_line(done: "subprocess.CompletedProcess[str]", code: int, *words: str) -> None:
    """The last line of stderr is the error, and nothing shows a traceback."""
    assert done.returncode == code, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and all(word in last for word in words), done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, miniature: Path, template: JudgeTemplate) -> Path:
    """Return a folder with params.yaml and a judge that always gives a verdict, ``judge``."""
    return prepare(tmp_path_factory.mktemp("served"), miniature, template)


@pytest.fixture(scope="session")
def served(place: Path) -> Iterator[Service]:
    """Serve that judge."""
    service = Service(place, "--model", "judge")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def mute(tmp_path_factory: pytest.TempPathFactory, miniature: Path, template: JudgeTemplate) -> Iterator[Service]:
    """Serve a judge that gives none: its weights are random, and nothing constrains it."""
    folder = prepare(tmp_path_factory.mktemp("mute"), miniature, template, constrained=False)
    service = Service(folder, "--model", "judge")
    yield service
    service.stop()
