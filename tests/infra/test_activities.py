"""What AWS says of a group's attempts, as the flow reads it. moto lists none, so a front before it does."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from front import run_front
from raised import RUN, Folder
from rented import IMAGE, Moto, Site

from flows.machines.aws import AwsCloud
from flows.machines.cloud import Activity

NONE_LEFT = "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no Spot capacity available."
ACTIVITY = """\
<member><ActivityId>{number}</ActivityId><AutoScalingGroupName>g</AutoScalingGroupName><Cause>c</Cause>
<StartTime>2026-01-31T12:0{number}:00Z</StartTime><StatusCode>{status}</StatusCode>
<StatusMessage>{said}</StatusMessage></member>"""
ANSWER = """\
<DescribeScalingActivitiesResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">
<DescribeScalingActivitiesResult><Activities>{activities}</Activities></DescribeScalingActivitiesResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeScalingActivitiesResponse>"""


def test_each_attempt_is_told_with_its_time_and_a_shortage_only_where_it_failed_for_one(
    tmp_path: Path, moto: Moto, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"ImageId": IMAGE, "InstanceType": "g6.xlarge", "UserData": "b25l"}
    moto.client("ec2").create_launch_template(LaunchTemplateName="one", LaunchTemplateData=data)
    tags = {"judgeforge:owner": "test", "judgeforge:run": RUN}
    moto.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="g",
        LaunchTemplate={"LaunchTemplateName": "one"},
        MinSize=0,
        MaxSize=1,
        VPCZoneIdentifier=site.subnet_ids[0],
        Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()],
    )
    listed = [(3, "InProgress", ""), (2, "Failed", NONE_LEFT), (1, "Failed", "Access denied"), (0, "Successful", "")]
    activities = "".join(ACTIVITY.format(number=number, status=status, said=said) for number, status, said in listed)
    with run_front(moto.address) as front:
        front.instead = lambda body: (
            ANSWER.format(activities=activities) if "Action=DescribeScalingActivities" in body else None
        )
        folder = Folder(tmp_path / "flow", moto, site, front.address)
        for name, value in folder.variables.items():
            monkeypatch.setenv(name, value)
        found = AwsCloud(folder.site).list_activities(RUN)
    said = ["", NONE_LEFT, "", ""]
    assert found == [
        Activity(datetime(2026, 1, 31, 12, minute, tzinfo=UTC), text)
        for minute, text in zip((3, 2, 1, 0), said, strict=True)
    ]
