"""One request to an endpoint: sent again where that may help, and told plainly where it will not."""

from collections.abc import Awaitable, Callable
from typing import Literal

import anyio
import httpx
from pydantic import SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.faults import AGAIN, DENIED, Fault
from judgeforge.engines.endpoint.limits import Budget, RateLimiter
from judgeforge.engines.endpoint.replies import Reply, load_document, parse_reply
from judgeforge.engines.endpoint.requests import Request, estimate_tokens
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.endpoint.spending import NOTHING, Cost
from judgeforge.engines.endpoint.streaming import read_stream
from judgeforge.errors import EnvironmentFault, InputError

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class TryAgain(Exception):
    """The same request may succeed later.

    Args:
        cause: in words for a person.
        kind: ``busy``: the endpoint wants fewer requests; ``down``: no whole answer came; ``failed``: one that is of no
            use, which may be the request's own fault; ``empty``: one without text.
        wait: what the endpoint asks for, in seconds.
        paid: an answer may have been written, and paid for.
    """

    def __init__(
        self,
        cause: str,
        kind: Literal["busy", "down", "failed", "empty"],
        wait: float | None = None,
        *,
        paid: bool = True,
    ) -> None:
        super().__init__(cause)
        self.kind, self.wait, self.paid = kind, wait, paid


class Refused(InputError):
    """The endpoint refuses a request as it is."""


