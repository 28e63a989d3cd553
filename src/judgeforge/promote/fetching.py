"""A registered judge's weights on this machine: fetched from the store once, and kept."""

from pathlib import Path

import yaml

from judgeforge.errors import InputError
from judgeforge.files import write_folder_atomically
from judgeforge.promote.registry import JudgeVersion, Registry
from judgeforge.tracking import tracking_address, using_store

_CACHE = Path(".judgeforge/judges")


def fetch_judge(model_name: str, alias: str) -> Path:
    """Return the folder of the judge that carries ``alias``, fetched from the store once.

    Raises:
        InputError: no version carries the alias.
        EnvironmentFault: the store is not there.
    """
    registry = Registry(model_name)
    found = registry.find_alias(alias)
    if found is None:
        raise InputError(
            f"No version of {model_name!r} is {alias} yet.", "run 'judgeforge retrain', or name a judge's folder."
        )
    return fetch_version(found)[0]


def fetch_version(found: JudgeVersion) -> tuple[Path, Path | None]:
    """Return the folder of a version's judge, and that of the base if it is an adapter, fetched from the store once.

    Raises:
        EnvironmentFault: the store is not there.
    """
    source = f"models:/{found.name}/{found.number}"
    target = _CACHE / f"{found.name}-{found.number}-{found.run_id[:8]}"
    if not target.is_dir():
        import mlflow  # noqa: PLC0415

        with using_store(), write_folder_atomically(target) as folder:
            mlflow.artifacts.download_artifacts(source, dst_path=str(folder), tracking_uri=tracking_address())
    flavors = yaml.safe_load((target / "MLmodel").read_text("utf-8"))["flavors"]
    places = {name: target / str(each["path"]) for name, each in flavors["python_function"]["artifacts"].items()}
    return places["judge"], places.get("base")
