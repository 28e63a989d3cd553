"""The worker: the process that holds the weights. ``python -m judgeforge.serve.worker FD``.

It speaks over a socket that it inherits. What it was asked and has not answered when it dies is asked again by the
service, so it keeps nothing. It ends when the socket is closed, and takes no signals of the terminal: the service
decides when it ends.
"""

import os
import queue
import signal
import socket
import sys
import threading
from typing import IO

from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric
from judgeforge.serve.grader import Grader, open_grader
from judgeforge.serve.log import note
from judgeforge.serve.messages import Answer, Ask, Batch, Failed, Job, Message, Ready, encode

_GATHER_S = 0.01
"""A batch that is not full waits so long for more: nothing beside the time of an answer."""
_RUBRIC = Rubric(criteria="Is it a number?", levels=("No.", "Hardly.", "Half.", "Nearly.", "Yes."))
_SHARED = {"item_id": "", "prompt_id": "", "instruction": "Name a number.", "rubric": _RUBRIC}
WARM_UP = (DirectItem(response="9", **_SHARED), PairwiseItem(response_a="9", response_b="a", **_SHARED))  # type: ignore[arg-type]


class Worker:
    """Grades what comes over the socket.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._waiting: queue.SimpleQueue[Ask] = queue.SimpleQueue()
        self._pending: set[int] = set()
        self._counting, self._writing = threading.Lock(), threading.Lock()

    def listen(self, lines: IO[bytes]) -> None:
        """Take what is asked until the service closes the socket, also while the judge is loaded; then end all."""
        try:
            for line in lines:
                asked = Ask.model_validate_json(line)
                with self._counting:
                    if asked.item is None:
                        self._pending.discard(asked.number)
                    else:
                        self._pending.add(asked.number)
                        self._waiting.put(asked)
        finally:
            _end()

    def say_ready(self, grader: Grader) -> None:
        """Grade an item of each format, and tell the service that more may come."""
        list(grader.grade(WARM_UP))
        self._say(Ready(window=2 * grader.batch * grader.lanes))

    def work(self, grader: Grader) -> None:
        """Answer, in as many threads as the judge takes batches at once, for as long as the process lives."""
        for _ in range(grader.lanes - 1):
            threading.Thread(target=self._work, args=(grader,), daemon=True).start()
        self._work(grader)

    def _work(self, grader: Grader) -> None:
        try:
            while True:
                if batch := [each for each in self._gather(grader.batch) if self._is_wanted(each)]:
                    self._say(Batch(size=len(batch)))
                    self._answer(grader, batch)
        except BaseException:
            # A service without its worker starts another; a worker without its lane would sit there and say nothing.
            sys.excepthook(*sys.exc_info())
            _end()

    def _is_wanted(self, asked: Ask) -> bool:
        with self._counting:
            wanted = asked.number in self._pending
            self._pending.discard(asked.number)
        if not wanted:
            self._say(Answer(number=asked.number))
        return wanted

    def _gather(self, most: int) -> list[Ask]:
        batch = [self._waiting.get()]
        while len(batch) < most:
            try:
                batch.append(self._waiting.get(timeout=_GATHER_S))
            except queue.Empty:
                break
        return batch

    def _answer(self, grader: Grader, batch: list[Ask]) -> None:
        """Grade a batch; where one of it cannot be graded, the others are graded each by itself."""
        missing = dict(enumerate(batch))
        try:
            for index, verdict, completion, expected in grader.grade([each.item for each in batch if each.item]):
                asked = missing.pop(index)
                self._say(
                    Answer(
                        number=asked.number,
                        verdict=verdict,
                        expected_score=expected,
                        **completion.model_dump(include={"finish", "prompt_tokens", "output_tokens"}),
                    )
                )
        except (OSError, EnvironmentFault):
            raise  # the service is gone, or the machine gave way
        except Exception as error:  # whatever it is, it must not take the others along
            if len(batch) == 1:
                self._refuse(grader, batch[0], error)
                return
            for asked in missing.values():
                self._answer(grader, [asked])

    def _refuse(self, grader: Grader, asked: Ask, error: Exception) -> None:
        """Say that an item cannot be graded, if others can: after a fault of the GPU nothing can, until a new start."""
        refusal = error.problem if isinstance(error, InputError) else None
        if refusal is None:
            note(f"worker: {type(error).__name__} at one item: {error}")
            list(grader.grade(WARM_UP))
        self._say(Answer(number=asked.number, refusal=refusal, broken=refusal is None))

    def _say(self, message: Message) -> None:
        with self._writing:
            self._wire.sendall(encode(message))


def _end() -> None:
    """End at once, with vLLM's processes: the service may be gone, and nobody waits for what a lane still does."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """Load the judge that the first line names, say so, and answer."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    wire = socket.socket(fileno=int(sys.argv[1]))
    lines = wire.makefile("rb")
    try:
        job = Job.model_validate_json(lines.readline())
        worker = Worker(wire)
        threading.Thread(target=worker.listen, args=(lines,), daemon=True).start()
        with open_grader(job) as grader:
            worker.say_ready(grader)
            worker.work(grader)
    except JudgeforgeError as error:
        wire.sendall(encode(Failed(problem=error.problem, remedy=error.remedy, lasting=isinstance(error, InputError))))
        os._exit(error.exit_code)  # an orderly end would wait for the thread that listens
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


if __name__ == "__main__":
    main()
