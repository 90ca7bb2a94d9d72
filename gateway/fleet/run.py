"""One run of a fleet: signs ahead, sends each request when it is due whatever the answers do, and judges each answer.

Open loop: latency runs from the moment in which a request was due, so that a stall counts for all that it delays, and
waiting for a free connection counts too.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.demo.tally import ACCEPTED, Latencies, Tally
from gateway.demo.verdict import verdict
from gateway.fleet.approach import Site
from gateway.fleet.course import Course
from gateway.fleet.devices import Credential
from gateway.fleet.pacing import until
from gateway.fleet.schedule import POLL, Beat, Pace, Schedule
from gateway.fleet.signers import TRICKS, Signed, Signers
from gateway.fleet.wire import TIMEOUT_S, Pool
from gateway.reasons import TABLE, Reason

BLOCK_S: Final = 0.25
_ROOM: Final = 1.5
"""Before the clock starts, signing gets so many times as long as it should take."""
LATE_S: Final = 10.0
"""A generator that is later than that ends the run: what it would send is not the fleet's load any more."""
_WATCH_S: Final = 0.25
_BURST: Final = 32


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to. `accepted` are the latencies of what had to be let through and was; `lag` is how late
    requests left because of the generator itself; `back_s` is how long the return after an outage took."""

    sent_s: float
    tally: Tally
    accepted: Latencies
    course: Course
    lag: Latencies
    connections: int
    interrupted: bool
    generator_cpu_s: float
    ahead_s: float
    back_s: float | None = None
    trouble: str = ""


class Run:
    """The run.

    :param ahead_s: how far signing runs ahead of the clock, which starts when so much is signed
    :param sign_s: about how long one request takes to sign, all helpers together
    :param watch: called four times a second with the tally, the seconds since the start, and a word more
    """

    def __init__(
        self,
        site: Site,
        pace: Pace,
        credentials: Sequence[Credential],
        pool: Pool,
        signers: Signers,
        duration_s: float,
        ahead_s: float,
        sign_s: float,
        watch: Callable[[Tally, float, str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._pace = pace
        self._pool = pool
        self._signers = signers
        self._duration_s = duration_s
        self._ahead_s = min(ahead_s, duration_s)
        self._sign_s = sign_s
        self._watch = watch
        self._schedule = Schedule(pace, TRICKS, random.Random())
        self._etags: dict[int, bytes] = {}
        self._tally = Tally()
        self._accepted = Latencies()
        self._course = Course(duration_s)
        self._lag = Latencies()
        self._back_s: float | None = None
        self._stop = asyncio.Event()
        self._asked_to_stop = False
        self._trouble = ""

    def stop(self) -> None:
        """End early, because somebody asked for it."""
        self._asked_to_stop = True
        self._stop.set()

    async def run(self) -> Outcome:
        """Send until the duration has passed or `stop`; then wait for the answers that are due."""
        cpu_before = time.process_time()
        lead_s = 1.0 + _ROOM * self._sign_s * self._pace.requests_per_s * self._ahead_s
        self._started = self._loop.time() + lead_s
        watching = self._loop.create_task(self._show())
        try:
            await self._send()
            sent_s = min(max(self._loop.time() - self._started, 0.0), self._duration_s)
            await self._settle()
        finally:
            watching.cancel()
        return Outcome(
            sent_s=sent_s,
            tally=self._tally,
            accepted=self._accepted,
            course=self._course,
            lag=self._lag,
            connections=self._pool.opened,
            interrupted=self._asked_to_stop,
            generator_cpu_s=time.process_time() - cpu_before,
            ahead_s=self._ahead_s,
            back_s=self._back_s,
            trouble=self._trouble,
        )

    async def _send(self) -> None:
        blocks: deque[tuple[list[Beat], asyncio.Future[list[Signed]]]] = deque()
        outage = self._pace.outage
        planned_s = 0.0
        while not self._stop.is_set():
            horizon_s = max(self._loop.time() - self._started, 0.0) + self._ahead_s
            if outage is not None and outage.at_s <= horizon_s < outage.end_s + BLOCK_S:
                horizon_s = outage.end_s + BLOCK_S  # there is time to sign what will be due all at once
            while planned_s < min(horizon_s, self._duration_s):
                planned_s = min(planned_s + BLOCK_S, self._duration_s)
                beats = self._schedule.until(planned_s)
                if beats:
                    blocks.append((beats, self._signers.submit(beats, self._epoch_s())))
            if not blocks:
                if planned_s >= self._duration_s:
                    await until(self._started + self._duration_s, self._stop)
                    return
                await until(self._loop.time() + BLOCK_S, self._stop)
                continue
            beats, signing = blocks.popleft()
            for number, (beat, signed) in enumerate(zip(beats, await signing, strict=True)):
                due = self._started + beat.due_s
                # Answers are let in even while many are due at once.
                if (self._loop.time() < due or number % _BURST == 0) and await until(due, self._stop):
                    return
                self._fire(beat, signed, due)

    def _epoch_s(self) -> float:
        """When the schedule began, since 1970; anew each time, because the system's clock may be set meanwhile."""
        return time.time() - (self._loop.time() - self._started)

    def _fire(self, beat: Beat, signed: Signed, due: float) -> None:
        late_s = self._loop.time() - due
        self._lag.add(late_s)
        if late_s > LATE_S and not self._stop.is_set():
            self._trouble = "the load generator itself does not keep up: give it more --signers, or fewer devices"
            self._stop.set()
        Shot(self, beat, signed, due).send()

    def heard(self, shot: "Shot", expected: Reason | None, status: int, etag: bytes | None, content: bytes) -> bool:
        """Judge one answer; true if it was the one that must be."""
        now = self._loop.time()
        got = verdict(status, content) if status else f"no answer ({content.decode(errors='replace')})"
        if expected is not None and got == f"status {TABLE[expected].status}":
            got = expected.value  # a target that gives no reasons
        if status == 200 and etag is not None and shot.beat.kind == POLL:
            self._etags[shot.beat.device] = etag
        duration_s = now - shot.due
        self._tally.add(shot.beat.kind, "", expected, got, duration_s)
        self._course.add(shot.due - self._started, duration_s)
        if expected is None and got == ACCEPTED:
            self._accepted.add(duration_s)
        outage = self._pace.outage
        if outage is not None and shot.beat.due_s == outage.end_s:
            self._back_s = max(self._back_s or 0.0, duration_s)
        return got == (ACCEPTED if expected is None else expected.value)

    def send(self, octets: bytes, shot: "Shot") -> None:
        """Write one request; a poll says what the device has already."""
        if shot.beat.kind == POLL:
            etag = self._etags.get(shot.beat.device)
            if etag is not None:
                octets = octets[:-2] + b"If-None-Match: " + etag + b"\r\n\r\n"
        self._pool.send(octets, shot)

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    async def _settle(self) -> None:
        end = self._loop.time() + TIMEOUT_S
        while self._pool.in_flight and self._loop.time() < end:
            await asyncio.sleep(0.02)
        self._pool.close()

    async def _show(self) -> None:
        outage = self._pace.outage
        while True:
            await asyncio.sleep(_WATCH_S)
            elapsed_s = self._loop.time() - self._started
            if elapsed_s < 0:
                continue
            out = outage is not None and outage.at_s <= elapsed_s < outage.end_s
            if out:
                self._pool.drop_idle()
            more = f"{self._pool.in_flight} in flight{', outage: nobody is connected' if out else ''}"
            self._watch(self._tally, elapsed_s, more)


class Shot:
    """The requests of one beat, each sent after the answer to the one before. Is itself the callback."""

    __slots__ = ("_at", "_run", "_signed", "beat", "due")

    def __init__(self, run: Run, beat: Beat, signed: Signed, due: float) -> None:
        self._run = run
        self._signed = signed
        self._at = 0
        self.beat = beat
        self.due = due

    def send(self) -> None:
        """Send the next one."""
        self._run.send(self._signed[self._at][0], self)

    def __call__(self, status: int, etag: bytes | None, content: bytes) -> None:
        as_expected = self._run.heard(self, self._signed[self._at][1], status, etag, content)
        self._at += 1
        # What is to be refused as repeated has to have been taken before.
        if as_expected and self._at < len(self._signed):
            self.due = self._run.now()
            self.send()
