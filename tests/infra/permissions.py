"""What a request to AWS needs permission for, and whether a policy document gives it.

AWS itself looks at a policy in more ways; here are those that the policies of infra/terraform use.
"""

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from front import Call
from rented import REGION

ACCOUNT = "123456789012"
_OWNER = "judgeforge:owner"
_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
_IDS = {
    "InstanceId": "instance",
    "GroupId": "security-group",
    "LaunchTemplateId": "launch-template",
    "VolumeId": "volume",
}
_MADE = {"CreateLaunchTemplate": ("launch-template",), "CreateSecurityGroup": ("security-group",)}
_OBJECTS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject", "POST": "PutObject"}


@dataclass(frozen=True)
class Need:
    """One permission.

    Args:
        action: such as ``ec2:RunInstances``.
        resource: its ARN; ``*`` where the action has none.
        context: what conditions ask for.
    """

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)


def read_needs(calls: Sequence[Call], owner: str = "test") -> list[Need]:
    """Return what the calls need, each once.

    Args:
        calls: as a front noted them.
        owner: whose tag things bear that are there already; what is made must say so itself.
    """
    found: dict[str, Need] = {}
    for call in calls:
        for need in _read(call, owner):
            found.setdefault(repr(need), need)
    return list(found.values())


def _read(call: Call, owner: str) -> Iterator[Need]:
    signed = _SERVICE.search(call.signed)
    assert signed, f"not signed: {call.method} {call.path}"
    if signed[1] == "s3":
        yield _read_s3(call)
        return
    asked = {name: values[0] for name, values in parse_qs(call.body).items()}
    action = asked["Action"]
    reading = {"ec2": _read_ec2, "iam": _read_iam, "autoscaling": _read_autoscaling}
    if signed[1] == "sts" and action == "GetCallerIdentity":
        return  # AWS lets everybody ask who he is
    yield from reading[signed[1]](action, asked, owner)


def _read_s3(call: Call) -> Need:
    parts = urlsplit(call.path)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    if not key:
        assert call.method == "GET" and "list-type=2" in parts.query, f"{call.method} {call.path}"
        context = {"s3:prefix": parse_qs(parts.query, keep_blank_values=True)["prefix"][0]}
        return Need("s3:ListBucket", f"arn:aws:s3:::{bucket}", context)
    return Need(f"s3:{_OBJECTS[call.method]}", f"arn:aws:s3:::{bucket}/{key}")


def _find_tag(asked: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The owner's tag among those whose parameters begin so."""
    for name, value in asked.items():
        if name.startswith(prefix) and name.endswith(".Key") and value == _OWNER:
            return {f"aws:RequestTag/{_OWNER}": asked[name.removesuffix("Key") + "Value"]}
    return {}


def _read_ec2(action: str, asked: Mapping[str, str], owner: str) -> Iterator[Need]:
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    ours = {f"aws:ResourceTag/{_OWNER}": owner}
    if action.startswith("Describe") and action != "DescribeInstanceAttribute":
        yield Need(f"ec2:{action}", "*", {"aws:RequestedRegion": REGION})
        return
    tagged = {
        value: _find_tag(asked, name.removesuffix("ResourceType") + "Tag.")
        for name, value in asked.items()
        if re.fullmatch(r"TagSpecification\.\d+\.ResourceType", name)
    }
    for kind, tag in tagged.items():
        yield Need("ec2:CreateTags", f"{arn}:{kind}/new", tag | {"ec2:CreateAction": action})
    if action == "RunInstances":
        yield from _read_start(arn, tagged, ours)
        return
    if action in _MADE:
        for kind in _MADE[action]:
            yield Need(f"ec2:{action}", f"{arn}:{kind}/new", tagged.get(kind, {}))
        if "VpcId" in asked:
            yield Need(f"ec2:{action}", f"{arn}:vpc/{asked['VpcId']}")
        return
    things = [(kind, asked.get(name) or asked.get(f"{name}.1")) for name, kind in _IDS.items()]
    named = [(kind, id) for kind, id in things if id]
    assert named, f"{action}: of which thing?"
    for kind, _ in named:
        yield Need(f"ec2:{action}", f"{arn}:{kind}/of-ours", ours)


def _read_start(arn: str, tagged: Mapping[str, Mapping[str, str]], ours: Mapping[str, str]) -> Iterator[Need]:
    """What starting a machine needs: AWS looks at the machine, at all that comes with it, and at what it uses."""
    for kind in ("instance", "volume"):
        yield Need("ec2:RunInstances", f"{arn}:{kind}/new", tagged.get(kind, {}))
    for kind in ("network-interface", "subnet"):
        yield Need("ec2:RunInstances", f"{arn}:{kind}/any")
    yield Need("ec2:RunInstances", f"arn:aws:ec2:{REGION}::image/ami-1")
    yield Need("ec2:RunInstances", f"{arn}:security-group/of-ours", ours)


def _read_iam(action: str, asked: Mapping[str, str], owner: str) -> Iterator[Need]:
    arn = f"arn:aws:iam::{ACCOUNT}"
    if action == "ListRoles":
        yield Need("iam:ListRoles", "*")
        return
    role = f"{arn}:role/{asked.get('RoleName')}"
    context = {f"aws:ResourceTag/{_OWNER}": owner, "iam:PermissionsBoundary": BOUNDARY}
    if action == "CreateRole":
        context = _find_tag(asked, "Tags.")
        yield Need("iam:TagRole", role, context)
        if "PermissionsBoundary" in asked:
            context = context | {"iam:PermissionsBoundary": asked["PermissionsBoundary"]}
    if action == "AddRoleToInstanceProfile":
        yield Need("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})
    profile = asked.get("InstanceProfileName")
    yield Need(f"iam:{action}", f"{arn}:instance-profile/{profile}" if profile else role, context)


def _read_autoscaling(action: str, asked: Mapping[str, str], owner: str) -> Iterator[Need]:
    if action.startswith("Describe"):
        yield Need(f"autoscaling:{action}", "*", {"aws:RequestedRegion": REGION})
        return
    name = asked["AutoScalingGroupName"]
    arn = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:1b9c:autoScalingGroupName/{name}"
    made = _find_tag(asked, "Tags.") if action == "CreateAutoScalingGroup" else {f"aws:ResourceTag/{_OWNER}": owner}
    yield Need(f"autoscaling:{action}", arn, made)


BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/judgeforge-test-boundary"


class Policy:
    """Policy documents that only allow.

    Args:
        documents: as JSON.
    """

    def __init__(self, *documents: str) -> None:
        self.statements = [each for document in documents for each in json.loads(document)["Statement"]]
        assert all(each["Effect"] == "Allow" for each in self.statements)
        self.actions = {action for each in self.statements for action in listed(each["Action"])}

    def allows(self, need: Need) -> bool:
        """Whether some statement gives it."""
        return any(
            need.action in listed(each["Action"])
            and any(_is_like(need.resource, pattern) for pattern in listed(each["Resource"]))
            and all(_holds(how, asked, need.context) for how, asked in each.get("Condition", {}).items())
            for each in self.statements
        )


def listed(value: Any) -> list[str]:
    """A document may give one text instead of a list."""
    return [value] if isinstance(value, str) else list(value)


def _is_like(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _holds(how: str, asked: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    same = {"StringEquals": lambda text, pattern: text == pattern, "StringLike": _is_like}[how]
    return all(
        key in context and any(same(context[key], pattern) for pattern in listed(wanted))
        for key, wanted in asked.items()
    )
