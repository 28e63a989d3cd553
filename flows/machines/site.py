"""The account in which machines are raised: what belongs to an installation and not to a recipe."""

import json
import os
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from judgeforge.errors import InputError
from judgeforge.files import load_json

SITE_VARIABLE = "JUDGEFORGE_SITE"
"""Names the JSON file."""

_Name = Annotated[str, Field(min_length=1)]
_EnvironmentName = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]
_KeyArn = Annotated[str, Field(pattern=r"^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$")]
_SECRET_SIGNS = ("SECRET", "PASSWORD", "TOKEN", "_KEY", "CREDENTIAL", "AUTH_STRING", "WEBHOOK")


_PORTS = {"http": 80, "https": 443, "ssh": 22}


def _names_user(address: str) -> bool:
    """Whether an address has a user or a password; over SSH a user alone is no secret, and needed."""
    try:
        parts = urlsplit(address)
    except ValueError:  # half an address; what it says would show the value
        return "@" in address
    return bool(parts.password) or (parts.username is not None and parts.scheme != "ssh")


def _find_port(address: str) -> int | None:
    """Return the port at which a machine reaches an address; None: no network is needed, or nobody knows."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return None if not host or host == "localhost" or host.startswith("127.") else port


class Site(BaseModel):
    """Where machines are raised, and what they need to know; docs/machines.md has an example.

    Args:
        owner: which installation this is. One Prefect server, one owner: the reaper ends what bears this name.
        region: of the cloud.
        vpc_id: the network.
        subnet_ids: one a zone, the preferred one first.
        image_id: of the machines' disk.
        mode: ``group``: machines that replace each other when one is taken away; ``instance``: a single one.
        remote_url: bucket and prefix of DVC's remote; a machine may touch nothing else.
        repository_url: where a machine clones the project from.
        prefect_api_url: the server, as the machines reach it.
        state_bucket: where Terraform keeps what it has made.
        state_prefix: below which keys.
        environment: variables for the workers that are no secret.
        secrets: variables for the workers, each with the name that its value has in the cloud's store of parameters.
        extras: the project's extras that a machine installs, beside those that the recipe needs.
        egress_ports: that machines may reach; 80 where the image gets packages by plain HTTP, as Ubuntu's does.
        egress_cidrs: addresses that they may reach on those ports.
        permissions_boundary: ARN of the policy that the machines' role may not exceed (state/ makes it); None: none.
        kms_key_arns: keys of one's own with which the remote's bucket and the secrets are encrypted.
        checkpoint_grace_s: how long a stage has for its last checkpoint when its machine is taken away.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    owner: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")]
    region: _Name
    vpc_id: _Name
    subnet_ids: Annotated[tuple[_Name, ...], Field(min_length=1)]
    image_id: _Name
    mode: Literal["group", "instance"] = "group"
    remote_url: Annotated[str, Field(pattern=r"^s3://[a-z0-9.-]+/.+$")]
    repository_url: _Name
    prefect_api_url: Annotated[str, Field(pattern=r"^https?://")]
    state_bucket: _Name
    state_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")] = "judgeforge/machines"
    environment: dict[_EnvironmentName, str] = {}
    secrets: dict[_EnvironmentName, _Name] = {}
    extras: tuple[_Name, ...] = ("pipeline", "train", "gpu", "aws")
    egress_ports: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], Field(min_length=1)] = (443,)
    egress_cidrs: Annotated[tuple[IPv4Network, ...], Field(min_length=1)] = (IPv4Network("0.0.0.0/0"),)
    permissions_boundary: Annotated[str, Field(pattern=r"^arn:[a-z-]+:iam::\d{12}:policy/.+$")] | None = None
    kms_key_arns: tuple[_KeyArn, ...] = ()
    checkpoint_grace_s: Annotated[int, Field(ge=1, le=110)] = 90  # a spot machine is taken two minutes after the notice

    @model_validator(mode="after")
    def _holds_no_secret(self) -> Self:
        for name in self.environment:
            if any(sign in name for sign in _SECRET_SIGNS):
                raise ValueError(
                    f"environment.{name} looks like a secret: put it into the store and name it in secrets"
                )
        addresses = {"repository_url": self.repository_url, "prefect_api_url": self.prefect_api_url}
        addresses |= {f"environment.{name}": value for name, value in self.environment.items()}
        for key, address in addresses.items():
            if _names_user(address):
                raise ValueError(f"{key} holds a user or a password: put the secret into the store, name it in secrets")
        if both := sorted(set(self.environment) & set(self.secrets)):
            raise ValueError(f"{both[0]} stands in environment and in secrets")
        return self

    @model_validator(mode="after")
    def _opens_the_ports_it_names(self) -> Self:
        if any(name.endswith("_PROXY") for name in self.environment):
            return self
        addresses = {"repository_url": self.repository_url, "prefect_api_url": self.prefect_api_url}
        addresses["environment.MLFLOW_TRACKING_URI"] = self.environment.get("MLFLOW_TRACKING_URI", "")
        for key, address in addresses.items():
            port = _find_port(address)
            if port and port not in self.egress_ports:
                raise ValueError(f"machines reach {key} at port {port}, which is not in egress_ports: add it")
        return self

    def name_state(self, run: str) -> str:
        """Return the key under which Terraform keeps what it made for a run."""
        return f"{self.state_prefix}/{self.owner}/{run}.tfstate"


def load_site(path: Path | None = None) -> Site:
    """Read the site's file.

    Args:
        path: the file; None: the one that JUDGEFORGE_SITE names.

    Raises:
        InputError: none is named, or it is missing or wrong; the key is named, its value is not shown.
    """
    named = path or (Path(name) if (name := os.environ.get(SITE_VARIABLE)) else None)
    if named is None:
        raise InputError(
            "Machines are wanted (runner.provider), and no file says where.",
            f"write the site's file (docs/machines.md) and name it in {SITE_VARIABLE}, or set runner.provider to none.",
        )
    return parse_site(load_json(named), str(named))


def parse_site(value: Any, name: str) -> Site:
    """Check what a site's file holds.

    Raises:
        InputError: as ``load_site``.
    """
    try:
        return Site.model_validate_json(json.dumps(value))
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        said = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}" for fault in faults[:5])
        raise InputError(
            f"{name} is no description of a site: {said}.", "mend it; docs/machines.md has all keys."
        ) from error
