"""A copy of the project with the recipe ``smoke`` in it, where whole pipelines run without touching the checkout."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def list_project_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def build_environment(folder: Path) -> dict[str, str]:
    """Let the copy's own sources be imported, and its own store be used, whatever the caller's environment says."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PREFECT_", "JUDGEFORGE_"))
    }
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder}",
        "PREFECT_HOME": str(folder / ".prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "150",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DVC_NO_ANALYTICS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name in list_project_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    run = make_run(folder)
    for command in (
        ["git", "init", "-q"],
        ["git", "config", "user.email", "test@example.invalid"],
        ["git", "config", "user.name", "test"],
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "Copy"],
        ["judgeforge", "recipe", "smoke"],
    ):
        assert run(*command).returncode == 0, command
    return folder


def make_run(folder: Path) -> Run:
    """Return a function that runs a command in ``folder`` and captures what it prints."""

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = build_environment(folder) | variables
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def run(project: Path) -> Run:
    return make_run(project)


@pytest.fixture(scope="module")
def environment(project: Path) -> dict[str, str]:
    return build_environment(project)
