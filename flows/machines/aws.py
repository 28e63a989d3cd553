"""Amazon's answers (boto3): machines and what belongs to them by their tags, and Terraform's states in the bucket."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Literal

from flows.machines.aws_roles import delete_role, list_roles
from flows.machines.cloud import EXPIRES_TAG, OWNER_TAG, RUN_TAG, Activity, Kind, Machine, Thing
from flows.machines.messages import classify, shorten
from flows.machines.site import Site
from judgeforge.errors import EnvironmentFault, InputError

_STATES: dict[str, Literal["starting", "running", "ending", "gone"]] = {
    "pending": "starting",
    "running": "running",
    "stopping": "ending",
    "shutting-down": "ending",
    "stopped": "ending",
    "terminated": "gone",
}
_ENDED = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) GMT\)")
_GONE = ("NotFound", "not found", "NoSuchEntity", "does not exist", "InvalidLaunchTemplateId")
_IN_USE = ("DependencyViolation", "VolumeInUse", "ResourceInUse", "ScalingActivityInProgress")
_TIMEOUT_S = 10


class AwsCloud:
    """One account and region, seen through one owner's tags.

    Args:
        site: the account.

    Raises:
        InputError: boto3 is not installed.
    """

    def __init__(self, site: Site) -> None:
        try:
            import boto3  # noqa: PLC0415 - an extra: only those who raise machines need it
            from botocore.config import Config  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise InputError("Machines of AWS need boto3.", "install the extra: pip install -e '.[aws]'.") from error
        self._site = site
        settings = Config(
            region_name=site.region,
            connect_timeout=_TIMEOUT_S,
            read_timeout=_TIMEOUT_S * 3,
            retries={"mode": "standard", "max_attempts": 3},
        )
        session = boto3.session.Session()  # clients of a session of our own may be used by several threads
        with _explaining("set up"):
            self._ec2 = session.client("ec2", config=settings)
            self._groups = session.client("autoscaling", config=settings)
            self._s3 = session.client("s3", config=settings)
            self._iam = session.client("iam", config=settings)

    def list_machines(self, run: str) -> list[Machine]:
        """Return the machines of a run."""
        return [_build_machine(found) for found in self._describe_instances(run)]

    def list_things(self, run: str | None = None) -> list[Thing]:
        """Return what bears the owner's tags and is not gone; of one run, or of all."""
        found: list[Thing] = []
        with _explaining("list"):
            pages = self._groups.get_paginator("describe_auto_scaling_groups").paginate(Filters=self._filters(run))
            groups = [group for page in pages for group in page["AutoScalingGroups"]]
            found += [_build_thing("group", group["AutoScalingGroupName"], group) for group in groups]
            found += [
                _build_thing("machine", machine["InstanceId"], machine)
                for machine in self._describe_instances(run)
                if machine["State"]["Name"] != "terminated"
            ]
            found += self._list_kind(
                "template", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId", run
            )
            found += self._list_kind("volume", "describe_volumes", "Volumes", "VolumeId", run)
            found += self._list_kind("firewall", "describe_security_groups", "SecurityGroups", "GroupId", run)
            wanted = {OWNER_TAG: self._site.owner} | ({RUN_TAG: run} if run else {})
            found += [_build_thing("role", role["RoleName"], role) for role in list_roles(self._iam, wanted)]
        return found

    def end_things(self, things: Sequence[Thing]) -> None:
        """Begin to end them. What is gone already is no error, and what is in use yet is left for the next time."""
        for thing in things:
            with _explaining(f"end {thing.kind} {thing.id}", forgiven=_GONE + _IN_USE):
                if thing.kind == "group":
                    self._groups.delete_auto_scaling_group(AutoScalingGroupName=thing.id, ForceDelete=True)
                elif thing.kind == "machine":
                    self._ec2.terminate_instances(InstanceIds=[thing.id])
                elif thing.kind == "template":
                    self._ec2.delete_launch_template(LaunchTemplateId=thing.id)
                elif thing.kind == "volume":
                    self._ec2.delete_volume(VolumeId=thing.id)
                elif thing.kind == "firewall":
                    self._ec2.delete_security_group(GroupId=thing.id)
                else:
                    delete_role(self._iam, thing.id)

    def list_activities(self, run: str) -> list[Activity]:
        """Return the last of what the groups of a run tried: AWS gives the hundred newest."""
        found: list[Activity] = []
        with _explaining("ask for the activities of a group", forgiven=_GONE):
            for thing in self.list_things(run):
                if thing.kind == "group":
                    answer = self._groups.describe_scaling_activities(AutoScalingGroupName=thing.id)
                    found += [_build_activity(act) for act in answer["Activities"]]
        return found

    def list_states(self) -> dict[str, datetime]:
        """Return the runs for which Terraform remembers something, each with the time of the last change."""
        prefix = self._site.name_state("").removesuffix(".tfstate")
        with _explaining("list Terraform's states"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._site.state_bucket, Prefix=prefix)
            objects = [entry for page in pages for entry in page.get("Contents", [])]
        return {
            PurePosixPath(entry["Key"]).stem: entry["LastModified"]
            for entry in objects
            if entry["Key"].endswith(".tfstate")
        }

    def forget_state(self, run: str) -> None:
        """Delete what Terraform remembers of a run."""
        key = self._site.name_state(run)
        with _explaining("delete Terraform's state"):
            for name in (key, f"{key}.tflock"):  # a killed apply leaves the lock, and no state
                self._s3.delete_object(Bucket=self._site.state_bucket, Key=name)

    def describe_remedy(self, things: Sequence[Thing]) -> str:
        """Return what a person can do to end them."""
        region = f"--region {self._site.region}"
        commands = [
            f"aws autoscaling delete-auto-scaling-group --force-delete {region} --auto-scaling-group-name {thing.id}"
            for thing in things
            if thing.kind == "group"
        ]
        if machines := " ".join(thing.id for thing in things if thing.kind == "machine"):
            commands.append(f"aws ec2 terminate-instances {region} --instance-ids {machines}")
        by_hand = f", or by hand: {'; '.join(commands)}" if commands else ""
        return f"run 'python -m flows.reap' once the cloud answers{by_hand}."

    def _filters(self, run: str | None) -> list[dict[str, Any]]:
        filters = [{"Name": f"tag:{OWNER_TAG}", "Values": [self._site.owner]}]
        return [*filters, {"Name": f"tag:{RUN_TAG}", "Values": [run]}] if run else filters

    def _describe_instances(self, run: str | None) -> list[dict[str, Any]]:
        with _explaining("list machines"):
            pages = self._ec2.get_paginator("describe_instances").paginate(Filters=self._filters(run))
            return [found for page in pages for group in page["Reservations"] for found in group["Instances"]]

    def _list_kind(self, kind: Kind, operation: str, key: str, id: str, run: str | None) -> list[Thing]:
        pages = self._ec2.get_paginator(operation).paginate(Filters=self._filters(run))
        return [_build_thing(kind, entry[id], entry) for page in pages for entry in page[key]]


