"""HTTP/1.1 with a deadline for each request to come in, head and body, and for each answer to be taken.

uvicorn has a time-out for idle connections between requests only: one that sends a byte now and then, or none at all
at its beginning, or reads no answer, could stay for ever.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_MOST_FOLD = 2
"""Up to so many times the connections that may be open, requests are told that there are too many (uvicorn)."""
_TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 43\r\n\r\n"
    b'{"detail":"The request came in too slowly"}'
)


class DeadlineProtocol(H11Protocol):
    """One connection; ``build_protocol`` sets what stands in the class."""

    read_timeout_s: float
    count_cut: Callable[[], None]
    _deadline: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Give the first request its time, and hear of all that is not taken; hang up if far too many are open."""
        super().connection_made(transport)
        if self.limit_concurrency and len(self.connections) > _MOST_FOLD * self.limit_concurrency:
            self.count_cut()
            transport.abort()
            return
        transport.set_write_buffer_limits(high=0)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._unwatch()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client time to take what is written: also after the connection was closed, which waits for it."""
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(self.read_timeout_s, self._abort)

    def resume_writing(self) -> None:
        """Stop that clock."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def handle_events(self) -> None:
        """Start or stop the clock by what has come."""
        super().handle_events()
        begun = self.conn.their_state is h11.IDLE and (self.cycle is None or self.conn.trailing_data[0])
        if (begun or self.conn.their_state is h11.SEND_BODY) and not self.transport.is_closing():
            self._watch()
        else:
            self._unwatch()
            self._watch_idle()

    def send_400_response(self, msg: str) -> None:
        """Refuse nonsense; where an answer was given already, as to a body that was not wanted, just hang up."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Stop the clock: an idle connection is uvicorn's matter. A body that still comes, though refused, is ours."""
        if self.conn.their_state is not h11.SEND_BODY:
            self._unwatch()
        super().on_response_complete()

    def _watch(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.read_timeout_s, self._cut)

    def _watch_idle(self) -> None:
        """Start uvicorn's clock again, which it stops for the rest of a body that was refused, and then forgets."""
        is_idle = self.conn.states == {h11.CLIENT: h11.IDLE, h11.SERVER: h11.IDLE}
        if is_idle and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

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

    def _abort(self) -> None:
        self._reading = None
        self.count_cut()
        self.transport.abort()


def build_protocol(read_timeout_s: float, count_cut: Callable[[], None]) -> type[asyncio.Protocol]:
    """Build uvicorn's protocol with a deadline.

    Args:
        read_timeout_s: from the connection, or a later request's first byte, to the request's end; and for the
            client to take what is written.
        count_cut: is called for each that is cut off.
    """
    values = {"read_timeout_s": read_timeout_s, "count_cut": staticmethod(count_cut)}
    return type("_Protocol", (DeadlineProtocol,), values)
