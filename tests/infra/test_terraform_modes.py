"""Every mode is planned, applied and destroyed for real; boto3 then sees what the contract promises."""

import json
from pathlib import Path
from typing import Any

import pytest
from rented import ARTIFACTS, Moto, Site
from terraformed import Root, make_root

MODES = {
    "group of spot machines": {"mode": "group", "spot": True},
    "group on demand": {"mode": "group", "spot": False},
    "single machine": {"mode": "instance", "spot": False, "machines": 1},
    "nodes of one training": {},
}


def open_root(mode: str, infra: Path, site: Site) -> Root:
    if MODES[mode]:
        return make_root(infra, site.variables(**MODES[mode]))
    declared = (infra / "examples/multi_node/variables.tf").read_text()
    variables = {name: value for name, value in site.variables().items() if f'variable "{name}"' in declared}
    return Root(infra / "examples/multi_node", variables | {"subnet_id": site.subnet_ids[0]}, backend=None)


def read_tags(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", ()) if not tag["Key"].startswith("aws:")}


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_comes_as_promised_and_goes_without_a_trace(mode: str, infra: Path, site: Site, moto: Moto) -> None:
    ec2, iam = moto.client("ec2"), moto.client("iam")
    before = list_everything(moto)
    root = open_root(mode, infra, site)
    outputs = root.apply()
    try:
        machines = moto.live_instances()
        assert sorted(each["InstanceId"] for each in machines) == sorted(outputs["instance_ids"])
        assert len(machines) == MODES[mode].get("machines", 2)
        assert root.plan() == 0
        expected = {"Name", *(f"judgeforge:{name}" for name in ("owner", "run", "expires", "commit"))}
        for machine in machines:
            assert set(read_tags(machine)) == expected
        check_disks_and_metadata(moto, outputs, expected)
        check_network(ec2, site, moto)
        (role,) = [each["RoleName"] for each in iam.list_roles()["Roles"]]
        policy = iam.get_role_policy(RoleName=role, PolicyName="machine")["PolicyDocument"]
        check_rights(policy, mode)
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        assert iam.list_users()["Users"] == []  # nobody, so no keys
    finally:
        root.destroy()
    assert list_everything(moto) == before


def list_everything(moto: Moto) -> dict[str, list[str]]:
    """What could stay behind, by kind. A machine of moto's groups has a plain disk of 8 GiB that moto itself leaves."""
    ec2, iam, scaling = moto.client("ec2"), moto.client("iam"), moto.client("autoscaling")
    volumes = [each for each in ec2.describe_volumes()["Volumes"] if each["Encrypted"] or each["Size"] != 8]
    return {
        "machines": [each["InstanceId"] for each in moto.live_instances()],
        "volumes": [each["VolumeId"] for each in volumes],
        "templates": [each["LaunchTemplateId"] for each in ec2.describe_launch_templates()["LaunchTemplates"]],
        "security groups": sorted(each["GroupId"] for each in ec2.describe_security_groups()["SecurityGroups"]),
        "placement groups": [each["GroupName"] for each in ec2.describe_placement_groups()["PlacementGroups"]],
        "groups": [
            each["AutoScalingGroupName"] for each in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        ],
        "schedules": scaling.describe_scheduled_actions()["ScheduledUpdateGroupActions"],
        "roles": [each["RoleName"] for each in iam.list_roles()["Roles"]],
        "profiles": [each["InstanceProfileName"] for each in iam.list_instance_profiles()["InstanceProfiles"]],
    }


def check_disks_and_metadata(moto: Moto, outputs: dict[str, Any], expected: set[str]) -> None:
    ec2 = moto.client("ec2")
    templates = ec2.describe_launch_templates()["LaunchTemplates"]
    if templates:
        # moto's groups do not hand the template's settings on to machines; AWS does.
        version = ec2.describe_launch_template_versions(LaunchTemplateId=templates[0]["LaunchTemplateId"])
        data = version["LaunchTemplateVersions"][-1]["LaunchTemplateData"]
        metadata, disks = data["MetadataOptions"], [each["Ebs"] for each in data["BlockDeviceMappings"]]
        tagged = {each["ResourceType"]: read_tags(each) for each in data["TagSpecifications"]}
        assert {kind: set(tags) for kind, tags in tagged.items()} == {"instance": expected, "volume": expected}
        assert data["InstanceInitiatedShutdownBehavior"] == "terminate"
    else:
        (machine,) = moto.live_instances()
        metadata = machine["MetadataOptions"]
        disks = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": outputs["instance_ids"]}])[
            "Volumes"
        ]
        assert [set(read_tags(each)) for each in disks] == [expected]
        attribute = {"InstanceId": machine["InstanceId"], "Attribute": "instanceInitiatedShutdownBehavior"}
        behaviour = ec2.describe_instance_attribute(**attribute)["InstanceInitiatedShutdownBehavior"]
        assert behaviour == {"Value": "terminate"}
    assert metadata["HttpTokens"] == "required" and metadata["HttpPutResponseHopLimit"] == 1
    assert [each["Encrypted"] for each in disks] == [True]


