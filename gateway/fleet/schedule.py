"""When which device does what: known before the clock starts, so that nothing the gateway does can change it."""

import heapq
import random
from typing import Final

import msgspec

POLL: Final = "poll"
REPORT: Final = "status report"
_GOLDEN: Final = 0.6180339887498949


class Outage(msgspec.Struct, frozen=True):
    """From `at_s` on nothing is sent for `for_s` seconds, and then every device comes back in the same moment."""

    at_s: float
    for_s: float

    @property
    def end_s(self) -> float:
        """When they come back."""
        return self.at_s + self.for_s


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How a fleet behaves. Devices join evenly over `ramp_s` and then poll every `interval_s`; with every
    `report_every`th poll (0: never) goes a status report. `bad` is the share that misbehaves, 0 to 1."""

    devices: int
    interval_s: float
    ramp_s: float
    report_every: int = 4
    bad: float = 0.0
    outage: Outage | None = None

    @property
    def requests_per_s(self) -> float:
        """In the steady state; a repeated request counts once."""
        share = 1 / self.report_every if self.report_every else 0.0
        return self.devices / self.interval_s * (1 + share)


class Beat(msgspec.Struct, frozen=True, gc=False):
    """Device number `device` is due `due_s` after the start, with `kind`: POLL, REPORT or the name of a trick."""

    due_s: float
    device: int
    kind: str


class Schedule:
    """Beats in the order in which they are due, without end. `tricks` are what a device that misbehaves does."""

    def __init__(self, pace: Pace, tricks: tuple[str, ...], chance: random.Random) -> None:
        self._pace = pace
        self._tricks = tricks
        self._chance = chance
        self._polls = [0] * pace.devices
        self._outage = pace.outage
        joined = list(range(pace.devices))
        chance.shuffle(joined)
        self._next = [(self._first(number, rank), number) for number, rank in enumerate(joined)]
        heapq.heapify(self._next)

    def _first(self, number: int, rank: int) -> float:
        """Each device keeps a phase of its own, so that arrivals are even once all have joined."""
        pace = self._pace
        joins = pace.ramp_s * rank / pace.devices
        phase = number * _GOLDEN % 1.0 * pace.interval_s
        return joins + (phase - joins) % pace.interval_s

    def until(self, horizon_s: float) -> list[Beat]:
        """All beats before `horizon_s` that were not given yet."""
        if self._outage is not None and horizon_s > self._outage.at_s:
            beats = self._take(self._outage.at_s)
            self._return_at_once(self._outage)
            return beats + self._take(horizon_s)
        return self._take(horizon_s)

    def _take(self, horizon_s: float) -> list[Beat]:
        beats: list[Beat] = []
        pace, waiting = self._pace, self._next
        while waiting and waiting[0][0] < horizon_s:
            due_s, device = waiting[0]
            heapq.heapreplace(waiting, (due_s + pace.interval_s, device))
            beats.append(Beat(due_s, device, self._kind(POLL)))
            self._polls[device] += 1
            # Devices report in turn: all in one interval of several would be a wave that no fleet makes.
            if pace.report_every and (self._polls[device] + device) % pace.report_every == 0:
                beats.append(Beat(due_s, device, self._kind(REPORT)))
        return beats

    def _kind(self, honest: str) -> str:
        return self._chance.choice(self._tricks) if self._chance.random() < self._pace.bad else honest

    def _return_at_once(self, outage: Outage) -> None:
        """What the reference device does: it has no back-off, and polls as soon as it can."""
        self._outage = None
        # Whoever has not begun by then begins as planned, if not within the outage.
        self._next = [
            (outage.end_s if self._polls[device] or due_s < outage.end_s else due_s, device)
            for due_s, device in self._next
        ]
        heapq.heapify(self._next)
