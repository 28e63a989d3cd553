"""Telling people: a failure, a promotion, a budget that is spent, a champion that agrees with people no more.

Who is told is named by the operator, as notification blocks of Prefect's in ``JUDGEFORGE_NOTIFY_BLOCKS``: a comma
between two, each TYPE/NAME, such as ``custom-webhook/ops`` or ``judgeforge-mail/team``. Addresses and secrets are in
the blocks. Telling never fails what it tells of: what could not be sent is logged.
"""

import asyncio
import contextvars
import inspect
import os
import threading
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import quote

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.utilities.urls import url_for

from flows import mail  # noqa: F401 - registers its kind of block with Prefect's, which load by that name
from flows.logs import find_logger
from judgeforge.servers import mask_address
from judgeforge.tracking import tracking_address

Kind = Literal["failure", "promotion", "budget", "drift"]

BLOCKS_VARIABLE = "JUDGEFORGE_NOTIFY_BLOCKS"
KINDS_VARIABLE = "JUDGEFORGE_NOTIFY_KINDS"
"""What is told, a comma between two kinds; everything where it is not set."""

MLFLOW_VARIABLE = "JUDGEFORGE_MLFLOW_UI_URL"
"""Where people find MLflow, if not at the address by which the flow records."""

_LIMIT_S = 45.0
"""For all blocks together; one that hangs must not hold a retraining."""


class Link(NamedTuple):
    """What a message points to."""

    name: str
    address: str


def notify(kind: Kind, subject: str, body: str, links: Sequence[Link] = (), about: FlowRun | None = None) -> list[str]:
    """Send a message to every block that the operator named. Never raises.

    Args:
        kind: what it is about; it begins the subject.
        subject: one line.
        body: what happened, and what to do.
        links: beside that to the flow run, which is added.
        about: the flow run that it happened to; None: the one at hand.

    Returns:
        The blocks that took it.
    """
    names = [name.strip() for name in os.environ.get(BLOCKS_VARIABLE, "").split(",") if name.strip()]
    if not names or kind not in list_kinds():
        return []
    shown = [*links, *_link_flow_run(about or _find_current_run())]
    text = "\n".join([body.rstrip(), "", *(f"{link.name}: {link.address}" for link in shown)]).rstrip()
    sent: list[str] = []
    log = find_logger()

    def send() -> None:
        for name in names:
            try:
                _tell(name, f"judgeforge, {kind}: {subject}", text)
                sent.append(name)
            except Exception as error:  # whatever a block raises: the message is about something more important
                log.warning("Not told of the %s: block %s: %s.", kind, name, _explain(error))

    # A thread has no event loop, so that Prefect's blocks are called plainly, whoever runs a hook; and it can be left.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(send,), name="notify", daemon=True)
    thread.start()
    thread.join(_LIMIT_S)
    if thread.is_alive():
        log.warning("Not told of the %s in %d s: %s.", kind, _LIMIT_S, ", ".join(sorted({*names} - {*sent})))
    return list(sent)


def list_kinds() -> list[str]:
    """List what is told."""
    named = os.environ.get(KINDS_VARIABLE)
    return list(get_args(Kind)) if named is None else [kind.strip() for kind in named.split(",")]


def _tell(name: str, subject: str, text: str) -> None:
    if name.count("/") != 1:
        raise ValueError(f"{BLOCKS_VARIABLE} must hold TYPE/NAME, such as custom-webhook/ops")
    block = Block.load(name)
    if not isinstance(block, NotificationBlock):
        raise TypeError("it is no notification block")
    with block.raise_on_failure():
        answer: Any = block.notify(body=text, subject=subject)
        if inspect.isawaitable(answer):  # some kinds are plain where no event loop runs, some are not
            asyncio.run(_wait_for(answer))


async def _wait_for(answer: Any) -> None:
    await answer


def _explain(error: Exception) -> str:
    """Say what went wrong without the block's address, which is often a secret by itself."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"its server answered HTTP {status}"
    if isinstance(error, (ValueError, TypeError)) and "://" not in str(error):
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
    return type(error).__name__


def link_run(run_id: str) -> list[Link]:
    """Link to an MLflow run; nothing where the store is a file, which has no pages.

    Args:
        run_id: MLflow's.
    """
    page = _find_mlflow_page()
    return [Link("MLflow run", f"{page}/#/runs/{quote(run_id)}")] if page else []


def link_version(model: str, number: str) -> list[Link]:
    """Link to a version in the registry; nothing where the store is a file.

    Args:
        model: the registered model's name.
        number: the version's.
    """
    page = _find_mlflow_page()
    return [Link("Version", f"{page}/#/models/{quote(model)}/versions/{quote(number)}")] if page else []


def _find_mlflow_page() -> str | None:
    address = os.environ.get(MLFLOW_VARIABLE) or tracking_address()
    return mask_address(address).rstrip("/") if address.startswith(("http://", "https://")) else None


def _find_current_run() -> FlowRun | None:
    context = FlowRunContext.get()
    return context.flow_run if context else None


def _link_flow_run(run: FlowRun | None) -> list[Link]:
    address = url_for("flow-run", run.id) if run else None
    return [Link("Flow run", address)] if address else []


def tell_failure(flow: Any, flow_run: FlowRun, state: Any) -> None:
    """Tell of a flow run that failed, crashed or was cancelled: a hook for ``on_failure`` and its like.

    A flow that another one called says nothing: its caller fails, too, and tells.

    Args:
        flow: Prefect's, as the next ones; its runner names them when it calls.
        flow_run: which.
        state: how it ended.
    """
    if flow_run.parent_task_run_id is not None:
        return
    body = f"{state.name}: {state.message or 'no message'}"
    notify("failure", f"{flow.name} ({flow_run.name}) {state.name.lower()}", body, about=flow_run)


TELL: list[Any] = [tell_failure]
"""For ``@flow(on_failure=TELL, on_crashed=TELL, on_cancellation=TELL)``."""
