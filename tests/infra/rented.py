"""AWS as moto plays it over HTTP, and a network in it."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra" / "terraform"
ENVIRONMENT = ROOT / ".venv-infra"
TERRAFORM = ENVIRONMENT / "bin" / "terraform"
CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
REGION = "eu-central-1"
IMAGE = "ami-dca37ea5"  # one that moto knows
STATES = "judgeforge-state"
ARTIFACTS = "judgeforge-artifacts"
_START_S = 60.0


def require_infra() -> None:
    """Skip where .venv-infra is not there."""
    if not TERRAFORM.is_file():
        pytest.skip("there is no .venv-infra: make setup-infra")


def find_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(**added: str) -> dict[str, str]:
    """This process's environment without what would reach a real account or other settings of Terraform's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    return kept | {"TF_INPUT": "0", "TF_IN_AUTOMATION": "1", "AWS_EC2_METADATA_DISABLED": "true"} | added


class Moto:
    """A running server.

    Args:
        address: where it listens.
        process: its process, which a test may stop and continue.
    """

    def __init__(self, address: str, process: subprocess.Popen[bytes]) -> None:
        self.address, self.process = address, process

    def environment(self) -> dict[str, str]:
        """What boto3 and the like need in their environment to speak to it."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of it."""
        import boto3

        credentials = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, endpoint_url=self.address, region_name=REGION, **credentials)

    def reset(self) -> None:
        """Forget everything."""
        httpx.post(f"{self.address}/moto-api/reset", timeout=30).raise_for_status()

    def live_instances(self) -> list[dict[str, Any]]:
        """The machines that are neither ended nor ending."""
        found = self.client("ec2").describe_instances()["Reservations"]
        every = [instance for reservation in found for instance in reservation["Instances"]]
        return [each for each in every if each["State"]["Name"] not in ("terminated", "shutting-down")]


@contextlib.contextmanager
def run_moto(log: Path) -> Iterator[Moto]:
    """Start moto on a free port of loopback, and end it."""
    port = find_port()
    command = [ENVIRONMENT / "bin" / "python", Path(__file__).with_name("moto_mended.py")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
        )
    moto = Moto(f"http://127.0.0.1:{port}", process)
    try:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                httpx.get(f"{moto.address}/moto-api/data.json", timeout=5).raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield moto
    finally:
        process.kill()
        process.wait()


class Site:
    """What is there before any machine: a network, a bucket for state, a bucket for the remote."""

    def __init__(self, moto: Moto) -> None:
        self.moto = moto
        ec2 = moto.client("ec2")
        self.vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet_ids = [
            ec2.create_subnet(VpcId=self.vpc_id, CidrBlock=f"10.0.{place}.0/24", AvailabilityZone=f"{REGION}{zone}")[
                "Subnet"
            ]["SubnetId"]
            for place, zone in enumerate("ab")
        ]
        for bucket in (STATES, ARTIFACTS):
            where = {"LocationConstraint": REGION}
            moto.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=where)

    def variables(self, **changed: Any) -> dict[str, Any]:
        """Values of the root's variables, with those of the test's."""
        return {
            "owner": "test",
            "run": "0b7c1d52-run",
            "expires": "2099-01-31T23:00:00Z",
            "region": REGION,
            "vpc_id": self.vpc_id,
            "subnet_ids": self.subnet_ids,
            "image_id": IMAGE,
            "mode": "group",
            "machine_types": ["g6.xlarge", "g5.xlarge"],
            "machines": 2,
            "spot": True,
            "disk_gib": 100,
            "max_life_minutes": 240,
            "idle_minutes": 10,
            "checkpoint_grace_s": 60,
            "remote_url": f"s3://{ARTIFACTS}/remote",
            "repository_url": "https://git.example.org/judgeforge.git",
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "extras": ["pipeline", "train", "aws"],
            "pool": "gpu",
            "prefect_api_url": "https://prefect.example.org/api",
            "environment": {"MLFLOW_TRACKING_URI": "https://mlflow.example.org"},
            "secrets": {"PREFECT_API_KEY": "/judgeforge/prefect"},
        } | changed
