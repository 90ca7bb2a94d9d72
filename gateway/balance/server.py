"""One server of an upstream as this worker sees it: checked up or down, ejected, warming up, and how busy."""

from typing import Final

EJECTED_AT_MOST: Final = 10
"""Ejections that follow each other last longer, up to so many times the first."""

COLDEST: Final = 0.1
"""Share of its weight that a server begins with while it warms up."""


class Server:
    """Mutable; changed by its `Group` only."""

    __slots__ = (
        "checks_failed",
        "checks_passed",
        "credit",
        "detail",
        "ejected_until_s",
        "ejections",
        "failures",
        "in_flight",
        "name",
        "since_s",
        "up",
        "weight",
    )

    def __init__(self, name: str, weight: int) -> None:
        self.name = name
        self.weight = weight
        self.in_flight = 0
        self.up = True
        """What active checks say; without them always true."""
        self.detail = ""
        """What the last failure was."""
        self.checks_passed = 0
        self.checks_failed = 0
        """In a row, since the last change of `up`."""
        self.failures = 0
        """Requests that failed in a row."""
        self.ejections = 0
        self.ejected_until_s = 0.0
        self.since_s: float | None = None
        """When it came back; None: it was never away."""
        self.credit = 0.0
        """Of the weighted round."""

    def available(self, now_s: float) -> bool:
        """May it get requests?"""
        return self.up and self.ejected_until_s <= now_s

    def weight_at(self, now_s: float, slow_start_s: float) -> float:
        """Its weight, less while it warms up."""
        if self.since_s is None or slow_start_s <= 0:
            return float(self.weight)
        return self.weight * min(1.0, max(COLDEST, (now_s - self.since_s) / slow_start_s))

    def eject(self, now_s: float, first_s: float) -> float:
        """Take it out for a while; returns for how many seconds."""
        self.ejections = min(self.ejections + 1, EJECTED_AT_MOST)
        away_s = first_s * self.ejections
        self.ejected_until_s = now_s + away_s
        self.since_s = self.ejected_until_s
        return away_s


class ServerState:
    """What metrics and health are told of a server; one per server and worker."""

    __slots__ = ("detail", "ejected_for_s", "failures", "in_flight", "server", "up", "upstream", "weight")

    def __init__(self, upstream: str, server: Server, now_s: float) -> None:
        self.upstream = upstream
        self.server = server.name
        self.up = server.available(now_s)
        self.in_flight = server.in_flight
        self.ejected_for_s = max(0.0, server.ejected_until_s - now_s)
        self.failures = server.failures
        self.weight = server.weight
        self.detail = "" if self.up else server.detail
