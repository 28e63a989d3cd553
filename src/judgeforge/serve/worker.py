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
from judgeforge.progress import say
from judgeforge.serve.grader import Grader, open_grader
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
        grader: holds the judge.
    """

    def __init__(self, wire: socket.socket, grader: Grader) -> None:
        self._wire, self._grader = wire, grader
        self._waiting: queue.SimpleQueue[Ask] = queue.SimpleQueue()
        self._pending: set[int] = set()
        self._counting, self._writing = threading.Lock(), threading.Lock()

    def run(self, lines: IO[bytes]) -> None:
        """Answer until the service closes the socket."""
        list(self._grader.grade(WARM_UP))
        self._say(Ready(window=2 * self._grader.batch * self._grader.lanes))
        lanes = [threading.Thread(target=self._work, daemon=True) for _ in range(self._grader.lanes)]
        for lane in lanes:
            lane.start()
        for line in lines:
            asked = Ask.model_validate_json(line)
            with self._counting:
                if asked.item is None:
                    self._pending.discard(asked.number)
                else:
                    self._pending.add(asked.number)
                    self._waiting.put(asked)

    def _work(self) -> None:
        try:
            while True:
                if batch := [each for each in self._gather() if self._is_wanted(each)]:
                    self._say(Batch(size=len(batch)))
                    self._answer(batch)
        except BaseException:
            # A service without its worker starts another; a worker without its lane would sit there and say nothing.
            sys.excepthook(*sys.exc_info())
            os._exit(1)

    def _is_wanted(self, asked: Ask) -> bool:
        with self._counting:
            wanted = asked.number in self._pending
            self._pending.discard(asked.number)
        if not wanted:
            self._say(Answer(number=asked.number))
        return wanted

    def _gather(self) -> list[Ask]:
        batch = [self._waiting.get()]
        while len(batch) < self._grader.batch:
            try:
                batch.append(self._waiting.get(timeout=_GATHER_S))
            except queue.Empty:
                break
        return batch

    def _answer(self, batch: list[Ask]) -> None:
        """Grade a batch; where one of it cannot be graded, the others are graded each by itself."""
        missing = dict(enumerate(batch))
        try:
            for index, verdict, completion, expected in self._grader.grade([each.item for each in batch if each.item]):
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
                refusal = error.problem if isinstance(error, InputError) else None
                if refusal is None:
                    say(f"worker: {type(error).__name__} at one item: {error}")
                self._say(Answer(number=batch[0].number, refusal=refusal, broken=refusal is None))
                return
            for asked in missing.values():
                self._answer([asked])

    def _say(self, message: Message) -> None:
        with self._writing:
            self._wire.sendall(encode(message))


def _end() -> None:
    """End at once, with vLLM's processes: the service is gone, and nobody waits for what a lane still does."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def main() -> None:
    """Load the judge that the first line names, say so, and answer."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as wire, wire.makefile("rb") as lines:
        try:
            job = Job.model_validate_json(lines.readline())
            with open_grader(job) as grader:
                Worker(wire, grader).run(lines)
                _end()
        except JudgeforgeError as error:
            failed = Failed(problem=error.problem, remedy=error.remedy, lasting=isinstance(error, InputError))
            wire.sendall(encode(failed))
            sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
