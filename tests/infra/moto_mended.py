"""moto's server with six faults and gaps mended that Terraform's AWS provider trips over; run by .venv-infra's Python.

For moto 5.2.5. Each fault is named at its remedy; without them a second plan is not empty, or an apply fails.
"""

import sys
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.responses import EC2Response
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.monitoring import Monitoring
from moto.ec2.utils import parse_user_data
from moto.server import main


def around(owner: type, name: str) -> Callable[[Callable[..., Any]], None]:
    """Put a function in a method's place, and hand it what was there."""

    def install(function: Callable[..., Any]) -> None:
        before = getattr(owner, name)
        setattr(owner, name, lambda self, *args, **named: function(before, self, *args, **named))

    return install


@around(LaunchTemplate, "create_version")
def _(before: Any, self: Any, data: dict[str, Any], *rest: Any) -> Any:
    # 1. It gives back the template's own tags as if they were its instances'.
    specifications = [each for each in data.get("TagSpecifications") or () if each["ResourceType"] != "launch-template"]
    if specifications:
        data["TagSpecifications"] = specifications
    else:
        data.pop("TagSpecifications", None)
    # 2. It reads the user data of a template's first version, and asserts that it has read that of the others.
    if isinstance(data.get("UserData"), str):
        data["UserData"] = parse_user_data(data["UserData"])
    assert isinstance(data.get("UserData", Base64EncodedString("")), Base64EncodedString)
    return before(self, data, *rest)


@around(Instance, "prep_nics")
def _(before: Any, self: Any, *args: Any, **named: Any) -> None:
    # 3. It gives the groups to the network interface, and forgets them at the instance.
    before(self, *args, **named)
    if 0 in self.nics and not self.security_groups:
        self.security_groups = list(self.nics[0].group_set)


@around(InstanceResponse, "_security_grp_instance_attribute_handler")
def _(before: Any, self: Any) -> bool:
    # 4. It takes a change of what shutting down means for a change of the groups, to none.
    meaning = self._get_param("InstanceInitiatedShutdownBehavior.Value")
    if meaning is None:
        return bool(before(self))
    attribute = "instance_initiated_shutdown_behavior"
    self.ec2_backend.modify_instance_attribute(self._get_param("InstanceId"), attribute, meaning)
    return True


def watch(state: str) -> Callable[..., Any]:
    """Build the answer to MonitorInstances, or to its opposite."""

    def answer(_before: Any, self: Any) -> ActionResult:
        # 5. It has neither.
        instances = [self.ec2_backend.get_instance(each) for each in self._get_param("InstanceIds", [])]
        for each in instances:
            each.monitoring_state = state
        found = [{"InstanceId": each.id, "Monitoring": {"State": state}} for each in instances]
        return ActionResult({"InstanceMonitorings": found})

    return answer


around(Monitoring, "monitor_instances")(watch("enabled"))
around(Monitoring, "unmonitor_instances")(watch("disabled"))


# 6. It has no placement groups.
def find_placement_groups(self: Any) -> dict[str, dict[str, Any]]:
    """The region's groups, by name; forgotten with everything else."""
    found: dict[str, dict[str, Any]] = vars(self.ec2_backend).setdefault("placement_groups", {})
    return found


def create_placement_group(self: Any) -> ActionResult:
    """Make a group."""
    name = self._get_param("GroupName")
    tags = self._parse_tag_specification("placement-group").get("placement-group", {})
    group = {
        "GroupName": name,
        "GroupId": f"pg-{abs(hash(name)):017x}"[:20],
        "State": "available",
        "Strategy": self._get_param("Strategy"),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    find_placement_groups(self)[name] = group
    return ActionResult({"PlacementGroup": group})


def describe_placement_groups(self: Any) -> ActionResult:
    """Tell of the groups that are asked for, or of all."""
    groups = find_placement_groups(self)
    names = self._get_param("GroupNames", []) or list(groups)
    for name in names:
        if name not in groups:
            raise EC2ClientError("InvalidPlacementGroup.Unknown", f"The placement group '{name}' is unknown.")
    return ActionResult({"PlacementGroups": [groups[name] for name in names]})


def delete_placement_group(self: Any) -> ActionResult:
    """Forget a group."""
    find_placement_groups(self).pop(self._get_param("GroupName"))
    return ActionResult({})


for action in (create_placement_group, describe_placement_groups, delete_placement_group):
    setattr(EC2Response, action.__name__, action)

if __name__ == "__main__":
    main(sys.argv[1:])
