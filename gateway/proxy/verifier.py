"""Where verifications are submitted: answered at once, or together with all others that the same tick has read."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from gateway.model import Algorithm, Job
from gateway.signature.batch import LANES, BatchEngine
from gateway.signature.engines import Engines

Done: TypeAlias = Callable[[bool | Exception], None]
"""Takes the answer to one job: does its signature hold? An exception is a defect of ours, and no answer."""

ROUND: Final = 4 * LANES
"""Jobs of one algorithm that are answered before the loop is let back to its sockets: 0.7 ms for P-256, 2.5 for
P-384."""


class _Waiting(NamedTuple):
    job: Job
    point: bytes
    done: Done


class Verifier:
    """The verifications of one worker.

    What can be verified in batches waits until the loop has handled everything that it has read, and no longer: no
    timer, so a lone request is not kept waiting, and more of them make larger batches.
    """

    def __init__(self, engines: Engines, loop: asyncio.AbstractEventLoop) -> None:
        self._engines = engines
        self._loop = loop
        self._waiting: dict[Algorithm, list[_Waiting]] = {algorithm: [] for algorithm in engines.batched}
        self._scheduled = False

    def submit(self, job: Job, done: Done) -> bool | None:
        """The answer, if it is known at once; None: `done` is called with it, later and never from in here.

        :raises Refused: store.bad_answer, the record misstates the key
        """
        batch, waiting = self._engines.batch, self._waiting.get(job.algorithm)
        if batch is None or waiting is None:
            return self._engines.holds(job)
        waiting.append(_Waiting(job, batch.point(job), done))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._answer, batch)
        return None

    def ask(self, job: Job) -> "bool | asyncio.Future[bool]":
        """The same for coroutines: the answer, or a future of it. To cancel that is to forget it.

        :raises Refused: store.bad_answer, the record misstates the key
        """
        future: asyncio.Future[bool] | None = None

        def done(answer: bool | Exception) -> None:
            assert future is not None
            if future.done():
                return  # nobody waits any more
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        answer = self.submit(job, done)
        if answer is not None:
            return answer
        future = self._loop.create_future()
        return future

    def _answer(self, batch: BatchEngine) -> None:
        """Answer what waits, at most a round of each algorithm; the rest after the loop has looked at its sockets."""
        self._scheduled = False
        for algorithm, waiting in self._waiting.items():
            round_, self._waiting[algorithm] = waiting[:ROUND], waiting[ROUND:]
            for start in range(0, len(round_), LANES):
                self._answer_together(batch, algorithm, round_[start : start + LANES])
        if any(self._waiting.values()) and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._answer, batch)

    def _answer_together(self, batch: BatchEngine, algorithm: Algorithm, group: list[_Waiting]) -> None:
        answers: Sequence[bool | Exception]
        try:
            answers = batch.answer(algorithm, [each.job for each in group], [each.point for each in group])
        except Exception as error:  # whatever it is: nobody may be left waiting
            answers = [error] * len(group)
        for each, answer in zip(group, answers, strict=True):
            try:
                each.done(answer)
            except Exception as error:
                context = {"message": "the answer to a verification was not taken", "exception": error}
                self._loop.call_exception_handler(context)
