"""The service as a whole: start, watch the registry, change the judge, end."""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Iterator

import uvicorn

from judgeforge.errors import EnvironmentFault, JudgeforgeError
from judgeforge.serve.app import Routes, build_app, list_routes
from judgeforge.serve.aside import run_aside
from judgeforge.serve.champion import Source, describe_fault
from judgeforge.serve.deadlines import build_protocol
from judgeforge.serve.dispatcher import Dispatcher
from judgeforge.serve.guard import Guard
from judgeforge.serve.log import note
from judgeforge.serve.metrics import Metrics
from judgeforge.serve.settings import ServeSettings

_LOOK_S = 1.0
_OTHER_FILES = 128
_KEEP_ALIVE_S = 30


class _Listener(uvicorn.Server):
    """uvicorn's server with our signals: after an orderly end it does not raise the signal again."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(each)


class Service:
    """One service.

    Args:
        settings: address and limits.
        tokens: of those who may use it.
    """

    def __init__(self, settings: ServeSettings, tokens: tuple[bytes, ...]) -> None:
        self._settings, self._tokens, self._metrics = settings, tokens, Metrics()
        self._source = Source(settings.model, settings.base)
        self._dispatcher = Dispatcher(
            metrics=self._metrics, **settings.model_dump(include={"max_queue", "start_s", "hang_s", "one_at_a_time"})
        )
        self._wanted = asyncio.Event()
        self._changing = False

    async def run(self) -> None:
        """Load the judge, listen, and answer until SIGTERM or SIGINT.

        Raises:
            JudgeforgeError: there is no judge, or no port.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._ask_for_change)
        with _bind(self._settings.host, self._settings.port) as listening:
            try:
                await self._change(asked=True)
                await self._listen(listening)
            finally:
                await self._dispatcher.close()

    async def _listen(self, listening: socket.socket) -> None:
        routes = Routes(self._dispatcher, self._metrics, self._settings.timeout_s, self._ask_for_change)
        app = build_app(routes)
        guard = Guard(
            app,
            routes=list_routes(app),
            tokens=self._tokens,
            max_body_bytes=self._settings.max_body_bytes,
            metrics=self._metrics,
        )
        config = uvicorn.Config(
            guard,
            http=build_protocol(self._settings.read_timeout_s, self._metrics.count_cut),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=self._settings.max_connections,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(self._settings.drain_s)),
        )
        # What clients send wrongly is told to them and counted; it need not fill the log.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        watching = [asyncio.create_task(each) for each in (self._watch_workers(), self._watch_registry())]
        host, port = listening.getsockname()[:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        note(f"serve: judge {self._dispatcher.version} at http://{address}")
        try:
            await _Listener(config).serve(sockets=[listening])
        finally:
            for each in watching:
                each.cancel()
        note("serve: ended.")

    def _ask_for_change(self) -> bool:
        """Wish for a change; one that is under way may have begun before what is now to be seen, and is followed."""
        under_way = self._changing or self._wanted.is_set()
        self._wanted.set()
        return not under_way

    async def _watch_workers(self) -> None:
        """Look at the workers each second, whatever else takes its time."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self._dispatcher.kill_hung()

    async def _watch_registry(self) -> None:
        """Look at the registry as often as wished, and change when somebody asks."""
        pause = self._settings.watch_s if self._source.is_registry and self._settings.watch_s else None
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), pause)
            asked = self._wanted.is_set()
            self._wanted.clear()
            await self._try_change(asked=asked)

    async def _try_change(self, *, asked: bool) -> None:
        self._changing = True
        try:
            await self._change(asked=asked)
        except Exception as error:  # the service goes on with the judge it has, whatever the registry's client raises
            self._metrics.count_change(failed=True)
            known = isinstance(error, JudgeforgeError)
            note(f"serve: still judge {self._source.served}: {error if known else describe_fault(error)}")
        finally:
            self._changing = False

    async def _change(self, *, asked: bool) -> None:
        before = self._source.served
        judge = await run_aside(lambda: self._source.find(asked=asked))
        if judge is None:
            return
        try:
            await self._dispatcher.change(judge)
        except Exception:
            pause = self._source.put_off(judge)
            if pause and before is not None:
                note(f"serve: judge {judge.version} is tried again in {pause:g} s, or when somebody asks.")
            raise
        self._source.accept(judge)
        if before is not None:
            self._metrics.count_change(failed=False)
            note(f"serve: judge {judge.version} in place of {before}.")


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise EnvironmentFault(
            f"Cannot listen on {host}, port {port}: {error.strerror}.", "choose another --port, or end who has it."
        ) from error
    return listening


def _make_room(connections: int) -> None:
    """Raise the limit of open files as far as may be: without room for a socket, no worker can be started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def run_service(settings: ServeSettings, tokens: tuple[bytes, ...]) -> None:
    """Serve until SIGTERM or SIGINT."""

    async def run() -> None:
        await Service(settings, tokens).run()

    _make_room(settings.max_connections)
    asyncio.run(run())
