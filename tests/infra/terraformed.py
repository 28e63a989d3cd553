"""Copies of infra/terraform that speak to moto, and Terraform run in them."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rented import INFRA, REGION, STATES, TERRAFORM, Moto, clean_environment

LOCK = Path(__file__).with_name("terraform.lock.hcl")
"""The provider of .venv-infra by its hash; the module itself is open to every release from 3.39 up to 7."""
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
