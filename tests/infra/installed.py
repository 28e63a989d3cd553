"""An installation for the tests of a module: its servers, its cloud, its machines, and whoever is told."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from front import run_front
from rented import Moto, Site
from retrained import Installation

from tests.integration.tracked.receivers import receiving_webhook


@contextlib.contextmanager
def running_installation(folder: Path, moto: Moto, recipe: str | None = None) -> Iterator[Installation]:
    """Make one, and end all of it.

    Args:
        folder: for its files.
        moto: plays the cloud; what it still has is forgotten.
        recipe: of the project's own stages; None: the small graded ones.
    """
    moto.reset()
    with run_front(moto.address) as front, receiving_webhook() as (webhook, told):
        made = Installation(folder, moto, Site(moto), front, webhook)
        made.told = told
        try:
            made.make_project(recipe)
            with made.machines:
                yield made
        finally:
            made.stop()
