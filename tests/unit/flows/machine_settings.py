"""Settings of a runner and a site, as the tests of machines want them."""

from typing import Any

from flows.machines.site import Site
from judgeforge.params import RunnerParams


def build_settings(**changes: Any) -> RunnerParams:
    values: dict[str, Any] = {
        "provider": "aws",
        "pool": "judgeforge-gpu",
        "stages": ["train"],
        "workers": 2,
        "machines": [{"type": "g6.xlarge", "hourly_usd": 1.0}, {"type": "g5.xlarge", "hourly_usd": 2.0}],
        "spot": True,
        "disk_gib": 100,
        "max_life_minutes": 600,
        "idle_minutes": 10,
        "start_minutes": 15,
        "lost_after_s": 90,
        "sync_every_s": 60,
        "max_usd": None,
    }
    return RunnerParams.model_validate(values | changes)


def build_site(**changes: Any) -> Site:
    values: dict[str, Any] = {
        "owner": "lab",
        "region": "eu-central-1",
        "vpc_id": "vpc-1",
        "subnet_ids": ["subnet-a", "subnet-b"],
        "image_id": "ami-1",
        "remote_url": "s3://bucket/remote",
        "repository_url": "https://git.example.org/judgeforge.git",
        "prefect_api_url": "https://prefect.example.org/api",
        "state_bucket": "states",
    }
    return Site.model_validate(values | changes)
