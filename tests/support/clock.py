"""A clock that a test sets."""


class FakeClock:
    """Both clocks stand still until the test moves them."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now
        self.running = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.running

    def advance(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.time += seconds
        self.running += seconds
