"""How a run went over time: answers and latency in equal slices, however long it lasts."""

from typing import Final

import msgspec

from gateway.demo.tally import Latencies

_SLICES: Final = 240


class Slice(msgspec.Struct, frozen=True):
    """From `at_s` on: requests that were due a second, and their latency in milliseconds."""

    at_s: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float


class Course:
    """Counts by when a request was due, in slices of whole seconds."""

    def __init__(self, duration_s: float) -> None:
        self.width_s = max(1, int(-(-duration_s // _SLICES)))
        self._slices: dict[int, Latencies] = {}

    def add(self, due_s: float, duration_s: float) -> None:
        """Count one answer to what was due `due_s` after the start."""
        at = int(due_s / self.width_s)
        latencies = self._slices.get(at)
        if latencies is None:
            latencies = self._slices[at] = Latencies()
        latencies.add(duration_s)

    def slices(self) -> list[Slice]:
        """All up to the last, those without a request too."""
        nothing = Latencies()
        found = []
        for at in range(max(self._slices, default=-1) + 1):
            latencies = self._slices.get(at, nothing)
            p50, p99 = latencies.quantile_ms(0.5), latencies.quantile_ms(0.99)
            found.append(Slice(at * self.width_s, latencies.count / self.width_s, p50, p99))
        return found
