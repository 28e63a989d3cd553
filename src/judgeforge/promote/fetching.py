"""A registered judge's weights on this machine: used where they lie, else fetched once, checked and kept."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from judgeforge.errors import InputError
from judgeforge.files import load_json, write_folder_atomically
from judgeforge.promote.listing import LISTING_FILE, Listing, check_files
from judgeforge.promote.materialising import JUDGES, open_weights
from judgeforge.promote.registry import JudgeVersion, Registry
from judgeforge.promote.stores import fetch_file, find_local, open_artifacts, walk_files
from judgeforge.promote.watching import watch_bytes
from judgeforge.tracking import using_store


def find_carrier(model_name: str, alias: str) -> JudgeVersion:
    """Return the version that carries ``alias``.

    Raises:
        InputError: there is none.
        EnvironmentFault: the store is not there.
    """
    found = Registry(model_name).find_alias(alias)
    if found is None:
        raise InputError(
            f"No version of {model_name!r} is {alias} yet.", "run 'judgeforge retrain', or name a judge's folder."
        )
    return found


def fetch_version(found: JudgeVersion) -> tuple[Path, Path | None]:
    """Return the folder of a version's judge, and that of the base if it is an adapter; nobody may write to them.

    Where the store is a folder on this machine, they are used in place. Otherwise, they are fetched once.

    Raises:
        InputError: the weights are not those that were registered.
        EnvironmentFault: the store, or the remote of a version that holds a reference, is not there.
    """
    client = Registry(found.name).client
    with using_store():
        repository = open_artifacts(client.get_model_version_download_uri(found.name, found.number))
    copy = place_of_copy(found)
    root = find_local(repository) or copy
    if root == copy and not copy.is_dir():
        with using_store(), write_folder_atomically(copy) as folder:
            _download(repository, folder)
    ready = {}
    for name, place in _find_places(root).items():
        ready[name] = open_weights(place, seen=copy.with_name(f"{copy.name}-{name}.json"))
    return ready["judge"], ready.get("base")


def place_of_copy(found: JudgeVersion) -> Path:
    """Return the folder into which a version is fetched."""
    return JUDGES / f"{found.name}-{found.number}-{found.run_id[:8]}"


def remove_copy(found: JudgeVersion) -> None:
    """Remove what this machine keeps of a version, if anything."""
    copy = place_of_copy(found)
    shutil.rmtree(copy, ignore_errors=True)
    for seen in copy.parent.glob(f"{copy.name}-*.json"):
        seen.unlink(missing_ok=True)


def _download(repository: Any, folder: Path) -> None:
    """Fetch file by file, so that what breaks off costs one of them; and check before it counts."""
    files = dict(walk_files(repository))
    with watch_bytes(f"Fetching {folder.name.strip('.')}", sum(files.values())) as advance:
        for name, size in files.items():
            fetch_file(repository, name, size, folder)
            advance(size)
    for place in _find_places(folder).values():
        if (place / LISTING_FILE).is_file():
            check_files(place, Listing.model_validate(load_json(place / LISTING_FILE)))


def _find_places(root: Path) -> dict[str, Path]:
    if not (root / "MLmodel").is_file():
        raise InputError(f"{root} holds no model of MLflow's.", "its files were deleted: take another version.")
    flavors = yaml.safe_load((root / "MLmodel").read_text("utf-8"))["flavors"]
    return {name: root / str(each["path"]) for name, each in flavors["python_function"]["artifacts"].items()}
