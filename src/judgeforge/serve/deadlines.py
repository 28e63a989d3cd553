"""HTTP/1.1 with a deadline for each request to come in, head and body: a slow client holds no connection for long.

uvicorn has a time-out for idle connections between requests only: one that sends a byte now and then, or none at all
at its beginning, could stay for ever.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 43\r\n\r\n"
    b'{"detail":"The request came in too slowly"}'
)


class DeadlineProtocol(H11Protocol):
    """One connection; ``build_protocol`` sets what stands in the class."""

    read_timeout_s: float
    count_cut: Callable[[], None]
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Give the first request its time."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._unwatch()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Start or stop the clock by what has come."""
        super().handle_events()
        begun = self.conn.their_state is h11.IDLE and (self.cycle is None or self.conn.trailing_data[0])
        if (begun or self.conn.their_state is h11.SEND_BODY) and not self.transport.is_closing():
            self._watch()
        else:
            self._unwatch()

    def on_response_complete(self) -> None:
        """Stop the clock: an idle connection is uvicorn's matter. A body that still comes, though refused, is ours."""
        if self.conn.their_state is not h11.SEND_BODY:
            self._unwatch()
        super().on_response_complete()

    def _watch(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.read_timeout_s, self._cut)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        self.count_cut()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_TOO_SLOW)
        self.transport.close()


def build_protocol(read_timeout_s: float, count_cut: Callable[[], None]) -> type[asyncio.Protocol]:
    """Build uvicorn's protocol with a deadline.

    Args:
        read_timeout_s: from the connection, or a later request's first byte, to the request's end.
        count_cut: is called for each that is cut off.
    """
    values = {"read_timeout_s": read_timeout_s, "count_cut": staticmethod(count_cut)}
    return type("_Protocol", (DeadlineProtocol,), values)
