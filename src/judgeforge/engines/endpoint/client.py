"""One request to an endpoint: sent again where that may help, and told plainly where it will not."""

from collections.abc import Awaitable, Callable

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


class _TryAgain(Exception):
    """The same request may succeed later.

    Args:
        cause: in words for a person.
        wait: what the endpoint asks for, in seconds.
        paid: an answer may have been written, and paid for.
    """

    def __init__(self, cause: str, wait: float | None = None, *, paid: bool = True) -> None:
        super().__init__(cause)
        self.wait, self.paid = wait, paid


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
            retry=retry_if_exception_type(_TryAgain),
            stop=stop_after_attempt(self._settings.max_attempts),
            wait=self._choose_wait,
            sleep=self._sleep,
            reraise=True,
        )
        most = Cost(estimate_tokens(request.prompt), int(request.body[self._settings.max_tokens_field]))
        empty = 0

        async def attempt() -> Reply:
            nonlocal empty
            reply = await self._attempt(request, most, last=empty + 1 >= self._settings.empty_attempts)
            if reply is None:
                empty += 1
                raise _TryAgain("an empty answer")
            return reply

        try:
            return await retrying(attempt)
        except _TryAgain as error:
            raise EnvironmentFault(
                f"{self._settings.base_url} gave no usable answer in {self._settings.max_attempts} attempts; "
                f"the last was {error}.",
                "run again later: the answers that came are kept and not paid for twice.",
            ) from error

    async def _attempt(self, request: Request, most: Cost, *, last: bool) -> Reply | None:
        """Send a request once; None: an empty answer, which is the judge's own only if it is the ``last``."""
        admission = await self._limiter.admit(most.total)
        reservation = await self._budget.reserve(request, most)
        # What breaks off, for whatever reason, may have been paid for in full.
        cost, kept = most, None
        try:
            if self._ending:
                cost = NOTHING
                await anyio.sleep_forever()  # until this question is cancelled, too
            with anyio.CancelScope() as scope:
                self._sending.add(scope)
                try:
                    reply, cost = await self._send_once(request)
                finally:
                    self._sending.discard(scope)
            said_nothing = reply.finish == "end" and not reply.text.strip()
            final = last or not said_nothing
            # A context can be made longer.
            kept = reply if final and reply.finish != "prompt_too_long" else None
            admission.tokens = cost.total
        except _TryAgain as error:
            cost = cost if error.paid else NOTHING
            raise
        except InputError:
            cost = NOTHING
            raise
        finally:
            self._cache.settle(request, cost, reply=kept, reservation=reservation)
        return reply if final else None

    def _choose_wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, _TryAgain) else None
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

    async def _send_once(self, request: Request) -> tuple[Reply, Cost]:
        try:
            with anyio.fail_after(self._settings.timeout_s):
                async with self._http.stream("POST", request.url, json=request.body) as response:
                    return await self._read(response, request)
        except TimeoutError as error:
            raise _TryAgain(f"no whole answer within {self._settings.timeout_s:g} s") from error
        except httpx.RequestError as error:
            cause = f"{type(error).__name__} ({error or 'no answer'})"
            raise _TryAgain(cause, paid=not isinstance(error, _NEVER_SENT)) from error
        except ValueError as error:
            raise _TryAgain(f"garbage: {error}") from error

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
            raise _TryAgain(f"status {fault.status}: {fault.message}", fault.wait, paid=False)
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
        raise InputError(
            f"{self._settings.base_url} refuses the request (status {fault.status}): {fault.message}",
            "correct the endpoint's settings: model, max_tokens_field, omit, extra_body (docs/engines.md).",
        )
