"""Servers that a person names by an address: whether one is there, and how its address may be shown."""

import os
from urllib.parse import urlsplit, urlunsplit

import httpx

from judgeforge.errors import EnvironmentFault

_PROBE_TIMEOUT_S = 3.0


def mask_address(address: str) -> str:
    """Return ``address`` without user, password and query, as it may be shown to people."""
    parts = urlsplit(address)
    if parts.scheme.startswith("sqlite"):
        return address
    credentials, _, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, f"***@{host}" if credentials else host, parts.path, "", ""))


def check_server(name: str, address: str, remedy: str) -> None:
    """Ask the server at ``address`` whether it is there, at its path ``/health``; anything below HTTP 500 will do.

    Args:
        name: what a person calls it.
        address: beginning with http:// or https://.
        remedy: what to do if it is not there.

    Raises:
        EnvironmentFault: it does not answer within seconds.
    """
    verify = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "false").lower() != "true"
    try:
        status = httpx.get(f"{address.rstrip('/')}/health", timeout=_PROBE_TIMEOUT_S, verify=verify).status_code
        reason = f"HTTP {status}" if status >= 500 else None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = type(error).__name__
    if reason:
        raise EnvironmentFault(f"The {name} at {mask_address(address)} does not answer ({reason}).", remedy)
