"""The flow ``reap``: end the machines of runs that are over. By schedule, and by hand: ``python -m flows.reap``."""

from uuid import UUID

import httpx
import typer
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings

from flows.logs import find_logger
from flows.machines.opening import open_cloud
from flows.machines.reaping import Life, reap_machines
from flows.machines.site import load_site
from flows.machines.terraform import Log
from flows.notify import TELL
from judgeforge.params import load_params
from judgeforge.stage import run_program

_PATIENCE_S = 300.0
_PROVIDER = "aws"


def ask_prefect(run: str) -> Life:
    """Ask the Prefect server what became of a flow run. A temporary server would know none, so it is not asked."""
    try:
        id = UUID(run)
    except ValueError:
        return "not a flow run"
    if not get_current_settings().api.url:
        return "not known"
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(id).state
    except ObjectNotFound:
        return "over"
    except (httpx.HTTPError, PrefectHTTPStatusError, RuntimeError):  # Prefect raises the last where it finds no server
        return "not known"
    return "over" if state and state.is_final() else "alive"


@flow(name="reap", on_failure=TELL, on_crashed=TELL)
def reap() -> list[str]:
    """End the machines of runs that are over, or whose time is and of which nobody says that they are alive."""
    return reap_left(find_logger())


def reap_left(log: Log) -> list[str]:
    """End what is left, and return whose it was."""
    site, settings = load_site(), load_params().runner
    if settings.provider in {"none", "standing"}:  # now; the run that left something had another recipe
        settings = settings.model_copy(update={"provider": _PROVIDER})
    return reap_machines(settings, site, open_cloud(settings.provider, site), ask_prefect, _PATIENCE_S, log)


def main() -> None:
    """End the machines of runs that are over. Works also while no Prefect server answers: then what has expired goes.

    Example: python -m flows.reap
    """
    reap_left(find_logger())


if __name__ == "__main__":
    run_program(lambda: typer.run(main))
