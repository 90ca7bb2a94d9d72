"""How many requests one worker has under way at one time, and how many it may have (`limits.in_flight`)."""


class InFlight:
    """The room of one worker.

    :param most: requests that may be under way, at least 1
    """

    __slots__ = ("_most", "_now")

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = 0

    def enter(self) -> bool:
        """Take a place if there is one; whoever has one leaves it."""
        if self._now >= self._most:
            return False
        self._now += 1
        return True

    def leave(self) -> None:
        """Give a place back."""
        self._now -= 1


def in_flight_of(most: int | None, workers: int) -> InFlight | None:
    """The room of one of `workers` which share `most` places; None: there is no limit."""
    return None if most is None else InFlight(max(1, most // workers))
