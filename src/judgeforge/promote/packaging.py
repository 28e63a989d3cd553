"""A judge as MLflow stores it: weights, or a reference to them, a script, pinned requirements. Nothing is pickled."""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from judgeforge.engines.protocol import build_generation
from judgeforge.files import write_json
from judgeforge.grading.templates import load_template
from judgeforge.params import EvaluateParams, PromoteParams
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.listing import LISTING_FILE, Listing, list_files
from judgeforge.promote.references import REFERENCE_FILE, Reference, refer
from judgeforge.promote.remotes import Remote, list_packages
from judgeforge.promote.stores import open_artifacts
from judgeforge.promote.uploading import ARRIVING_TAGS, discarding, send_records, settle_earlier, upload

_MODEL_SCRIPT = Path(__file__).with_name("judge_model.py")
_REQUIREMENTS = ("judgeforge", "torch", "transformers", "tokenizers", "safetensors", "peft", "pydantic", "pandas")
_ENGINE_SETTINGS = {"engine", "batch_size", "dtype", "cpu_threads", "vllm"}


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Keep MLflow's hints and congratulations off the terminal; its errors are exceptions."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def log_model(evidence: Evidence, engine: EvaluateParams, params: PromoteParams) -> str:
    """Store a judge in the active MLflow run and return the stored model's address.

    MLflow would copy every file that it is given before it sends it. So it is given empty folders, and the files are
    sent after it, from where they lie. What says that they are whole comes last.

    Args:
        evidence: names the weights, and the base they adapt if they are an adapter.
        engine: how the model is to decode: as it did when it was evaluated.
        params: whether the weights themselves are stored, or a reference to them.

    Raises:
        InputError: there can be no reference to the weights.
        EnvironmentFault: the store, or DVC's remote, gave way. What was stored until then is deleted.
    """
    import mlflow  # noqa: PLC0415

    client = mlflow.MlflowClient()
    folders = {"judge": evidence.model} | ({"base": evidence.base} if evidence.base else {})
    by_reference = params.weights == "reference"
    held: dict[str, Listing] = {
        name: refer(folder, params.remote) if by_reference else list_files(folder, "blake3")
        for name, folder in folders.items()
    }
    run = mlflow.active_run()
    if run is not None:
        settle_earlier(client, run.info.experiment_id)
    with tempfile.TemporaryDirectory() as scratch:
        stored = _log_frame(evidence, engine, Path(scratch), held)
        places = {name: str(each["path"]) for name, each in stored.flavors["python_function"]["artifacts"].items()}
        with discarding(client, stored.model_id):
            repository = open_artifacts(client.get_logged_model(stored.model_id).artifact_location)
            records = {}
            for name, listing in held.items():
                if not by_reference:
                    upload(repository, folders[name], places[name], listing)
                record = Path(scratch) / f"{name}.record" / (REFERENCE_FILE if by_reference else LISTING_FILE)
                write_json(record, listing.model_dump(mode="json"))
                records[places[name]] = record
            send_records(repository, records)
    return str(stored.model_uri)


def _log_frame(evidence: Evidence, engine: EvaluateParams, scratch: Path, held: Mapping[str, Listing]) -> Any:
    """Log all but the weights. MLflow tries the example on a judge that is not there yet: in vain, and silently."""
    import mlflow  # noqa: PLC0415

    from judgeforge.promote.frames import build_example  # noqa: PLC0415 - pandas takes half a second

    for name in held:
        (scratch / name).mkdir()
    remotes = [listing.remote for listing in held.values() if isinstance(listing, Reference)]
    with without_chatter():
        return mlflow.pyfunc.log_model(
            name="judge",
            python_model=str(_MODEL_SCRIPT),
            artifacts={name: str(scratch / name) for name in held},
            signature=_build_signature(load_template(evidence.model).any_scale),
            input_example=build_example(),
            pip_requirements=_pin_requirements(engine.engine, remotes),
            model_config={
                "generation": build_generation(engine).model_dump(),
                **engine.model_dump(include=_ENGINE_SETTINGS),
            },
            tags=ARRIVING_TAGS,
        )


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


def _pin_requirements(engine: str, remotes: Iterable[Remote]) -> list[str]:
    """Pin what the judge runs on to what it was made with, without build labels: they name one machine's wheels."""
    names = [*_REQUIREMENTS, *(["vllm"] if engine == "vllm" else [])]
    names += [package for remote in remotes for package in list_packages(remote)]
    pins = []
    for name in dict.fromkeys(names):
        with contextlib.suppress(PackageNotFoundError):
            pins.append(f"{name}=={version(name).partition('+')[0]}")
    return pins
