"""How the service listens and what it refuses."""

import ipaddress
import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from judgeforge.errors import InputError

TOKENS_VARIABLE = "JUDGEFORGE_SERVE_TOKENS"
_SHORTEST_TOKEN = 16


class ServeSettings(BaseModel):
    """Address and limits.

    Args:
        host: to listen on.
        port: 0: a free one.
        model: a judge's folder; None: the champion of the registry.
        base: the base model of an adapter that was moved.
        max_body_bytes: of a request.
        max_queue: requests that may wait; one more is refused.
        max_connections: open at once.
        timeout_s: for an answer, waiting included.
        read_timeout_s: for a whole request to come in, and for its answer to be taken.
        drain_s: for what is under way when the service ends.
        start_s: for a worker to load the judge and grade an item.
        hang_s: without a word of a worker that owes answers, until it is killed.
        watch_s: between looks at the registry's champion; 0: none.
        one_at_a_time: on a change, end the old worker before the new one starts: for machines without room for two.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: Annotated[NonNegativeInt, Field(le=65535)]
    model: Path | None
    base: Path | None
    max_body_bytes: PositiveInt
    max_queue: PositiveInt
    max_connections: PositiveInt
    timeout_s: PositiveFloat
    read_timeout_s: PositiveFloat
    drain_s: PositiveFloat
    start_s: PositiveFloat
    hang_s: PositiveFloat
    watch_s: NonNegativeFloat
    one_at_a_time: bool


def load_tokens() -> tuple[bytes, ...]:
    """Read the tokens from the environment, where they stand with commas between.

    Raises:
        InputError: one is short enough to be guessed, or no header could hold it.
    """
    tokens = [part.strip() for part in os.environ.get(TOKENS_VARIABLE, "").split(",") if part.strip()]
    if any(len(token) < _SHORTEST_TOKEN or not token.isascii() or " " in token for token in tokens):
        raise InputError(
            f"A token in {TOKENS_VARIABLE} is shorter than {_SHORTEST_TOKEN} characters, or not of plain ASCII.",
            "make each with: openssl rand -hex 32",
        )
    return tuple(token.encode() for token in tokens)


def check_address(host: str, tokens: tuple[bytes, ...]) -> None:
    """Make sure that other machines get in by a token only.

    Raises:
        InputError: ``host`` can be reached from elsewhere, and there is no token.
    """
    if not (tokens or _is_loopback(host)):
        raise InputError(
            f"Whoever can reach {host} could use the judge, for there is no token.",
            f"set {TOKENS_VARIABLE}, or listen on 127.0.0.1.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
