"""Real MLflow stores for tests: a ready SQLite file to copy (making one takes seconds), and a server on loopback."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from judgeforge.files import load_json, write_json
from judgeforge.grading.templates import write_template
from judgeforge.params import EvaluateParams, Params, PromoteParams
from judgeforge.promote.consent import Request
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.run import promote
from tests.evaluations import build_rows, write_rows
from tests.integration.tracked.judges import HALF, NAME
from tests.integration.tracked.servers import Server
from tests.prefect_server import running_prefect

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))  # flows belong to the checkout and are not installed
TINY = Path(__file__).with_name("tiny")


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file with MLflow's tables and nothing in them."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    code = "from mlflow import MlflowClient; import sys; MlflowClient(sys.argv[1]).search_experiments()"
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run([sys.executable, "-c", code, f"sqlite:///{path}"], check=True, env=environment, cwd=path.parent)
    return path


@pytest.fixture
def store(fresh_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Work in an empty folder with a store of its own; returns a client that looks at it from outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JUDGEFORGE_PARENT_RUN_ID", raising=False)
    shutil.copy(fresh_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def server(fresh_store: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(fresh_store, folder / "mlflow.db")
    running = Server(folder)
    running.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", running.address)
    yield running
    running.stop()


@pytest.fixture
def make_evidence(tmp_path: Path, template: Any, engine: EvaluateParams) -> Callable[..., Evidence]:
    """Build a judge of its own weights for each seed, with the mistakes given (see ``tests.evaluations``)."""
    from judgeforge.base.miniature import build_miniature

    def make(seed: int, *wrong: Any, **facts: Any) -> Evidence:
        if not Path("params.yaml").exists():
            shutil.copy(ROOT / "params.yaml", ".")
        root = tmp_path / "work" / str(seed)
        model = root / "merged"
        if not model.is_dir():
            model.mkdir(parents=True)
            build_miniature(model, "float32", seed)
            write_template(template, model)
        write_rows(root / "evaluation/merged", build_rows("merged", *wrong), engine, **facts)
        write_rows(root / "evaluation/base", build_rows("base", range(120), HALF), engine)
        judges = {
            name: load_json(root / f"evaluation/{name}/metrics.json")["benchmarks"] for name in ("merged", "base")
        }
        write_json(root / "metrics.json", judges | {"differences": {}})
        (root / "report.html").write_text("<html>")
        return Evidence(
            judge="merged",
            model=model,
            base=None,
            metrics=root / "metrics.json",
            page=root / "report.html",
            verdicts=root / "evaluation/merged",
            rivals={"base": root / "evaluation/base"},
        )

    return make


@pytest.fixture
def engine(params: Params) -> EvaluateParams:
    options = {"max_new_tokens": 8, "dtype": "float32", "cpu_threads": 1, "bootstrap_resamples": 300}
    return params.evaluate.model_copy(update=options)


@pytest.fixture
def section(params: Params) -> PromoteParams:
    return params.promote.model_copy(update={"model_name": NAME, "primary": ("d/pearson", "p/accuracy")})


@pytest.fixture
def run_promotion(section: PromoteParams, engine: EvaluateParams, tmp_path: Path) -> Callable[..., Any]:

    def run(evidence: Evidence, **asked: Any) -> Any:
        return promote(evidence, section, engine, Request(decision_file=tmp_path / "decision.json", **asked))

    return run


@pytest.fixture
def project(store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a tiny DVC project whose stages take no time."""
    shutil.copy(TINY / "tiny_stage.py", tmp_path)
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(
        text.replace("[embedded_direct/pearson, embedded_pairwise/accuracy]", "[d/pearson]")
    )
    shutil.copy(TINY / "pipeline.yaml", tmp_path / "dvc.yaml")  # under its own name DVC would find it in the checkout
    for name, value in {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),  # this checkout's, wherever it is installed from
        "DVC_NO_ANALYTICS": "1",
        "PREFECT_HOME": str(tmp_path / "home"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / "home").mkdir()
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    return tmp_path


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run a real Prefect server, and give the environment that points to it."""
    with running_prefect(tmp_path_factory.mktemp("prefect")) as server:
        yield server.environment()
