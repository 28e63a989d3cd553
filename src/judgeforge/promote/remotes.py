"""DVC's remotes: which one a judge is to be in, pushing it there, and reading from it where there is no repository."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.servers import mask_address

_KEPT_OPTIONS = ("endpointurl", "region")
"""What one needs to find an S3 bucket. Keys and profiles are the machine's own."""
_PROTOCOLS = {"azure": "az"}
"""Where fsspec has another word than DVC."""
_OBJECTS = "files/md5"


class Remote(BaseModel):
    """Where DVC keeps files beside its cache.

    Args:
        name: in DVC's configuration.
        url: an address, or a folder; without a password.
        options: of DVC's configuration, none of them secret.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    url: str
    options: Mapping[str, str] = {}


def find_remote(name: str | None) -> Remote:
    """Return a remote of this repository.

    Args:
        name: DVC's; None: the default remote.

    Raises:
        InputError: there is none of this name, or no default.
    """
    pairs = (line.split("=", 1) for line in _ask_dvc("config", "--list").splitlines() if "=" in line)
    settings = {key.strip(): value.strip() for key, value in pairs}
    chosen = name or settings.get("core.remote")
    if not chosen:
        raise InputError(
            "DVC has no default remote.",
            "add one ('dvc remote add --default NAME URL'); for weights alone, promote.remote may name another.",
        )
    url = settings.get(f"remote.{chosen}.url")
    if url is None:
        raise InputError(f"DVC has no remote {chosen!r}.", "see 'dvc remote list', and name one in promote.remote.")
    kept = {key: settings[f"remote.{chosen}.{key}"] for key in _KEPT_OPTIONS if f"remote.{chosen}.{key}" in settings}
    return Remote(name=chosen, url=_drop_password(url), options=kept)


def push(output: Path, remote: Remote) -> None:
    """Send what the remote does not have yet of an output.

    Raises:
        EnvironmentFault: DVC could not.
    """
    command = [sys.executable, "-m", "dvc", "push", "--remote", remote.name, str(output)]
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
        raise EnvironmentFault(
            f"DVC could not push {output} to the remote {remote.name!r}.",
            "see above: usually credentials, space or the network. What was sent stays; run again.",
        )


def open_remote(remote: Remote) -> tuple[Any, str]:
    """Return the remote's file system and the folder in it; credentials come from the environment.

    Raises:
        InputError: a package is missing, or the kind of address is unknown.
    """
    import fsspec  # noqa: PLC0415 - a tenth of a second

    protocol, rest = _split_protocol(remote.url)
    options: dict[str, Any] = {}
    if protocol == "s3":
        region = remote.options.get("region")
        options = {"endpoint_url": remote.options.get("endpointurl")}
        options |= {"client_kwargs": {"region_name": region}} if region else {}
    try:
        system, root = fsspec.core.url_to_fs(f"{protocol}://{rest}" if protocol else rest, **options)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"The remote at {mask_address(remote.url)} cannot be opened: {error}.",
            "install the package, or set promote.weights to upload.",
        ) from error
    return system, str(root).rstrip("/")


def list_packages(remote: Remote) -> list[str]:
    """Return the packages that reading from the remote takes."""
    module = type(open_remote(remote)[0]).__module__.partition(".")[0]
    return list(dict.fromkeys(("fsspec", module)))


def locate(root: str, md5: str) -> str:
    """Return where an object lies below a cache or a remote: the layout of DVC 3."""
    return f"{root}/{_OBJECTS}/{md5[:2]}/{md5[2:]}"


def require_objects(remote: Remote, sizes: Iterable[tuple[str, int]]) -> None:
    """Make sure that a remote has objects, read as whoever loads the judge will read them.

    Args:
        remote: to look into.
        sizes: MD5 and bytes of each.

    Raises:
        InputError: it lacks one, or has half of it.
        EnvironmentFault: it cannot be asked.
    """
    system, root = open_remote(remote)
    for md5, size in sizes:
        try:
            found = system.info(locate(root, md5))["size"]
        except FileNotFoundError:
            found = None
        except Exception as error:
            raise explain_fault(remote, error) from error
        if found != size:
            raise InputError(
                f"The remote {remote.name!r} lacks {md5}, and so does DVC's cache here.",
                "run 'dvc commit' (or 'dvc repro'), then register again.",
            )


def explain_fault(remote: Remote, error: Exception) -> EnvironmentFault:
    """Say that a remote gave way."""
    reason = (str(error).strip().splitlines() or [""])[0].rstrip(".") or type(error).__name__
    return EnvironmentFault(
        f"The DVC remote {remote.name!r} at {mask_address(remote.url)} cannot be read: {reason}.",
        "see to the address and the credentials in the environment, and run again.",
    )


def find_cache() -> Path | None:
    """Return the folder of DVC's cache where the working folder is in a DVC repository, or None."""
    here = Path.cwd()
    if not any((folder / ".dvc").is_dir() for folder in (here, *here.parents)):
        return None
    if importlib.util.find_spec("dvc") is None:
        return None
    return Path(_ask_dvc("cache", "dir").strip())


def _ask_dvc(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise InputError(f"DVC does not answer here: {reason}", "run this in the repository's folder.")
    return done.stdout


def _split_protocol(url: str) -> tuple[str, str]:
    protocol, found, rest = url.partition("://")
    return (_PROTOCOLS.get(protocol, protocol), rest) if found else ("", url)


def _drop_password(url: str) -> str:
    parts = urlsplit(url)
    if "://" not in url or parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}" if parts.username else host))
