"""How a machine of AWS ends itself, and learns that it is being taken away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from played_machine import run_script, serve_metadata, write_stub
from rented import INFRA, Moto, Site
from terraformed import make_root


def call_aws(
    call: str, group: bool, moto: Moto, stubs: Path, metadata_address: str
) -> subprocess.CompletedProcess[str]:
    functions = (INFRA / "modules/gpu_runner/aws/functions.sh").read_text()
    write_stub(stubs, "systemctl", f'echo "$*" >>"{stubs}/systemctl.log"')  # never this machine's own
    environment = moto.environment() | {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata_address,
        "machine_python": sys.executable,
        "PATH": f"{stubs}:{os.environ['PATH']}",
    }
    return run_script(f"in_group={'yes' if group else 'no'}\n{functions}\n{call}", check=False, **environment)


@pytest.mark.parametrize(("reason", "left"), [("idle", 1), ("life", 1), ("reclaimed", 2)])
def test_a_machine_of_a_group_ends_itself(
    reason: str, left: int, infra: Path, site: Site, moto: Moto, tmp_path: Path
) -> None:
    root = make_root(infra, site.variables(machines=2))
    outputs = root.apply()
    mine, other = outputs["instance_ids"]
    with serve_metadata() as metadata:
        metadata.answers["instance-id"] = mine
        assert call_aws(f"machine_end {reason}", True, moto, tmp_path / "stubs", metadata.address).returncode == 0
    alive = {each["InstanceId"] for each in moto.live_instances()}
    assert mine not in alive and other in alive
    (group,) = moto.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert group["DesiredCapacity"] == left
    assert not (tmp_path / "stubs" / "systemctl.log").exists()
    root.destroy()
    assert moto.live_instances() == []


@pytest.mark.parametrize("group", [False, True])
def test_a_machine_without_a_group_or_with_one_that_does_not_answer_powers_off(
    group: bool, moto: Moto, tmp_path: Path
) -> None:
    with serve_metadata() as metadata:
        call_aws("machine_end idle", group, moto, tmp_path / "stubs", metadata.address)
    assert (tmp_path / "stubs" / "systemctl.log").read_text() == "poweroff\n"


def test_a_spot_notice_is_seen(moto: Moto, tmp_path: Path) -> None:
    with serve_metadata() as metadata:
        assert call_aws("machine_reclaimed", True, moto, tmp_path / "stubs", metadata.address).returncode != 0
        metadata.answers["spot/instance-action"] = '{"action": "terminate", "time": "2026-01-31T23:00:00Z"}'
        assert call_aws("machine_reclaimed", True, moto, tmp_path / "stubs", metadata.address).returncode == 0
        assert metadata.without_token == 0
    # A metadata service that is gone is no notice.
    assert call_aws("machine_reclaimed", True, moto, tmp_path / "stubs", metadata.address).returncode != 0
