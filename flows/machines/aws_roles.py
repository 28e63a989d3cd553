"""Roles of machines in IAM, which cannot be searched by tags: by their names first, then each by its tags."""

import contextlib
from collections.abc import Iterator
from typing import Any

_PREFIX = "judgeforge-"  # as infra/terraform names them


def list_roles(iam: Any, tags: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Find the roles that bear ``tags``.

    Args:
        iam: boto3's client.
        tags: names and values; a role may bear more.
    """
    for page in iam.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            if not role["RoleName"].startswith(_PREFIX):
                continue
            with contextlib.suppress(iam.exceptions.NoSuchEntityException):  # just deleted by whoever made it
                found = iam.list_role_tags(RoleName=role["RoleName"])["Tags"]
                if tags.items() <= {tag["Key"]: tag["Value"] for tag in found}.items():
                    yield {"RoleName": role["RoleName"], "Tags": found}


def delete_role(iam: Any, name: str) -> None:
    """Delete a role with its policies and the profiles by which machines have it."""
    for profile in iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]:
        named = {"InstanceProfileName": profile["InstanceProfileName"]}
        iam.remove_role_from_instance_profile(RoleName=name, **named)
        iam.delete_instance_profile(**named)
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)