def _build_machine(found: dict[str, Any]) -> Machine:
    said = _ENDED.search(found.get("StateTransitionReason", ""))
    ended = datetime.strptime(said[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) if said else None
    state = _STATES.get(found["State"]["Name"], "ending")
    launched: datetime = found["LaunchTime"]
    if state in {"starting", "running"}:
        ended = None
    return Machine(
        id=found["InstanceId"],
        type=found["InstanceType"],
        zone=found.get("Placement", {}).get("AvailabilityZone", ""),
        state=state,
        launched=launched,
        ended=max(ended, launched) if ended else None,
    )


def _build_activity(found: dict[str, Any]) -> Activity:
    said = found.get("StatusMessage", "") if found["StatusCode"] in {"Failed", "Cancelled"} else ""
    return Activity(found["StartTime"], said if classify(said) == "capacity" else "")


def _build_thing(kind: Kind, id: str, found: dict[str, Any]) -> Thing:
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    try:
        expires = datetime.fromisoformat(tags.get(EXPIRES_TAG, ""))
    except ValueError:
        expires = None
    return Thing(
        kind, id, tags.get(RUN_TAG, ""), expires if expires is None or expires.tzinfo else expires.replace(tzinfo=UTC)
    )


@contextlib.contextmanager
def _explaining(action: str, forgiven: Sequence[str] = ()) -> Iterator[None]:
    """Turn botocore's errors into ours; those whose code or words are forgiven end the block quietly."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        said = str(error)
        if any(sign in said for sign in forgiven):
            return
        problem = f"AWS would not {action}: {shorten(said)}"
        if classify(said) == "denied" or "Unable to locate credentials" in said or "NoSuchBucket" in said:
            raise InputError(
                problem, "check the credentials, what they permit (docs/machines.md) and the site's file."
            ) from error
        raise EnvironmentFault(problem, "try again once AWS answers.") from error