def check_network(ec2: Any, site: Site, moto: Moto) -> None:
    groups = {
        each["GroupId"]: each
        for each in ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [site.vpc_id]}])[
            "SecurityGroups"
        ]
        if each["GroupName"] != "default"
    }
    for machine in moto.live_instances():
        assert machine["VpcId"] == site.vpc_id
    for group in groups.values():
        within = [group["GroupId"]]
        for rule in group["IpPermissions"]:  # only nodes of one training, and those only from one another
            assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == within
            assert (
                not rule["IpRanges"]
                and not rule.get("Ipv6Ranges")
                and group["GroupName"].startswith("judgeforge-nodes")
            )
        out = [rule for rule in group["IpPermissionsEgress"] if rule["IpRanges"] or rule.get("Ipv6Ranges")]
        assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in out] in ([], [("tcp", 443, 443)])


def check_rights(policy: dict[str, Any] | str, mode: str) -> None:
    document = policy if isinstance(policy, dict) else json.loads(policy)
    statements = {each["Sid"]: each for each in document["Statement"]}
    assert set(statements) == {"ListTheRemote", "UseTheRemote", "ReadTheNamedParameters"} | (
        {"EndMachinesOfThisRun"} if mode != "single machine" else set()
    )
    assert all(each["Effect"] == "Allow" for each in statements.values())
    listing = statements["ListTheRemote"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["remote", "remote/*"]}}
    assert listing["Resource"] == [f"arn:aws:s3:::{ARTIFACTS}"]
    assert statements["UseTheRemote"]["Resource"] == [f"arn:aws:s3:::{ARTIFACTS}/remote/*"]
    for statement in statements.values():
        assert not any("*" in action for action in statement["Action"])
        assert "*" not in statement["Resource"]


def test_the_machines_of_a_group_are_what_was_asked_for(infra: Path, site: Site, moto: Moto) -> None:
    root = make_root(infra, site.variables(spot=True, machine_types=["g6.xlarge", "g5.xlarge"]))
    outputs = root.apply()
    scaling = moto.client("autoscaling")
    (group,) = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert group["AutoScalingGroupName"] == outputs["group_name"]
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]) == (0, 2, 2)
    policy = group["MixedInstancesPolicy"]
    assert [each["InstanceType"] for each in policy["LaunchTemplate"]["Overrides"]] == ["g6.xlarge", "g5.xlarge"]
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 0
    assert set(group["VPCZoneIdentifier"].split(",")) == set(site.subnet_ids)
    assert {process["ProcessName"] for process in group["SuspendedProcesses"]} == {"AZRebalance"}
    (action,) = scaling.describe_scheduled_actions()["ScheduledUpdateGroupActions"]
    assert action["StartTime"].isoformat() == "2099-01-31T23:00:00+00:00" and action["DesiredCapacity"] == 0
    root.destroy()
