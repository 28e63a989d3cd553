"""An answer that comes in pieces (server-sent events), read until its request needs no more of it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from judgeforge.engines.endpoint.replies import Logprobs, Message, Usage, describe_places, load_document
from judgeforge.engines.endpoint.requests import Request

_FIELD = b"data:"
_END = b"[DONE]"


class _Choice(BaseModel):
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class _Piece(BaseModel):
    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: Any = None


async def read_stream(response: httpx.Response, request: Request) -> dict[str, Any]:
    """Gather the pieces into the document that the endpoint would have sent in one.

    Raises:
        ValueError: a piece is not what it should be, or the stream ends before the answer does.
    """
    text, refusal = "", ""
    tokens: list[Any] = []
    finish: str | None = None
    usage: Usage | None = None
    ended = False
    async for line in _split_lines(response):
        if not line.startswith(_FIELD):
            continue
        data = line.removeprefix(_FIELD).strip()
        if data == _END:
            ended = True
            break
        piece = _parse_piece(data)
        usage = piece.usage or usage
        for choice in piece.choices or []:
            delta = choice.delta or Message()
            text += delta.content or ""
            refusal += delta.refusal or ""
            tokens += (choice.logprobs.content if choice.logprobs else None) or []
            finish = choice.finish_reason or finish
        if request.is_settled(text):
            ended = True
            break
    if not ended and finish is None:
        raise ValueError("the answer broke off")
    message = {"content": text, "refusal": refusal or None}
    choice_read = {"message": message, "finish_reason": finish, "logprobs": {"content": tokens or None}}
    return {"choices": [choice_read], "usage": usage}


async def _split_lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """Split at line feeds alone: other line ends of Unicode may stand within a piece's JSON."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
    yield rest


def _parse_piece(data: bytes) -> _Piece:
    try:
        piece = _Piece.model_validate(load_document(data))
    except ValidationError as error:
        raise ValueError(f"no piece of a chat completion ({describe_places(error)})") from None
    if piece.error is not None:
        raise ValueError("an error amid the answer")
    return piece
