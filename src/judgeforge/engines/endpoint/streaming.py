"""An answer that comes in pieces (server-sent events), read until its verdict is settled."""

import json
from typing import Any

import httpx

from judgeforge.engines.endpoint.requests import Request
from judgeforge.grading.parsing import is_settled

_FIELD = "data:"
_END = "[DONE]"


async def read_stream(response: httpx.Response, request: Request) -> dict[str, Any]:
    """Gather the pieces into the document that the endpoint would have sent in one.

    Raises:
        ValueError: a piece is no JSON, or the stream ends before the answer does.
    """
    text, refusal = "", ""
    tokens: list[Any] = []
    finish: str | None = None
    usage: dict[str, Any] | None = None
    ended = False
    async for line in response.aiter_lines():
        if not line.startswith(_FIELD):
            continue
        data = line.removeprefix(_FIELD).strip()
        if data == _END:
            ended = True
            break
        piece = json.loads(data)
        if not isinstance(piece, dict) or "error" in piece:
            raise ValueError("an error amid the answer")
        usage = piece.get("usage") or usage
        for choice in piece.get("choices") or []:
            delta = choice.get("delta") or {}
            text += delta.get("content") or ""
            refusal += delta.get("refusal") or ""
            tokens += (choice.get("logprobs") or {}).get("content") or []
            finish = choice.get("finish_reason") or finish
        if is_settled(request.before + text, request.marker):
            ended = True
            break
    if not ended and finish is None:
        raise ValueError("the answer broke off")
    message = {"content": text, "refusal": refusal or None}
    choice = {"message": message, "finish_reason": finish, "logprobs": {"content": tokens or None}}
    return {"choices": [choice], "usage": usage}
