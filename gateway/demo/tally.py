"""Counts what happened against what had to happen, and how long it took."""

import math
from collections import Counter
from typing import Final

from gateway.reasons import Reason

ACCEPTED: Final = "accepted"
_RESOLUTION: Final = math.log(1.01)


class Latencies:
    """Durations in seconds, in buckets of 1 %, so that a long run needs no more memory than a short one."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.longest_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one duration."""
        self._buckets[round(math.log(max(duration_s, 1e-6)) / _RESOLUTION)] += 1
        self.count += 1
        self.longest_s = max(self.longest_s, duration_s)

    def quantile_ms(self, share: float) -> float:
        """The duration that `share` of all do not exceed, in milliseconds; 0 where there is none."""
        left = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return 1000 * min(math.exp(bucket * _RESOLUTION), self.longest_s)
        return 0.0

    def curve(self) -> list[tuple[float, float]]:
        """Milliseconds, and the share of all (0 to 1) that took no longer, ascending."""
        points, so_far = [], 0
        for bucket in sorted(self._buckets):
            so_far += self._buckets[bucket]
            points.append((1000 * math.exp(bucket * _RESOLUTION), so_far / self.count))
        return points


class Tally:
    """The whole run so far. A verdict is a reason's name, `accepted`, or what went wrong in other words."""

    def __init__(self) -> None:
        self.verdicts: Counter[tuple[str, str, str]] = Counter()
        """Kind of request, expected verdict, verdict: how often."""
        self.by_algorithm: dict[str, Latencies] = {}
        self.all = Latencies()
        self.worst_lag_s = 0.0
        self.signed_accepted = 0
        """Answers of the WFM to requests with a signature."""

    def add(self, kind: str, algorithm: str, expected: Reason | None, got: str, duration_s: float) -> None:
        """Count one answer; `algorithm` is "" for a request without a signature."""
        self.verdicts[kind, wanted(expected), got] += 1
        self.all.add(duration_s)
        if algorithm:
            self.by_algorithm.setdefault(algorithm, Latencies()).add(duration_s)
            self.signed_accepted += got == ACCEPTED

    def lagged(self, lag_s: float) -> None:
        """A request left later than it was due, because the load generator itself was busy."""
        self.worst_lag_s = max(self.worst_lag_s, lag_s)

    @property
    def accepted(self) -> int:
        """Answers that were no refusal."""
        return sum(count for (_, _, got), count in self.verdicts.items() if got == ACCEPTED)

    @property
    def mismatches(self) -> int:
        """Answers that were not the expected ones."""
        return sum(count for (_, expected, got), count in self.verdicts.items() if got != expected)


def wanted(expected: Reason | None) -> str:
    """The verdict that goes with an expected reason."""
    return ACCEPTED if expected is None else expected.value
