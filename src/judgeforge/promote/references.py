"""A judge by reference: which output of DVC's it is, which remote has it, and every file by its MD5."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, ValidationError

from judgeforge.errors import InputError
from judgeforge.files import load_json, read_text
from judgeforge.lineage import describe_lineage, load_lock
from judgeforge.promote.listing import Listing, list_files
from judgeforge.promote.remotes import Remote, find_remote, push, require_objects

REFERENCE_FILE = "reference.json"
"""In the stored folder, in the place of the weights."""


class Reference(Listing):
    """What a version holds in the place of weights.

    Args:
        output: the folder's path in the repository.
        md5: of the output, as in dvc.lock.
        remote: that has it.
        git_commit: of the repository when it was registered; empty where there was no git.
    """

    model_config = ConfigDict(frozen=True)

    output: str
    md5: str
    remote: Remote
    git_commit: str


def refer(folder: Path, remote_name: str | None) -> Reference:
    """Make sure that a remote has a judge, and return the reference to it.

    Args:
        folder: of the judge, an output of a stage or added by ``dvc add``.
        remote_name: DVC's name of the remote; None: the default one.

    Raises:
        InputError: the folder is no output, or not as DVC knows it, or no remote can be found.
        EnvironmentFault: the remote does not take it.
    """
    digest = _find_digest(folder)
    remote = find_remote(remote_name)
    listing = list_files(folder, "md5")
    md5, table_size = _hash_tree(listing)
    if md5 != digest:
        raise InputError(
            f"{folder} is not what DVC recorded of it.", "run 'dvc repro', or 'dvc commit' if the change is meant."
        )
    push(folder, remote)
    require_objects(remote, {md5: table_size, **{file.digest: file.bytes for file in listing.files}}.items())
    commit = describe_lineage().get("git_commit", "")
    return Reference(**listing.model_dump(), output=folder.as_posix(), md5=md5, remote=remote, git_commit=commit)


def load_reference(path: Path) -> Reference:
    """Read a reference.

    Raises:
        InputError: it is none.
    """
    try:
        return Reference.model_validate(load_json(path))
    except ValidationError as error:
        what = error.errors()[0]
        where = ".".join(map(str, what["loc"]))
        raise InputError(f"{path} is no reference: {where}: {what['msg']}.", "register the judge again.") from error


def _find_digest(folder: Path) -> str:
    """Look in dvc.lock, and beside the folder for what 'dvc add' writes."""
    here = Path.cwd().resolve()
    outs: list[dict[str, Any]] = [out for stage in load_lock().values() for out in stage.get("outs", [])]
    places = [(here / out["path"], out) for out in outs]
    added = folder.resolve().with_name(f"{folder.resolve().name}.dvc")
    if added.is_file():
        outs = (yaml.safe_load(read_text(added)) or {}).get("outs", [])
        places += [(added.parent / out["path"], out) for out in outs]
    for place, out in places:
        if place.resolve() != folder.resolve():
            continue
        if out.get("hash") == "md5" and str(out.get("md5", "")).endswith(".dir"):
            return str(out["md5"])
        raise InputError(
            f"DVC keeps {folder} in a way that cannot be referred to: no folder by MD5 in the layout of DVC 3.",
            "run 'dvc cache migrate' and 'dvc commit', or set promote.weights to upload.",
        )
    raise InputError(
        f"{folder} is no output of DVC's, so that nothing can refer to it.",
        f"run 'dvc add {folder}' first, or set promote.weights to upload.",
    )


def _hash_tree(listing: Listing) -> tuple[str, int]:
    """Compute by DVC's own code what it calls a folder of these files, and the size of its list of them."""
    from dvc_data.hashfile.hash_info import HashInfo  # noqa: PLC0415 - DVC takes a second
    from dvc_data.hashfile.tree import Tree  # noqa: PLC0415

    tree = Tree()  # type: ignore[no-untyped-call]
    for file in listing.files:
        tree.add(tuple(file.name.split("/")), None, HashInfo("md5", file.digest))
    tree.digest()
    return str(tree.hash_info.value), len(tree.as_bytes())
