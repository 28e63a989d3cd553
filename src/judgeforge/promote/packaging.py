"""A judge as MLflow stores it: weights as they are, a script to run them, pinned requirements. Nothing is pickled."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from judgeforge.engines.protocol import build_generation
from judgeforge.grading.templates import load_template
from judgeforge.params import EvaluateParams
from judgeforge.promote.evidence import Evidence

_MODEL_SCRIPT = Path(__file__).with_name("judge_model.py")
_REQUIREMENTS = ("judgeforge", "torch", "transformers", "tokenizers", "safetensors", "peft", "pydantic", "pandas")
_ENGINE_SETTINGS = {"engine", "batch_size", "dtype", "cpu_threads", "vllm"}


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Keep MLflow's hints and congratulations off the terminal; its errors are exceptions."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def log_model(evidence: Evidence, engine: EvaluateParams) -> str:
    """Store a judge in the active MLflow run and return the stored model's address.

    Args:
        evidence: names the weights, and the base they adapt if they are an adapter.
        engine: how the model is to decode: as it did when it was evaluated.
    """
    import mlflow  # noqa: PLC0415

    from judgeforge.promote.frames import build_example  # noqa: PLC0415 - pandas takes half a second

    artifacts = {"judge": str(evidence.model.resolve())}
    if evidence.base is not None:
        artifacts["base"] = str(evidence.base.resolve())
    stored = mlflow.pyfunc.log_model(
        name="judge",
        python_model=str(_MODEL_SCRIPT),
        artifacts=artifacts,
        signature=_build_signature(load_template(evidence.model).any_scale),
        input_example=build_example(),
        pip_requirements=_pin_requirements(engine.engine),
        model_config={
            "generation": build_generation(engine).model_dump(),
            **engine.model_dump(include=_ENGINE_SETTINGS),
        },
    )
    return str(stored.model_uri)


def _build_signature(any_scale: bool) -> Any:
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    from judgeforge.promote.frames import LOWEST_COLUMN, list_columns  # noqa: PLC0415

    required, optional = list_columns(any_scale)
    inputs: list[Any] = [ColSpec("string", name) for name in required]
    inputs += [ColSpec("long" if name == LOWEST_COLUMN else "string", name, required=False) for name in optional]
    outputs: list[Any] = [ColSpec("string", "feedback"), ColSpec("long", "score", required=False)]
    outputs += [ColSpec("string", "choice", required=False), ColSpec("string", "raw_text")]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _pin_requirements(engine: str) -> list[str]:
    """Pin what the judge runs on to what it was made with, without build labels: they name one machine's wheels."""
    pins = []
    for name in (*_REQUIREMENTS, *(["vllm"] if engine == "vllm" else [])):
        with contextlib.suppress(PackageNotFoundError):
            pins.append(f"{name}=={version(name).partition('+')[0]}")
    return pins
