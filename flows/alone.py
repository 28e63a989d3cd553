"""One retraining at a time per model, over all machines that one Prefect server knows."""

import contextlib
from collections.abc import Iterator
from typing import Literal

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.settings import get_current_settings

from judgeforge.errors import EnvironmentFault

WhenBusy = Literal["wait", "refuse"]
_ONE_TRY_S = 1.0
_LEASE_S = 300.0
"""A holder that died gives its place up after so long; a living one renews it."""


def name_limit(model: str) -> str:
    """Return the name of the concurrency limit of a registered model."""
    return f"judgeforge-retrain-{model}"


@contextlib.contextmanager
def one_at_a_time(model: str, when_busy: WhenBusy) -> Iterator[None]:
    """Hold the model's only place while the block runs. Without a lasting server nobody else could come.

    Args:
        model: its registered name.
        when_busy: ``wait`` until the place is free, or ``refuse`` at once.

    Raises:
        EnvironmentFault: somebody retrains this model, and ``when_busy`` is ``refuse``.
    """
    if not get_current_settings().api.url:
        yield
        return
    name = name_limit(model)
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name=name, limit=1)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(
                concurrency(
                    name,
                    timeout_seconds=_ONE_TRY_S if when_busy == "refuse" else None,
                    lease_duration=_LEASE_S,
                    strict=True,
                    raise_on_lease_renewal_failure=False,  # a server that is away for a while ends no retraining
                )
            )
        except TimeoutError as error:
            raise EnvironmentFault(
                f"Another retraining of {model} is at work.",
                f"wait for it, or cancel it; one that died is forgotten after {_LEASE_S:.0f} s "
                f"('prefect gcl inspect {name}').",
            ) from error
        yield
