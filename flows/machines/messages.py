"""What Terraform says (``-json``, one object a line), and what kind of fault it is: that decides what is tried next."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

Fault = Literal["denied", "capacity", "locked", "throttling", "unreachable", "other"]

_SIGNS: tuple[tuple[Fault, tuple[str, ...]], ...] = (
    # Error codes of EC2, Auto Scaling, IAM and S3 (their API references), and words of Go's network library.
    (
        "denied",
        (
            "UnauthorizedOperation",
            "AccessDenied",
            "AuthFailure",
            "InvalidClientTokenId",
            "ExpiredToken",
            "SignatureDoesNotMatch",
            "UnrecognizedClient",
            "OptInRequired",
            "no valid credential",
            "NoCredentialProviders",
            "is not authorized to perform",
        ),
    ),
    (
        "capacity",
        (
            "InsufficientInstanceCapacity",
            "InsufficientCapacity",
            "InsufficientHostCapacity",
            "InsufficientReservedInstanceCapacity",
            "UnfulfillableCapacity",
            "MaxSpotInstanceCountExceeded",
            "SpotMaxPriceTooLow",
            "VcpuLimitExceeded",
            "InstanceLimitExceeded",
            "do not have sufficient",
            "no Spot capacity",
            "is not supported in your requested Availability Zone",
            "requested more vCPU capacity",
        ),
    ),
    ("locked", ("Error acquiring the state lock",)),
    (
        "throttling",
        ("RequestLimitExceeded", "Throttling", "Throttled", "TooManyRequests", "SlowDown", "Rate exceeded"),
    ),
    (
        "unreachable",
        (
            "connection refused",
            "connection reset",
            "no such host",
            "i/o timeout",
            "dial tcp",
            "TLS handshake timeout",
            "request send failed",
            "RequestError",
            "context deadline exceeded",
            "unexpected EOF",
            ": EOF",
            "ServiceUnavailable",
            "InternalError",
            "InternalFailure",
            "StatusCode: 500",
            "StatusCode: 503",
            "Could not connect to the endpoint",
        ),
    ),
)
_LOCK = re.compile(r"(?<![A-Za-z])ID:\s+([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_LOCKED_SINCE = re.compile(r"(?<![A-Za-z])Created:\s+(\S+ \S+)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 600


def parse_lines(text: str) -> Iterator[dict[str, Any]]:
    """Read the messages; a line that is none of Terraform's objects becomes a message without a type."""
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        yield value if isinstance(value, dict) and "@message" in value else {"@message": _COLOURS.sub("", line)}


def find_errors(text: str) -> str:
    """Return the summary and the detail of every error; where there is none, all that was said, the end of it."""
    found = [
        f"{diagnostic.get('summary', '')}: {diagnostic.get('detail', '')}"
        for message in parse_lines(text)
        if isinstance(diagnostic := message.get("diagnostic"), dict) and diagnostic.get("severity") == "error"
    ]
    if found:
        return "\n".join(found)
    plain = "\n".join(str(message["@message"]) for message in parse_lines(text))
    at = plain.find("Error")
    return plain[at:] if at >= 0 else plain[-_LONGEST:]


def classify(text: str) -> Fault:
    """Tell the kind of fault from the words of it. Of several faults the one counts that is the least use to repeat."""
    for fault, signs in _SIGNS:
        if any(sign in text for sign in signs):
            return fault
    return "other"


def find_lock(text: str) -> str | None:
    """Return the ID of the lock that was in the way; None: the text names none."""
    found = _LOCK.search(text)
    return found[1] if found else None


def find_lock_time(text: str) -> str | None:
    """Return since when that lock is held (UTC), as ``2026-11-26 14:00:00.123``; None: the text does not say."""
    found = _LOCKED_SINCE.search(text)
    return found[1] if found else None


def shorten(text: str) -> str:
    """Return an error on one line, cut where it grows long."""
    line = " ".join(text.replace("│", " ").split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
