"""The permissions of the flow's host: all that life-cycle and reaper really ask of AWS, and nothing beside it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from front import Call, Front, run_front
from permissions import ACCOUNT, BOUNDARY, Need, Policy, listed, read_needs
from raised import Folder, build_settings
from rented import ARTIFACTS, IMAGE, REGION, STATES, Moto, Site, clean_environment, run_moto
from terraformed import copy_infra, make_root, terraform

from flows.logs import find_logger
from flows.machines.aws import AwsCloud
from flows.machines.reaping import reap_machines

LEFT = "7d1e0c44-1111-4222-8333-444455556666"
NAME = f"judgeforge-{LEFT[:8]}-left"
TAGS = {"judgeforge:owner": "test", "judgeforge:run": LEFT, "judgeforge:expires": "2020-01-01T00:00:00Z"}
NOT_SEEN = {
    "ec2:DescribeInstanceTypes": "newer providers than the 3.39 of the tests ask for a machine's type",
    "iam:CreateServiceLinkedRole": "AWS asks for it at an account's first group and spot machine; moto does not",
    "s3:AbortMultipartUpload": "DVC sends it when the upload of a large file breaks off",
    "kms:Decrypt": "S3 asks for it where the buckets have a key of their own",
    "kms:GenerateDataKey": "likewise",
}
MAX_CHARACTERS = 6144  # of a managed policy, by IAM's quotas


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the module makes of this account."""
    home = tmp_path_factory.mktemp("policy")
    with run_moto(home / "moto.log") as moto:
        folder = copy_infra(home / "terraform", moto) / "modules" / "flow_policy"
    values = {
        "account": ACCOUNT,
        "region": REGION,
        "owner": "test",
        "states_bucket": STATES,
        "artifacts_bucket": ARTIFACTS,
        "remote_prefix": "remote",
        "parameter_prefix": "judgeforge",
        "machine_boundary_arn": BOUNDARY,
        "kms_key_arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f1e2d3c-1111-4222-8333-444455556666",
    }
    (folder / "values.auto.tfvars.json").write_text(json.dumps(values))
    terraform(folder, "init", "-no-color")
    terraform(folder, "plan", "-out=rendered.plan", "-no-color")
    planned = json.loads(terraform(folder, "show", "-json", "rendered.plan").stdout)["planned_values"]["outputs"]
    return {name: output["value"] for name, output in planned.items()}


@pytest.fixture(scope="module")
def policy(documents: dict[str, Any]) -> Policy:
    return Policy(*documents["flow"].values())


@pytest.fixture
def front(moto: Moto) -> Iterator[Front]:
    with run_front(moto.address) as front:
        yield front


def leave_things(moto: Moto, site: Site) -> None:
    """One thing of each kind, in no state of Terraform's, whose time is over."""
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    ec2, iam = moto.client("ec2"), moto.client("iam")
    ec2.create_security_group(
        GroupName=NAME, Description="left", VpcId=site.vpc_id, TagSpecifications=[given("security-group", tags)]
    )
    ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=8, TagSpecifications=[given("volume", tags)])
    data = {"ImageId": IMAGE, "InstanceType": "g6.xlarge", "UserData": "bGVmdA=="}
    ec2.create_launch_template(
        LaunchTemplateName=NAME, LaunchTemplateData=data, TagSpecifications=[given("launch-template", tags)]
    )
    ec2.run_instances(
        ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId=site.subnet_ids[0], TagSpecifications=[given("instance", tags)]
    )
    moto.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=NAME,
        LaunchTemplate={"LaunchTemplateName": NAME},
        MinSize=0,
        MaxSize=0,
        VPCZoneIdentifier=site.subnet_ids[0],
        Tags=[each | {"PropagateAtLaunch": True} for each in tags],
    )
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument="{}", Tags=tags)
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{ARTIFACTS}/remote/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=NAME, PolicyName="machine", PolicyDocument=document)
    iam.create_instance_profile(InstanceProfileName=NAME)
    iam.add_role_to_instance_profile(InstanceProfileName=NAME, RoleName=NAME)


def given(kind: str, tags: list[dict[str, str]]) -> dict[str, Any]:
    return {"ResourceType": kind, "Tags": tags}


def record_life(path: Path, moto: Moto, site: Site, front: Front, mode: str) -> None:
    folder = Folder(path, moto, site, front.address, mode=mode, permissions_boundary=BOUNDARY)
    try:
        code, said = folder.run(build_settings())
        assert code == 0, said
    finally:
        folder.end()


def record_change(path: Path, site: Site, front: Front, moto: Moto) -> None:
    """A machine that never came to run is turned into one of the next type, as a second try does."""
    root = make_root(
        copy_infra(path, Moto(front.address, moto.process)),
        site.variables(mode="instance", spot=False, machines=1, permissions_boundary=BOUNDARY),
        key="judgeforge/machines/test/change.tfstate",
    )
    root.apply()
    root.run("apply", "-auto-approve", "-no-color", '-var=machine_types=["g5.xlarge"]')
    root.destroy()


