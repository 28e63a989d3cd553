"""Deletes the weights of a version that nobody wants any more; its evidence, decisions and lists of files stay."""

import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from judgeforge.promote.fetching import remove_copy
from judgeforge.promote.listing import LISTING_FILE
from judgeforge.promote.materialising import remove_materialised
from judgeforge.promote.references import REFERENCE_FILE, Reference, load_reference
from judgeforge.promote.registry import JudgeVersion
from judgeforge.promote.stores import fetch_file, open_artifacts, walk_files
from judgeforge.tracking import using_store

_WEIGHTS_FOLDER = "artifacts"
"""Of a model of MLflow's: there lies what the model's script is given."""


class Deletion(BaseModel):
    """What became of a version's weights.

    Args:
        files: how many were deleted in the store.
        bytes: of these.
        note: where else the weights are, and whose they are; empty where there is nothing to say.
    """

    model_config = ConfigDict(frozen=True)

    files: int
    bytes: int
    note: str = ""


def delete_weights(client: Any, version: JudgeVersion) -> Deletion:
    """Delete what the store holds of a version's weights, and the copy on this machine.

    A version by reference holds none: what its remote holds is not touched, since other versions, branches and people
    may use the same files. A version whose weights were deleted says so when it is loaded. A second call deletes
    nothing.

    Args:
        client: MLflow's.
        version: whose weights.

    Raises:
        EnvironmentFault: the store is not there, or does not let delete.
    """
    with using_store():
        repository = open_artifacts(client.get_model_version_download_uri(version.name, version.number))
        held = dict(walk_files(repository, _WEIGHTS_FOLDER))
        referring = [name for name in held if Path(name).name == REFERENCE_FILE]
        doomed = [name for name in held if Path(name).name not in (REFERENCE_FILE, LISTING_FILE)]
        references = [_read(repository, name, held[name]) for name in referring]
        for name in doomed if not referring else ():
            repository.delete_artifacts(name)
    remove_copy(version)
    if not referring:
        return Deletion(files=len(doomed), bytes=sum(held[name] for name in doomed))
    for reference in references:
        remove_materialised(reference)
    told = " and ".join(f"{each.output} ({each.md5}) in the remote {each.remote.name!r}" for each in references)
    return Deletion(files=0, bytes=0, note=f"The weights are DVC's: {told}. Only 'dvc gc --cloud' deletes them there.")


def _read(repository: Any, name: str, size: int) -> Reference:
    with tempfile.TemporaryDirectory() as folder:
        fetch_file(repository, name, size, Path(folder))
        return load_reference(Path(folder) / name)
