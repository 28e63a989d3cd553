"""Questions to a Prefect server that may be away for a while: a retraining and its stages go on without it."""

from collections.abc import Callable
from typing import TypeVar

import httpx
import tenacity
from prefect.client.orchestration import SyncPrefectClient, get_client

from flows.commands import is_stopping
from judgeforge.errors import EnvironmentFault

_AWAY_S, _PAUSE_S = 900.0, 2.0
_UNREACHED = "Failed to reach API"  # Prefect's RuntimeError as a client is opened
Answer = TypeVar("Answer")


def ask_patiently(
    question: Callable[[SyncPrefectClient], Answer], limit_s: float = _AWAY_S, even_stopping: bool = False
) -> Answer:
    """Ask, again and again while the server does not answer; what it refuses is raised at once.

    Args:
        question: may be asked more than once, so it must not matter how often it was.
        limit_s: how long the server may be away.
        even_stopping: whether to ask again while the flow ends, too: for what ends its stages.

    Raises:
        EnvironmentFault: it is away for longer, or the flow is ending.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_away),
        wait=tenacity.wait_fixed(_PAUSE_S),
        stop=lambda state: (is_stopping() and not even_stopping) or (state.seconds_since_start or 0.0) > limit_s,
        reraise=True,
    )
    try:
        answer: Answer = retrying(_ask, question)
        return answer
    except Exception as error:
        if is_away(error):
            raise EnvironmentFault(f"The Prefect server stays away: {error}.", "start it, and run again.") from error
        raise


def _ask(question: Callable[[SyncPrefectClient], Answer]) -> Answer:
    with get_client(sync_client=True) as client:
        return question(client)


def is_away(error: BaseException) -> bool:
    """Whether a server that is away or overburdened explains an error; a refusal is our defect."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(error, httpx.TransportError) or (isinstance(error, RuntimeError) and _UNREACHED in str(error))
