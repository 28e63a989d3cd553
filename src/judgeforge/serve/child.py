"""The worker as the service sees it: started, asked, drained, killed."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.serve.messages import SAID, Answer, Ask, Batch, Failed, Job, Ready, encode
from judgeforge.serve.settings import TOKENS_VARIABLE

_LONGEST_LINE = 1 << 26
_END_S = 5.0
_START_REMEDY = "read what it said above; where a judge takes longer to load, raise --start-s."
_SAY_NOTHING = "read what the worker said above, and see that the judge can be loaded with 'judgeforge grade'."


class Child:
    """A worker process.

    Args:
        hear: gets its batches and answers.
        lost: is called once when it has died.
    """

    def __init__(self, hear: Callable[["Child", Batch | Answer], None], lost: Callable[["Child"], None]) -> None:
        self._hear, self._lost = hear, lost
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.window = 0
        self.last_heard = 0.0

    async def start(self, job: Job, start_s: float) -> None:
        """Start the process and wait until the judge has graded an item.

        Raises:
            InputError: the judge cannot be loaded.
            EnvironmentFault: the machine gave way, or it is not ready after ``start_s``.
        """
        try:
            async with asyncio.timeout(start_s):
                await self._launch(job)
        except TimeoutError:
            await self._reap()
            raise EnvironmentFault(f"The worker was not ready within {start_s:g} s.", _START_REMEDY) from None
        except (OSError, ValueError) as error:
            raise EnvironmentFault(f"The worker cannot be started: {error}.", _START_REMEDY) from error

    async def _launch(self, job: Job) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "judgeforge.serve.worker", str(theirs.fileno())),
                    pass_fds=(theirs.fileno(),),
                    env=_build_environment(),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=sys.stderr,
                    start_new_session=True,
                )
            reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=_LONGEST_LINE)
            self._writer.write(encode(job))
            line = b""
            with contextlib.suppress(ConnectionError):  # it was killed before it had read the job
                line = await reader.readline()
            said = SAID.validate_json(line) if line.endswith(b"\n") else None
            if not isinstance(said, Ready):
                raise _read_failure(said, await self._reap())
        except BaseException:
            self.kill()
            (self._writer or ours).close()
            raise
        self.window, self.last_heard = said.window, time.monotonic()
        self._reading = asyncio.create_task(self._read(reader))

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid if self._process else 0

    def ask(self, ask: Ask) -> None:
        """Send an item, or say that one is not wanted any more."""
        if self._writer is not None:
            with contextlib.suppress(OSError, RuntimeError):  # dead: the reading end is about to say so
                self._writer.write(encode(ask))

    def kill(self) -> None:
        """End it at once, and what it has started: the group of processes is its own."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Hang up, which ends it; kill it if it stays."""
        self._lost = lambda _: None
        self._hang_up()
        if await self._reap() is None:
            self.kill()
            await self._reap()
        if self._reading is not None:
            self._reading.cancel()

    async def _reap(self) -> int | None:
        """Wait for its end, and return its code; None: what a driver holds beyond a kill is not waited for."""
        if self._process is not None:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._process.wait(), _END_S)
        return None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                self.last_heard = time.monotonic()
                said = SAID.validate_json(line)
                if isinstance(said, Batch | Answer):
                    self._hear(self, said)
        except (OSError, ValueError):
            pass  # the connection broke, or it talks nonsense: in both cases it is of no use any more
        self.kill()
        await self._reap()
        self._hang_up()
        self._lost(self)

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _build_environment() -> dict[str, str]:
    """Build the worker's environment: it asks nobody for tokens, and its bars would end it where nobody reads them."""
    kept = {name: value for name, value in os.environ.items() if name != TOKENS_VARIABLE}
    return kept | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def _read_failure(said: object, code: int | None) -> Exception:
    if isinstance(said, Failed):
        return (InputError if said.lasting else EnvironmentFault)(said.problem, said.remedy)
    how = "hung up" if code is None else f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return EnvironmentFault(f"The worker {how} before it was ready.", _SAY_NOTHING)
