"""One request to an endpoint: sent again where that may help, and told plainly where it will not."""

import json
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import anyio
import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from judgeforge.engines.endpoint.limits import Budget, RateLimiter
from judgeforge.engines.endpoint.replies import Reply, parse_reply
from judgeforge.engines.endpoint.requests import Request, estimate_tokens
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.endpoint.streaming import read_stream
from judgeforge.errors import EnvironmentFault, InputError

_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
_DENIED = {401, 403}
_TOO_LONG = ("context_length_exceeded", "context length", "prompt is too long", "too many tokens", "max_model_len")
_EXCERPT = 200


class _TryAgain(Exception):
    """The same request may succeed later.

    Args:
        cause: in words for a person.
        wait: what the endpoint asks for, in seconds.
    """

    def __init__(self, cause: str, wait: float | None = None) -> None:
        super().__init__(cause)
        self.wait = wait


class EndpointClient:
    """Sends requests within the limits.

    Args:
        http: with the address's time-outs and the key.
        settings: of the endpoint.
        limiter: holds requests back.
        budget: ends the run when it is used up.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        settings: EndpointSettings,
        limiter: RateLimiter,
        budget: Budget,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._http, self._settings, self._limiter, self._budget, self._sleep = http, settings, limiter, budget, sleep

    async def send(self, request: Request, keep: Callable[[Reply, bool], None]) -> Reply:
        """Return the reply to a request.

        Args:
            request: what to send.
            keep: called with each reply that was paid for, and whether it is final.

        Raises:
            InputError: the endpoint refuses such requests, or the budget is used up.
            EnvironmentFault: it gave no usable reply in all attempts.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TryAgain),
            stop=stop_after_attempt(self._settings.max_attempts),
            wait=self._choose_wait,
            sleep=self._sleep,
            reraise=True,
        )
        needed = estimate_tokens(request.prompt) + int(request.body[self._settings.max_tokens_field])
        empty = 0
        try:
            async for attempt in retrying:
                with attempt:
                    async with self._budget.reserve(needed):
                        admission = await self._limiter.admit(needed)
                        reply = await self._send_once(request)
                        admission.tokens = reply.prompt_tokens + reply.output_tokens
                        said_nothing = reply.finish == "end" and not reply.text.strip()
                        empty += said_nothing
                        final = not said_nothing or empty >= self._settings.empty_attempts
                        keep(reply, final)
                    if not final:
                        raise _TryAgain("an empty answer")
        except _TryAgain as error:
            raise EnvironmentFault(
                f"{self._settings.base_url} gave no usable answer in {self._settings.max_attempts} attempts; "
                f"the last was {error}.",
                "run again later: the answers that came are kept and not paid for twice.",
            ) from error
        return reply

    def _choose_wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, _TryAgain) else None
        if asked is None:
            first, longest = self._settings.first_wait_s, self._settings.max_wait_s
            return float(wait_exponential_jitter(multiplier=first, max=longest, jitter=first)(state))
        if asked > self._settings.max_wait_s:
            raise EnvironmentFault(
                f"{self._settings.base_url} asks for a wait of {asked:.0f} s, longer than max_wait_s allows.",
                "run again then: the answers that came are kept; or raise max_wait_s.",
            )
        self._limiter.pause(asked)
        return asked

    async def _send_once(self, request: Request) -> Reply:
        try:
            with anyio.fail_after(self._settings.timeout_s):
                async with self._http.stream("POST", request.url, json=request.body) as response:
                    return await self._read(response, request)
        except TimeoutError as error:
            raise _TryAgain(f"no whole answer within {self._settings.timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise _TryAgain(f"{type(error).__name__} ({error or 'no answer'})") from error
        except ValueError as error:
            raise _TryAgain(f"garbage: {error}") from error

    async def _read(self, response: httpx.Response, request: Request) -> Reply:
        if response.status_code != httpx.codes.OK:
            await response.aread()
            return self._read_fault(response, request)
        if request.body.get("stream"):
            return parse_reply(await read_stream(response, request), request)
        return parse_reply(json.loads(await response.aread()), request)

    def _read_fault(self, response: httpx.Response, request: Request) -> Reply:
        status, message = response.status_code, _read_message(response)
        if status in _AGAIN:
            raise _TryAgain(f"status {status}: {message}", _read_wait(response))
        if any(sign in message.lower() for sign in _TOO_LONG):
            tokens = estimate_tokens(request.prompt)
            return Reply(text="", finish="prompt_too_long", prompt_tokens=tokens, output_tokens=0)
        if status in _DENIED:
            raise InputError(
                f"{self._settings.base_url} denies access (status {status}).",
                f"check the key in the environment variable {self._settings.api_key_env}, and what it may be used for.",
            )
        raise InputError(
            f"{self._settings.base_url} refuses the request (status {status}): {message}",
            "correct the endpoint's settings: model, max_tokens_field, omit, extra_body (docs/engines.md).",
        )


def _read_message(response: httpx.Response) -> str:
    try:
        document: Any = response.json()
        fault = document.get("error", document)
        parts = [fault.get("code"), fault.get("message")] if isinstance(fault, dict) else [fault]
        text = " ".join(str(part) for part in parts if part)
    except (ValueError, AttributeError):
        text = response.text
    return " ".join(text.split())[:_EXCERPT] or "no message"


def _read_wait(response: httpx.Response) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
