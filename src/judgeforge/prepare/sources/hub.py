"""Data sets on the Hugging Face hub, at a commit: files are fetched, or found in the cache, and read as any other.

``HF_HUB_OFFLINE=1`` keeps to the cache. What a split is made of says the data set itself, through ``datasets``.
"""

from pathlib import Path

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.params.sources import HubSource

_FILES = ["*.json", "*.jsonl", "*.parquet", "README.md", "*.yaml"]
"""Code that a repository may bring is left there."""


def find_hub_files(source: HubSource) -> tuple[Path, list[Path]]:
    """Return the local folder of a data set and the files of the split, in the data set's order.

    Raises:
        InputError: there is no such data set, commit or split.
        EnvironmentFault: the hub cannot be reached, and the cache does not hold it.
    """
    folder = _fetch(source)
    from datasets import load_dataset_builder  # noqa: PLC0415 - takes seconds to load
    from datasets.data_files import EmptyDatasetError  # noqa: PLC0415

    try:
        splits = load_dataset_builder(str(folder)).config.data_files or {}
    except (EmptyDatasetError, FileNotFoundError, ValueError) as error:
        raise InputError(
            f"The data set {source.repository} has no files that can be read: {error}.",
            "name another in prepare.sources, or download its files and use kind: file.",
        ) from error
    if source.split not in splits:
        known = ", ".join(map(str, splits)) or "none"
        raise InputError(
            f"The data set {source.repository} has no split {source.split!r}.", f"choose among its splits: {known}."
        )
    return folder, [Path(str(path)) for path in splits[source.split]]


def _fetch(source: HubSource) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import (  # noqa: PLC0415
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = snapshot_download(
            source.repository, repo_type="dataset", revision=source.revision, allow_patterns=_FILES
        )
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise InputError(
            f"The hub has no data set {source.repository} at {source.revision}.",
            "correct prepare.sources in params.yaml; for a gated one, log in with 'hf auth login'.",
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise EnvironmentFault(
            f"The data set {source.repository} is not in the cache, and the hub cannot be reached.",
            "unset HF_HUB_OFFLINE on a machine with a network, or copy the files and use kind: file.",
        ) from error
    return Path(folder)
