"""What the tests of large weights share: judges to register, a DVC repository around them, and a loader elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from judgeforge.base.miniature import build_miniature
from judgeforge.files import write_json
from judgeforge.grading.templates import load_template, write_template
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.registry import JudgeVersion, Registry

NAME = "weighty-judge"


def make_evidence(root: Path, seed: int = 1, base: Path | None = None) -> Evidence:
    """Write a miniature judge of its own weights for each seed below ``root``, and what else a version holds."""
    model = root / f"models/{seed}"
    if not model.is_dir():
        model.mkdir(parents=True)
        build_miniature(model, "float32", seed)
        write_template(load_template("judgeforge-1"), model)
    shutil.copy(Path(__file__).parents[3] / "params.yaml", Path.cwd())  # a model card is written from it
    (root / "verdicts").mkdir(exist_ok=True)
    write_json(root / "metrics.json", {})
    write_json(root / "verdicts/metrics.json", {"benchmarks": {}, "mode": "clean", "verdicts": ""})
    (root / "report.html").write_text("<html>")
    return Evidence(
        judge="merged",
        model=model.relative_to(Path.cwd()),
        base=base,
        metrics=root / "metrics.json",
        page=root / "report.html",
        verdicts=root / "verdicts",
    )


def register(evidence: Evidence, params: Any, **changes: Any) -> JudgeVersion:
    """Register a judge with changed values of the section ``promote``."""
    section = params.promote.model_copy(update={"model_name": NAME} | changes)
    decoding = {"constrained": True, "max_new_tokens": 24, "dtype": "float32", "cpu_threads": 1}
    return Registry(NAME).register(evidence, section, params.evaluate.model_copy(update=decoding))


def run_dvc(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_repository(url: str) -> None:
    """Make the working folder a DVC repository, without git, with a remote."""
    run_dvc("init", "--no-scm", "--quiet")
    run_dvc("config", "core.analytics", "false")
    run_dvc("remote", "add", "--default", "store", url)


_PREDICT = """
import json, sys
import mlflow
from judgeforge.promote.frames import build_example
graded = mlflow.pyfunc.load_model(sys.argv[1]).predict(build_example())
print(json.dumps(json.loads(graded.to_json(orient="records"))))
"""


def predict(address: str, folder: Path, **environment: str) -> list[dict[str, Any]]:
    """Load a judge in a process of its own that works in ``folder``, and return its verdicts of the example."""
    done = predict_or_fail(address, folder, **environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return list(json.loads(done.stdout.strip().splitlines()[-1]))


def predict_or_fail(address: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Like ``predict``, without asking that it goes well."""
    folder.mkdir(exist_ok=True)
    variables = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    return subprocess.run(
        [sys.executable, "-c", _PREDICT, address],
        cwd=folder,
        env=variables | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def grade_folder(model: Path, params: Any) -> list[dict[str, Any]]:
    """Return the verdicts of a judge's folder on the example, by the engine itself."""
    from judgeforge.engines.grading import grade_items
    from judgeforge.engines.protocol import build_generation
    from judgeforge.engines.transformers import TransformersEngine
    from judgeforge.promote.frames import build_example, build_items

    template = load_template(model)
    decoding = {"constrained": True, "max_new_tokens": 24, "dtype": "float32", "cpu_threads": 1}
    section = params.evaluate.model_copy(update=decoding)
    engine = TransformersEngine(
        model,
        template=template,
        base_folder=None,
        generation=build_generation(section),
        batch_size=section.batch_size,
        dtype="float32",
        cpu_threads=1,
    )
    graded = grade_items(engine, build_items(build_example(), any_scale=template.any_scale), template)
    return [
        {"feedback": verdict.feedback, "score": verdict.score, "choice": verdict.choice, "raw_text": completion.text}
        for verdict, completion in graded
    ]
