"""A judge's files on their way to MLflow's store: each is read where it lies, none is copied on this machine."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from judgeforge.errors import EnvironmentFault
from judgeforge.progress import say
from judgeforge.promote.listing import Listing
from judgeforge.promote.stores import open_artifacts, send_file, walk_files
from judgeforge.promote.watching import follow_reading, watch_bytes
from judgeforge.tracking.store import http_limits

STATE_TAG = "judgeforge.weights"
"""On the logged model; see ``settle_earlier``."""
_ARRIVING, _REGISTERED = "arriving", "registered"
ARRIVING_TAGS = {STATE_TAG: _ARRIVING}


def upload(repository: Any, folder: Path, place: str, listing: Listing) -> None:
    """Send a judge's files, and make sure that all have come.

    Args:
        repository: of the logged model.
        folder: of the judge.
        place: the folder in the repository.
        listing: what ``folder`` holds.

    Raises:
        EnvironmentFault: the store gave way for good.
    """
    with watch_bytes(f"Uploading {folder.name}", listing.bytes) as advance:
        for file in listing.files:
            path = folder.resolve() / file.name
            with follow_reading(path, advance):
                send_file(repository, path, str(PurePosixPath(place, file.name).parent))
    came = dict(walk_files(repository, place))
    for file in listing.files:
        size = came.get(str(PurePosixPath(place, file.name)))
        if size != file.bytes:
            raise EnvironmentFault(
                f"{file.name} has {file.bytes:,} bytes, of which {size or 0:,} are in the store.",
                "see to the store's disk and run again; nothing was registered.",
            )


def send_records(repository: Any, records: Mapping[str, Path]) -> None:
    """Send the small files that say what the others are; they come last: without them, a version counts as not there.

    Args:
        repository: of the logged model.
        records: files, by the folder in the repository.
    """
    for place, path in records.items():
        send_file(repository, path, place)


def settle_earlier(client: Any, experiment: str) -> None:
    """Delete what registrations left in the store that were killed, or failed, before they made a version.

    A logged model is tagged as arriving until it is seen here. If its run has a version, it stays, and is not looked at
    again. If its run ended without one, nothing refers to it. A run that goes on is left alone.

    Args:
        client: MLflow's.
        experiment: the experiment's id.
    """
    for model in client.search_logged_models([experiment], f"tags.`{STATE_TAG}` = '{_ARRIVING}'"):
        if client.search_model_versions(f"run_id = '{model.source_run_id}'"):
            client.set_logged_model_tags(model.model_id, {STATE_TAG: _REGISTERED})
        elif client.get_run(model.source_run_id).info.status in ("FAILED", "KILLED"):
            say(f"Deleting what an upload left behind that was broken off (run {model.source_run_id[:8]}).")
            discard(client, model.model_id)


def discard(client: Any, model_id: str) -> None:
    """Delete a logged model that has no version, with its files."""
    open_artifacts(client.get_logged_model(model_id).artifact_location).delete_artifacts()
    client.delete_logged_model(model_id)


@contextlib.contextmanager
def discarding(client: Any, model_id: str) -> Iterator[None]:
    """Delete a logged model if what is done within fails; where the store is away, ``settle_earlier`` does it later."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception), http_limits(retries=1, timeout_s=10):
            discard(client, model_id)
        raise
