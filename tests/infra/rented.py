"""AWS as moto plays it over HTTP, a network in it, and copies of infra/terraform that speak to it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
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
_PROVIDER = """\
provider "aws" {{
  region                      = "{region}"
  access_key                  = "testing"
  secret_key                  = "testing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  skip_get_ec2_platforms      = true
  s3_force_path_style         = true
  max_retries                 = 2
  endpoints {{
    autoscaling = "{address}"
    ec2         = "{address}"
    iam         = "{address}"
    s3          = "{address}"
    sts         = "{address}"
  }}
}}
"""
_BACKEND = """\
bucket                      = "{bucket}"
region                      = "{region}"
access_key                  = "testing"
secret_key                  = "testing"
skip_credentials_validation = true
skip_metadata_api_check     = true
skip_requesting_account_id  = true
use_path_style              = true
endpoints                   = {{ s3 = "{address}" }}
"""


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


def copy_infra(target: Path, moto: Moto) -> Path:
    """Copy infra/terraform, and turn the copy's roots to moto; the checkout is left alone.

    Returns:
        The copy. Its ``backend.hcl`` goes to ``terraform init -backend-config``, together with ``key=...``.
    """
    shutil.copytree(INFRA, target, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    for root in ("runner", "examples/multi_node"):
        override = _PROVIDER.format(address=moto.address, region=REGION)
        (target / root / "provider_override.tf").write_text(override)
    (target / "backend.hcl").write_text(_BACKEND.format(address=moto.address, region=REGION, bucket=STATES))
    return target


def terraform(
    folder: Path, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Terraform in a folder, without colours."""
    done = subprocess.run(
        [TERRAFORM, f"-chdir={folder}", *arguments],
        env=clean_environment(**environment),
        text=True,
        capture_output=True,
        check=False,
    )
    assert not check or done.returncode == 0, (
        f"{arguments}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return done


LOCK = Path(__file__).with_name("terraform.lock.hcl")
"""The provider of .venv-infra by its hash; the module itself is open to every release from 3.39 up to 7."""


class Root:
    """A root in a copy, initialised.

    Args:
        folder: where it is.
        variables: their values.
        backend: the file for ``-backend-config``; None: the state lies in the folder.
        key: of the state in its bucket.
    """

    def __init__(
        self, folder: Path, variables: Mapping[str, Any], backend: Path | None, key: str = "test.tfstate"
    ) -> None:
        self.folder = folder
        (folder / "values.auto.tfvars.json").write_text(json.dumps(variables))
        options = [] if backend is None else [f"-backend-config={backend}", f"-backend-config=key={key}"]
        shutil.copy(LOCK, folder / ".terraform.lock.hcl")
        self.run("init", "-no-color", "-lockfile=readonly", *options)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Terraform here."""
        return terraform(self.folder, *arguments, check=check)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Terraform here, with what it says in one stream."""
        return subprocess.Popen(
            [TERRAFORM, f"-chdir={self.folder}", *arguments],
            env=clean_environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def apply(self) -> dict[str, Any]:
        """Apply, and return the outputs."""
        self.run("apply", "-auto-approve", "-no-color")
        found = json.loads(self.run("output", "-json", "-no-color").stdout)
        return {name: output["value"] for name, output in found.items()}

    def render(self) -> dict[str, Any]:
        """The outputs that are known before anything is applied, such as the machines' scripts."""
        self.run("plan", "-out=rendered.plan", "-no-color")
        planned = json.loads(self.run("show", "-json", "-no-color", "rendered.plan").stdout)["planned_values"]
        return {name: output["value"] for name, output in planned["outputs"].items() if "value" in output}

    def plan(self) -> int:
        """0: nothing to do; 2: something to do."""
        return self.run("plan", "-detailed-exitcode", "-no-color", check=False).returncode

    def destroy(self) -> None:
        """Destroy everything."""
        self.run("destroy", "-auto-approve", "-no-color")


def make_root(infra: Path, variables: Mapping[str, Any], key: str = "test.tfstate") -> Root:
    """The root that a flow applies, with its state in moto's S3."""
    return Root(infra / "runner", variables, infra / "backend.hcl", key)