class EndpointClient:
    """Sends requests within the limits, and writes down what they cost and what came.

    Args:
        http: with the address's time-outs and the key.
        settings: of the endpoint.
        limiter: holds requests back.
        budget: ends the run when it is used up.
        cache: where answers and costs are written.
        key: must not be shown.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        settings: EndpointSettings,
        *,
        limiter: RateLimiter,
        budget: Budget,
        cache: AnswerCache,
        key: SecretStr | None,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._http, self._settings, self._limiter, self._budget, self._sleep = http, settings, limiter, budget, sleep
        self._cache, self._key = cache, key
        self._sending: set[anyio.CancelScope] = set()
        self._ending = False

    def end(self) -> None:
        """Send nothing more. What is on its way is paid for, so it goes on even if the rest is cancelled."""
        self._ending = True
        for scope in self._sending:
            scope.shield = True

    async def send(self, request: Request) -> Reply:
        """Return the reply to a request.

        Raises:
            InputError: the endpoint refuses such requests, or the budget is used up.
            EnvironmentFault: it gave no usable reply in all attempts.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(TryAgain),
            stop=stop_after_attempt(self._settings.max_attempts),
            wait=self._choose_wait,
            sleep=self._sleep,
            reraise=True,
        )
        empty = 0

        async def attempt() -> Reply:
            nonlocal empty
            try:
                return await self.send_once(request, accept_empty=empty + 1 >= self._settings.empty_attempts)
            except TryAgain as error:
                empty += error.kind == "empty"
                raise

        try:
            return await retrying(attempt)
        except TryAgain as error:
            raise EnvironmentFault(
                f"{self._settings.base_url} gave no usable answer in {self._settings.max_attempts} attempts; "
                f"the last was {error}.",
                "run again later: the answers that came are kept and not paid for twice.",
            ) from error

    async def send_once(self, request: Request, *, accept_empty: bool = True) -> Reply:
        """Return the reply to a request that is sent once, when the limits let it through.

        Args:
            request: what to send.
            accept_empty: an empty answer is the model's own.

        Raises:
            TryAgain: there was no usable reply.
            InputError: the endpoint refuses the request (``Refused``) or the key, or the budget is used up.
        """
        estimate = Cost(estimate_tokens(request.prompt), int(request.body[self._settings.max_tokens_field]))
        admission = await self._limiter.admit(estimate.total)
        async with self._budget.hold(request, estimate) as hold:
            # What breaks off, for whatever reason, may have been paid for in full.
            cost, kept = hold.most, None
            try:
                if self._ending:
                    cost = NOTHING
                    await anyio.sleep_forever()  # until this question is cancelled, too
                with anyio.CancelScope() as scope:
                    self._sending.add(scope)
                    try:
                        reply, cost = await self._exchange(request)
                    finally:
                        self._sending.discard(scope)
                admission.tokens = cost.total
                if not accept_empty and reply.finish == "end" and not reply.text.strip():
                    raise TryAgain("an empty answer", "empty")
                # A context can be made longer.
                kept = reply if reply.finish != "prompt_too_long" else None
            except TryAgain as error:
                cost = cost if error.paid else NOTHING
                raise
            except InputError:
                cost = NOTHING
                raise
            finally:
                self._cache.settle(request, cost, reply=kept, reservation=hold.reservation)
            if cost != NOTHING:
                self._budget.learn(estimate.prompt, cost.prompt)
        return reply

    def _choose_wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, TryAgain) else None
        first, longest = self._settings.first_wait_s, self._settings.max_wait_s
        own = float(wait_exponential_jitter(multiplier=first, max=longest, jitter=first)(state))
        if asked is None:
            return own
        if asked > longest:
            raise EnvironmentFault(
                f"{self._settings.base_url} asks for a wait of {asked:.0f} s, longer than max_wait_s allows.",
                "run again then: the answers that came are kept; or raise max_wait_s.",
            )
        self._limiter.pause(asked)
        # Some ask for no wait at all, again and again.
        return max(asked, own)

    async def _exchange(self, request: Request) -> tuple[Reply, Cost]:
        try:
            with anyio.fail_after(self._settings.timeout_s):
                async with self._http.stream("POST", self._settings.url, json=request.body) as response:
                    return await self._read(response, request)
        except TimeoutError as error:
            raise TryAgain(f"no whole answer within {self._settings.timeout_s:g} s", "down") from error
        except httpx.RequestError as error:
            cause = f"{type(error).__name__} ({error or 'no answer'})"
            kind: Literal["down", "failed"] = "down" if isinstance(error, httpx.TransportError) else "failed"
            raise TryAgain(cause, kind, paid=not isinstance(error, _NEVER_SENT)) from error
        except ValueError as error:
            raise TryAgain(f"garbage: {error}", "failed") from error

    async def _read(self, response: httpx.Response, request: Request) -> tuple[Reply, Cost]:
        if response.status_code != httpx.codes.OK:
            await response.aread()
            return self._read_fault(response, request), NOTHING
        if request.body.get("stream"):
            reply = parse_reply(await read_stream(response, request), request)
        else:
            reply = parse_reply(load_document(await response.aread()), request)
        return reply, Cost(reply.prompt_tokens, reply.output_tokens)

    def _read_fault(self, response: httpx.Response, request: Request) -> Reply:
        fault = Fault(response, None if self._key is None else self._key.get_secret_value())
        if fault.status in AGAIN:
            kind: Literal["busy", "failed"] = "busy" if fault.is_busy else "failed"
            raise TryAgain(f"status {fault.status}: {fault.message}", kind, fault.wait, paid=False)
        tokens = estimate_tokens(request.prompt)
        if fault.is_too_long:
            return Reply(text="", finish="prompt_too_long", prompt_tokens=tokens, output_tokens=0)
        if fault.is_filtered:
            return Reply(text="", finish="refused", prompt_tokens=tokens, output_tokens=0)
        if fault.status in DENIED:
            raise InputError(
                f"{self._settings.base_url} denies access (status {fault.status}): {fault.message}",
                f"check the key in the environment variable {self._settings.api_key_env}, and what it may be used for.",
            )
        raise Refused(
            f"{self._settings.base_url} refuses the request (status {fault.status}): {fault.message}",
            "correct the endpoint's settings: model, max_tokens_field, omit, extra_body (docs/engines.md).",
        )
