"""Several addresses of one model: each request goes where the fewest are on their way.

An address that fails is left out, for a wait that doubles, and then tried with one request at a time until one is
answered. A request that failed is sent to another address. The run goes on as long as one address lives: it ends once
each has failed ``max_attempts`` times in a row, or asks for a longer wait than ``max_wait_s``.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio

from judgeforge.engines.endpoint.client import EndpointClient, Refused, TryAgain
from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import Request
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.errors import EnvironmentFault

_PATIENCE = 4
"""A request that meets failing addresses alone is tried so many times more often than one that failed by itself."""


class Unanswered(Exception):
    """A request was not answered, but others may be.

    Args:
        cause: in words for a person.
        refused: the endpoint will not take the request; otherwise it failed on it time and again.
    """

    def __init__(self, cause: str, *, refused: bool) -> None:
        super().__init__(cause)
        self.refused = refused


@dataclass
class Member:
    """One address.

    Args:
        client: sends to it.
        settings: of it.
        outstanding: requests on their way.
        sent: requests ever sent.
        round: counts its failures; those of requests that were on their way together are one.
        failures: since its last answer. A fault of the connection is the address's own, and each counts; a bad status
            may be the request's fault, and counts once a request.
        resting_until: on the pool's clock.
        cause: of its last failure, for a person.
    """

    client: EndpointClient
    settings: EndpointSettings
    outstanding: int = 0
    sent: int = 0
    round: int = 0
    failures: set[str] = field(default_factory=set)
    resting_until: float = -float("inf")
    cause: str = ""

    def has_room(self) -> bool:
        """Whether one more may be sent: after a failure, one at a time."""
        return self.outstanding < (1 if self.failures else self.settings.concurrency)

    def is_given_up(self, now: float) -> bool:
        """Whether it no longer counts as living; it is tried all the same while another lives."""
        too_long = self.resting_until - now > self.settings.max_wait_s
        return too_long or len(self.failures) >= self.settings.max_attempts


class EndpointPool:
    """Sends requests to addresses of one model.

    Args:
        members: at least one.
        clock: seconds, never going back.
        answered: requests of this kind that were answered before: above 0, a refusal is not the settings' fault.
    """

    def __init__(self, members: Sequence[Member], clock: Callable[[], float], answered: int) -> None:
        self._members, self._clock, self._answered = members, clock, answered
        self._max_attempts = max(member.settings.max_attempts for member in members)
        self._change = anyio.Condition()

    @property
    def concurrency(self) -> int:
        """Requests on their way at once."""
        return sum(member.settings.concurrency for member in self._members)

    def end(self) -> None:
        """Send nothing more; see ``EndpointClient``."""
        for member in self._members:
            member.client.end()

    async def send(self, request: Request) -> Reply:
        """Return the reply to a request.

        Raises:
            Unanswered: the request failed or was refused where others were answered.
            InputError: an endpoint refuses the key or every request, or the budget is used up.
            EnvironmentFault: no address lives.
        """
        blamed = tries = 0
        answered_before = self._answered
        while True:
            member = await self._choose()
            round, failures = member.round, set(member.failures)
            try:
                reply = await member.client.send_once(request)
            except Refused as error:
                if not self._answered:
                    raise
                raise Unanswered(error.problem, refused=True) from error
            except TryAgain as error:
                self._leave_out(member, round, request, error)
                # An address that failed on others, or whose connection did, may fail on this one for the same reason.
                blamed += error.kind != "busy" and failures <= {request.key}
                tries += 1
                if blamed >= self._max_attempts or tries >= self._max_attempts * _PATIENCE:
                    if error.kind != "failed" and self._answered == answered_before:
                        raise self._describe_fault() from error
                    raise Unanswered(str(error), refused=False) from error
            else:
                self._answered += 1
                member.failures.clear()
                return reply
            finally:
                member.outstanding -= 1
                await self._tell()

    async def _choose(self) -> Member:
        async with self._change:
            while True:
                now = self._clock()
                rested = [member for member in self._members if member.resting_until <= now]
                if free := [member for member in rested if member.has_room()]:
                    chosen = min(free, key=lambda member: (member.outstanding, member.sent))
                    chosen.outstanding += 1
                    chosen.sent += 1
                    return chosen
                ends = [member.resting_until - now for member in self._members if member not in rested]
                with anyio.move_on_after(min(ends, default=float("inf"))):
                    await self._change.wait()

    def _leave_out(self, member: Member, round: int, request: Request, error: TryAgain) -> None:
        member.cause = f"{member.settings.base_url}: {error}"
        now = self._clock()
        if round == member.round:
            member.round += 1
            member.failures.add(request.key if error.kind == "failed" else f"round {round}")
            first, longest = member.settings.first_wait_s, member.settings.max_wait_s
            wait = min(first * 2 ** (len(member.failures) - 1), longest) + random.random() * first
            member.resting_until = now + min(wait, longest)
        if error.wait is not None:
            member.resting_until = max(member.resting_until, now + error.wait)
        if all(each.is_given_up(now) for each in self._members):
            raise self._describe_fault()

    def _describe_fault(self) -> EnvironmentFault:
        causes = "; ".join(member.cause for member in self._members if member.cause)
        return EnvironmentFault(
            f"None of {len(self._members)} endpoints answers any more ({causes}).",
            "see to them and run again: the answers that came are kept and not paid for twice.",
        )

    async def _tell(self) -> None:
        with anyio.CancelScope(shield=True):
            async with self._change:
                self._change.notify_all()
