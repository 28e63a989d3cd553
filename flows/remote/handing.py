"""How a stage gets to the pool: as a flow run that is the same for the same stage on the same state."""

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from flows.remote.snapshot import Snapshot
from judgeforge.errors import InputError
from judgeforge.params import Params

DEPLOYMENT = "reproduce/judgeforge-gpu"
ENDED_TAG = "judgeforge:ended"
"""Borne by a stage's run that a flow of ours cancelled: no person did."""

_STEP, _PLACE = "set_working_directory", "JUDGEFORGE_CHECKOUT"


def name_tag(retraining: UUID | None) -> str:
    """Return the tag that the stages of a retraining bear."""
    return f"judgeforge:retraining:{retraining}"


def read_deployment(client: SyncPrefectClient, pool: str) -> DeploymentResponse:
    """Return the deployment by which workers run stages.

    Args:
        client: of the server.
        pool: the one that the workers are in.

    Raises:
        InputError: there is none, or it sends stages elsewhere than to a worker's own checkout in ``pool``.
    """
    try:
        found = client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound as error:
        raise InputError(
            f"The Prefect server has no deployment {DEPLOYMENT}.",
            "run 'prefect deploy --all' in the repository's root.",
        ) from error
    if found.work_pool_name != pool:
        raise InputError(
            f"Deployment {DEPLOYMENT} goes to the pool {found.work_pool_name}, and runner.pool is {pool}.",
            "name the same one in prefect.yaml and params.yaml, and deploy again.",
        )
    for step in found.pull_steps or []:
        for name, values in step.items():
            if name.endswith(_STEP) and _PLACE not in str(values):
                raise InputError(
                    f"Deployment {DEPLOYMENT} leads every worker to {values.get('directory')}.",
                    f"deploy again without that variable: 'env -u {_PLACE} prefect deploy --all'.",
                )
    return found


def hand_over(
    client: SyncPrefectClient, stage: str, snapshot: Snapshot, params: Params, parent_run: str | None, own: UUID | None
) -> FlowRun:
    """Start a flow run on the pool, or take over the one that runs this stage on this state already.

    Args:
        client: of the server.
        stage: its name in the graph.
        snapshot: what it runs on.
        params: of the project.
        parent_run: the MLflow run in which the stage's run nests.
        own: the retraining's flow run; a run that was another's is its from now on.
    """
    deployment = read_deployment(client, params.runner.pool)
    digest, attempt, tag = snapshot.digest(stage), 0, name_tag(own)
    while True:
        attempt += 1
        run = client.create_flow_run_from_deployment(
            deployment.id,
            parameters={
                "stage": stage,
                "snapshot": snapshot.model_dump(),
                "model": params.promote.model_name,
                "sync_every_s": params.runner.sync_every_s,
                "parent_run": parent_run,
            },
            name=f"{stage}-{digest[:6]}-{attempt}",
            idempotency_key=f"{digest}-{attempt}",
            tags=[tag],
        )
        if run.state is None or not (run.state.is_final() or run.state.type == StateType.CANCELLING):
            if tag not in run.tags:
                client.update_flow_run(run.id, tags=[tag])  # else whoever ends a lost retraining's stages ended it
            return client.read_flow_run(run.id)
