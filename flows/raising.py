"""Who raises machines for a retraining, by ``runner.provider``, and what they cost it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run as current

from flows.logs import find_logger
from flows.machines.cloud import Machine
from flows.machines.life import Machines, gpu_runner
from flows.machines.needs import Needs, find_needs
from flows.machines.site import Site, load_site
from flows.pipeline import Graph
from flows.placing import Raise, is_remote
from flows.remote.history import compute_minutes, find_minutes
from flows.remote.patience import ask_patiently
from judgeforge.errors import InputError
from judgeforge.params import Params, RunnerParams


def find_raiser(params: Params, stages: Graph, remote_url: str) -> Raise | None:
    """Return what raises machines for the flow run that is on; None where somebody else keeps the workers.

    Args:
        params: of the project.
        stages: that may have to run, each with the stages it needs.
        remote_url: of DVC's default remote here.

    Raises:
        InputError: the site's file is missing or wrong, or its remote is not the one that DVC has here.
    """
    runner = params.runner
    if runner.provider != "aws":
        return None
    remote = [stage for stage in stages if is_remote(stage, runner)]
    site, needs = load_site(), find_needs(params, remote)
    _check_remote(site, remote_url)
    seen: dict[str, Machine] = {}  # those of all raisings: what they cost counts together

    def find_last(count: int) -> float | None:
        minutes = ask_patiently(lambda client: find_minutes(client, remote, params.promote.model_name))
        return compute_minutes(stages, minutes, count) if minutes.keys() == set(remote) else None

    return lambda count: _raise(runner, site, needs, count, seen, find_last)


@contextlib.contextmanager
def _raise(
    runner: RunnerParams,
    site: Site,
    needs: Needs,
    count: int,
    seen: dict[str, Machine],
    find_last: Callable[[int], float | None],
) -> Iterator[Machines]:

    def list_online() -> set[str]:
        return ask_patiently(lambda client: _list_online(client, runner.pool))

    before = list_online()
    run = str(current.id)
    with gpu_runner(
        runner,
        site,
        run,
        count,
        needs=needs,
        last_minutes=find_last(count),
        count_workers=lambda: len(list_online() - before),
        seen=seen,
        log=find_logger(),
    ) as machines:
        yield machines


def _check_remote(site: Site, here: str) -> None:
    if here.rstrip("/") != site.remote_url.rstrip("/"):
        raise InputError(
            f"DVC's remote here is {here}, and that of the machines {site.remote_url}: results would not come back.",
            "set remote_url in the site's file to DVC's default remote, or the other way round.",
        )


def _list_online(client: SyncPrefectClient, pool: str) -> set[str]:
    try:
        workers = client.read_workers_for_work_pool(pool)
    except ObjectNotFound as error:
        raise InputError(
            f"The Prefect server has no work pool {pool}.", f"run 'prefect work-pool create {pool} --type process'."
        ) from error
    return {worker.name for worker in workers if worker.status == WorkerStatus.ONLINE}


def describe_cost(machines: Any) -> dict[str, float]:
    """Return what machines were expected to cost and have cost, in USD, as metrics of a run; {} without machines.

    Args:
        machines: the last ones of the run; the earlier ones are counted in.
    """
    if machines is None:
        return {}
    found = {"machines/estimate_usd": machines.estimate.usd, "machines/spent_usd": machines.spent().usd}
    likely = machines.estimate.likely_usd
    return found if likely is None else found | {"machines/likely_usd": likely}
