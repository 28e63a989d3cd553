"""The state in S3: one apply at a time, and one state for each run."""

import json
from pathlib import Path

from rented import STATES, Moto, Site
from terraformed import copy_infra, make_root


def test_a_second_apply_at_the_same_time_is_refused(tmp_path: Path, site: Site, moto: Moto) -> None:
    first = make_root(copy_infra(tmp_path / "first", moto), site.variables())
    second = make_root(copy_infra(tmp_path / "second", moto), site.variables())
    s3 = moto.client("s3")
    # The lock of somebody who is at work: Terraform writes it before anything else, and takes it away at the end.
    lock = {"ID": "6f1c9e1e-0000-0000-0000-000000000000", "Operation": "OperationTypeApply", "Who": "the first"}
    s3.put_object(Bucket=STATES, Key="test.tfstate.tflock", Body=json.dumps(lock))
    refused = second.run("apply", "-auto-approve", "-no-color", "-lock-timeout=0s", check=False)
    assert refused.returncode == 1 and "the first" in refused.stderr and "lock" in refused.stderr
    assert moto.live_instances() == []
    s3.delete_object(Bucket=STATES, Key="test.tfstate.tflock")
    first.apply()
    assert {each["Key"] for each in s3.list_objects_v2(Bucket=STATES)["Contents"]} == {"test.tfstate"}
    assert second.plan() == 0  # the same state, found from elsewhere
    first.destroy()


def test_two_that_start_together_do_not_both_apply(tmp_path: Path, site: Site, moto: Moto) -> None:
    roots = [make_root(copy_infra(tmp_path / name, moto), site.variables(machines=1)) for name in ("one", "two")]
    running = [root.start("apply", "-auto-approve", "-no-color", "-lock-timeout=0s") for root in roots]
    ended = [process.communicate()[0] for process in running]
    codes = sorted(process.returncode for process in running)
    # Whoever comes second is refused, or finds everything there if the first was that quick.
    assert codes in ([0, 1], [0, 0]), ended
    assert len(moto.live_instances()) == 1
    if codes == [0, 1]:
        assert any("Error acquiring the state lock" in text for text in ended)
    roots[0].destroy()
    assert moto.live_instances() == []


def test_the_state_holds_no_secret_and_is_the_runs_own(infra: Path, site: Site, moto: Moto) -> None:
    moto.client("ssm").put_parameter(Name="/judgeforge/prefect", Value="never-in-a-state", Type="SecureString")
    root = make_root(infra, site.variables(machines=1), key="runs/0b7c.tfstate")
    root.apply()
    state = moto.client("s3").get_object(Bucket=STATES, Key="runs/0b7c.tfstate")["Body"].read().decode()
    assert "never-in-a-state" not in state and "/judgeforge/prefect" in state
    root.destroy()
