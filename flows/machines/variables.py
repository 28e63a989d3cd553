"""What the Terraform configuration of a runner is given: the recipe's settings, the site, and the choice of the try."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flows.machines.choices import Choice
from flows.machines.needs import Needs
from flows.machines.site import Site
from judgeforge.params import RunnerParams

_MARGIN = timedelta(minutes=30)
"""Between the end of a machine's life by its own watchdog and the time from which the reaper may end it."""


def build_variables(
    settings: RunnerParams, site: Site, run: str, choice: Choice, machines: int, commit: str, needs: Needs
) -> dict[str, Any]:
    """Return the variables by their names in infra/terraform/runner.

    Args:
        settings: of the recipe.
        site: the account.
        run: whose machines.
        choice: types, zones and kind of this try.
        machines: how many.
        commit: what they check out.
        needs: what the recipe wants installed.
    """
    expires = datetime.now(UTC) + timedelta(minutes=settings.max_life_minutes) + _MARGIN
    return {
        "owner": site.owner,
        "run": run,
        "region": site.region,
        "vpc_id": site.vpc_id,
        "subnet_ids": list(choice.subnets),
        "image_id": site.image_id,
        "mode": site.mode,
        "machine_types": list(choice.types),
        "machines": machines,
        "spot": choice.spot,
        "capacity_minutes": 0,  # waited for here: an apply that gives up would end the machines that have come
        "disk_gib": settings.disk_gib,
        "egress_ports": list(site.egress_ports),
        "egress_cidrs": [str(block) for block in site.egress_cidrs],
        "max_life_minutes": settings.max_life_minutes,
        "idle_minutes": settings.idle_minutes,
        "expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "remote_url": site.remote_url,
        "repository_url": site.repository_url,
        "commit": commit,
        "extras": list(dict.fromkeys([*site.extras, *needs.extras])),
        "setup_targets": list(needs.targets),
        "pool": settings.pool,
        "prefect_api_url": site.prefect_api_url,
        "environment": site.environment,
        "secrets": site.secrets,
        "permissions_boundary": site.permissions_boundary,
        "kms_key_arns": list(site.kms_key_arns),
        "checkpoint_grace_s": site.checkpoint_grace_s,
    }


def build_any_variables(settings: RunnerParams, site: Site, run: str) -> dict[str, Any]:
    """Return valid variables for unmaking a run of which only the name is known: then the state alone counts."""
    types = tuple(choice.type for choice in settings.machines) or ("any.type",)
    return build_variables(settings, site, run, Choice(types, site.subnet_ids, False), 1, "0" * 40, Needs())
