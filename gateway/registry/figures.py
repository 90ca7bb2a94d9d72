"""What one worker's dealings with its store come to: plain numbers that only grow, added to where things happen."""


class StoreFigures:
    """Shared by all connections of the request path and its claims."""

    __slots__ = ("claimed", "connections", "failed", "round_trip_s", "round_trips", "seen", "timeouts")

    def __init__(self) -> None:
        self.connections = 0
        """Connections that came to be used."""
        self.round_trips = 0
        """Batches of commands that were answered."""
        self.round_trip_s = 0.0
        """Seconds that these took, together."""
        self.timeouts = 0
        """Batches that were given up because they were not answered in time."""
        self.claimed = 0
        """Replay claims that were made."""
        self.seen = 0
        """Claims that somebody had already."""
        self.failed = 0
        """Claims that could not be made, or of which that is not known."""
