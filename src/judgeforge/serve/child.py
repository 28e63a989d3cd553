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

_LONGEST_LINE = 1 << 26
_END_S = 5.0
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
        self.window = 0
        self.last_heard = 0.0

    async def start(self, job: Job) -> None:
        """Start the process and wait until the judge has graded an item.

        Raises:
            InputError: the judge cannot be loaded.
            EnvironmentFault: the machine gave way.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "judgeforge.serve.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr,
                start_new_session=True,
            )
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=_LONGEST_LINE)
        try:
            self._writer.write(encode(job))
            line = await reader.readline()
            said = SAID.validate_json(line) if line.endswith(b"\n") else None
            if not isinstance(said, Ready):
                raise _read_failure(said, await self._process.wait())
        except BaseException:
            self.kill()
            self._writer.close()
            raise
        self.window, self.last_heard = said.window, time.monotonic()
        self._reading = asyncio.create_task(self._read(reader))

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid if self._process else 0

    def ask(self, ask: Ask) -> None:
        """Send an item, or say that one is not wanted any more."""
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
        self._writer.close()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), _END_S)
            except TimeoutError:
                self.kill()
                await self._process.wait()
        if self._reading is not None:
            self._reading.cancel()

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
        if self._process is not None:
            await self._process.wait()
        self._writer.close()
        self._lost(self)


def _read_failure(said: object, code: int) -> Exception:
    if isinstance(said, Failed):
        return (InputError if said.lasting else EnvironmentFault)(said.problem, said.remedy)
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return EnvironmentFault(f"The worker {how} before it was ready.", _SAY_NOTHING)
