"""Time as an argument: what the gateway asks for the time, so that tests can be the clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: `now` for what a device says, `monotonic` for how long something took."""

    def now(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z, as `created` and `expires` count them."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
