"""What an endpoint says instead of an answer: whether it may pass, is about the prompt, or about the request."""

from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import httpx

AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
"""Status codes after which the same request may succeed."""

_BUSY = {429, 529}
DENIED = {401, 403}
_FILTERING = {400, 403}

_TOO_LONG = (
    "context_length_exceeded",
    "context length",
    "prompt is too long",
    "too many tokens",
    "max_model_len",
    "available context size",  # llama.cpp
    "input token count",  # Gemini
    "inputs must have less than",  # Text Generation Inference, as the next
    "`inputs` tokens + `max_new_tokens` must be",
)
_FILTERED = (
    "content_filter",
    "content_policy",
    "content management policy",
    "contentpolicyviolation",  # LiteLLM
    "responsibleaipolicyviolation",
    "data_inspection_failed",
    "moderation",
    "input was flagged",
)
_EXCERPT = 200


class Fault:
    """A response that is no answer.

    Args:
        response: read to its end.
        secret: must not be shown, even if the endpoint repeats it.
    """

    def __init__(self, response: httpx.Response, secret: str | None) -> None:
        self.status = response.status_code
        self.wait = _read_wait(response)
        words, kind = _read_words(response)
        self._signs = f"{words} {kind}".lower()
        # What is found nowhere else is shown, but not searched: some repeat the prompt.
        shown = " ".join((words or response.text).split()) or "no message"
        # First the secret, then the cut, which would leave a part of it.
        self.message = (shown.replace(secret, "***") if secret else shown)[:_EXCERPT]

    @property
    def is_busy(self) -> bool:
        """Whether the endpoint wants fewer requests."""
        return self.status in _BUSY or self.wait is not None

    @property
    def is_too_long(self) -> bool:
        """Whether the prompt is longer than the context."""
        return any(sign in self._signs for sign in _TOO_LONG)

    @property
    def is_filtered(self) -> bool:
        """Whether a filter keeps this prompt from the model."""
        return self.status in _FILTERING and any(sign in self._signs for sign in _FILTERED)


def _read_words(response: httpx.Response) -> tuple[str, str]:
    """Read code and message, and what else tells the kind of fault."""
    try:
        document: Any = response.json()
    except (ValueError, RecursionError):
        return response.text, ""
    if isinstance(document, list) and document:  # Gemini's way
        document = document[0]
    fault = document.get("error") or document if isinstance(document, dict) else document
    if not isinstance(fault, dict):
        return fault if isinstance(fault, str) else "", ""
    inner = fault.get("innererror")
    words = _join(fault.get("code"), fault.get("message"), fault.get("detail"))
    return words, _join(fault.get("type"), inner.get("code") if isinstance(inner, dict) else None)


def _join(*parts: Any) -> str:
    return " ".join(str(part) for part in parts if part and isinstance(part, str | int))


def _read_wait(response: httpx.Response) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, OverflowError):
        return None