def record_reaper(path: Path, moto: Moto, site: Site, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_things(moto, site)
    folder = Folder(path, moto, site, front.address, permissions_boundary=BOUNDARY)
    monkeypatch.chdir(folder.path)
    for name, value in folder.variables.items():
        monkeypatch.setenv(name, value)
    cloud = AwsCloud(folder.site)
    assert {thing.kind for thing in cloud.list_things()} == {
        "group", "machine", "template", "volume", "firewall", "role",
    }  # fmt: skip
    cloud.list_activities(LEFT)
    ended = reap_machines(build_settings(), folder.site, cloud, lambda run: "not known", 60.0, find_logger())
    assert ended == [LEFT] and folder.list_left() == []


def record_remote(path: Path, moto: Moto, front: Front) -> None:
    path.mkdir()
    variables = clean_environment(**moto.environment() | {"AWS_ENDPOINT_URL": front.address, "DVC_NO_ANALYTICS": "1"})

    def dvc(*arguments: str) -> None:
        command = [sys.executable, "-m", "dvc", *arguments]
        done = subprocess.run(command, cwd=path, env=variables, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    dvc("init", "--no-scm", "--quiet")
    dvc("remote", "add", "--default", "storage", f"s3://{ARTIFACTS}/remote")
    dvc("remote", "modify", "storage", "endpointurl", front.address)
    (path / "judge").mkdir()
    (path / "judge" / "weights").write_bytes(os.urandom(1000))
    dvc("add", "judge")
    dvc("push")
    dvc("pull", "--force")


def test_the_policy_allows_what_is_asked_and_nothing_beside_it(
    tmp_path: Path, moto: Moto, site: Site, front: Front, policy: Policy, documents: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    record_reaper(tmp_path / "reaper", moto, site, front, monkeypatch)
    for mode in ("group", "instance"):
        record_life(tmp_path / mode, moto, site, front, mode)
    record_change(tmp_path / "change", site, front, moto)
    record_remote(tmp_path / "remote", moto, front)
    needs = read_needs(front.calls)
    denied = [need for need in needs if not policy.allows(need)]
    not_seen = policy.actions - {need.action for need in needs}
    assert (denied, not_seen) == ([], set(NOT_SEEN))
    check_roles(front.calls, Policy(documents["machine_boundary"]))


def check_roles(calls: list[Call], boundary: Policy) -> None:
    """The roles that were made are given no action that their boundary would take away."""
    given = [parse_qs(call.body)["PolicyDocument"][0] for call in calls if "Action=PutRolePolicy" in call.body]
    assert given
    for document in given:
        assert Policy(document).actions <= boundary.actions


IAM, EC2 = f"arn:aws:iam::{ACCOUNT}", f"arn:aws:ec2:{REGION}:{ACCOUNT}"
ROLE = f"{IAM}:role/judgeforge-0b7c1d52-1"
THEIRS = {"aws:ResourceTag/judgeforge:owner": "somebody-else"}
AS_THEIRS = {"aws:RequestTag/judgeforge:owner": "somebody-else"}


@pytest.mark.parametrize(
    "need",
    [
        Need("ec2:TerminateInstances", f"{EC2}:instance/i-1", THEIRS),
        Need("ec2:TerminateInstances", f"{EC2}:instance/i-1"),
        Need("ec2:DeleteVolume", f"{EC2}:volume/vol-1"),
        Need("ec2:RunInstances", f"{EC2}:instance/new"),
        Need("ec2:RunInstances", f"{EC2}:instance/new", AS_THEIRS),
        Need("ec2:RunInstances", f"{EC2}:security-group/sg-1"),
        Need("ec2:CreateTags", f"{EC2}:volume/vol-1", {"aws:RequestTag/judgeforge:owner": "test"}),
        Need("autoscaling:DeleteAutoScalingGroup", f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:1:x/web"),
        Need("iam:PassRole", f"{IAM}:role/admin", {"iam:PassedToService": "ec2.amazonaws.com"}),
        Need("iam:PassRole", ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
        Need("iam:CreateRole", ROLE, {"aws:RequestTag/judgeforge:owner": "test"}),
        Need("iam:PutRolePolicy", ROLE, {"aws:ResourceTag/judgeforge:owner": "test"}),
        Need("iam:PutRolePolicy", f"{IAM}:role/judgeforge-flow-host", {"iam:PermissionsBoundary": BOUNDARY}),
        Need("iam:AttachRolePolicy", ROLE, {"iam:PermissionsBoundary": BOUNDARY}),
        Need("iam:DeleteRole", ROLE, THEIRS),
        Need("s3:GetObject", f"arn:aws:s3:::{STATES}/judgeforge/machines/somebody-else/run.tfstate"),
        Need("s3:ListBucket", f"arn:aws:s3:::{STATES}", {"s3:prefix": "judgeforge/machines/somebody-else/"}),
        Need("s3:PutObject", f"arn:aws:s3:::{ARTIFACTS}/elsewhere/weights"),
        Need("s3:DeleteObject", f"arn:aws:s3:::{ARTIFACTS}/remote/files/md5/00/1"),
    ],
    ids=lambda need: f"{need.action} {need.resource.rpartition(':')[2]} {' '.join(need.context.values())}",
)
def test_what_is_not_the_flow_s_is_refused(need: Need, policy: Policy) -> None:
    assert not policy.allows(need)


def test_the_documents_name_each_action_and_are_short_enough(documents: dict[str, Any], policy: Policy) -> None:
    assert not [action for action in policy.actions if "*" in action]
    anywhere = {action for each in policy.statements if each["Resource"] == "*" for action in listed(each["Action"])}
    assert all(action.partition(":")[2].startswith(("Describe", "List")) for action in anywhere)
    for document in (*documents["flow"].values(), documents["machine_boundary"]):
        assert len(document) < MAX_CHARACTERS * 3 / 4  # names of buckets and owners may be longer than these
