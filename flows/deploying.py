"""What ``prefect deploy`` asks before it deploys (the step ``build`` of prefect.yaml): where, and which schedules run.

Prefect replaces a deployment's schedules by those of prefect.yaml, which are paused. Without this, each ``prefect
deploy`` would silently pause what people have resumed.
"""

from collections.abc import Mapping
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound


def look_around(schedules: Mapping[str, str]) -> dict[str, str | bool]:
    """Find the checkout, and whether schedules are active at the server. What is not there yet begins paused.

    Args:
        schedules: the slug of a schedule to the deployment (FLOW/NAME) that has it.

    Returns:
        ``checkout``, and each slug: values for prefect.yaml's templates.
    """
    found: dict[str, str | bool] = {"checkout": str(Path.cwd())}
    with get_client(sync_client=True) as client:
        for slug, deployment in schedules.items():
            try:
                found[slug] = _is_resumed(slug, client.read_deployment_by_name(deployment))
            except ObjectNotFound:
                found[slug] = False
    return found


def _is_resumed(slug: str, held: DeploymentResponse) -> bool:
    """Whether a schedule makes runs. One without a slug was made before prefect.yaml gave slugs.

    Deploying ends the pause of a whole deployment, whatever prefect.yaml says: its schedules are paused instead.
    """
    return not held.paused and any(each.active for each in held.schedules if each.slug in (slug, None))
