"""What the examination of a store finds, of one server or of several together."""

from collections.abc import Sequence
from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing that an operator should change (warning), or must (error)."""

    level: Literal["error", "warning"]
    message: str


class Latency(msgspec.Struct, frozen=True):
    """How long `count` commands took, one after the other, in milliseconds."""

    min_ms: float
    median_ms: float
    max_ms: float
    count: int


class Memory(msgspec.Struct, frozen=True):
    """What the server uses and may use (0: no limit), in octets, and what it does when that is full; None: it does not
    tell."""

    used_bytes: int | None
    limit_bytes: int | None
    policy: str | None


class Report(msgspec.Struct, frozen=True):
    """What was found. `clients` counts records by realm; `connections` are those of everybody to the server."""

    store: str
    version: str
    latency: Latency
    memory: Memory
    persistence: str
    role: str
    clients: dict[str, int]
    connections: int | None
    findings: tuple[Finding, ...]

    @property
    def fine(self) -> bool:
        """Is there no error?"""
        return all(finding.level != "error" for finding in self.findings)


def all_latencies(each: Sequence[Latency]) -> Latency:
    """Of all servers; the median is that of the slowest."""
    return Latency(
        min(one.min_ms for one in each),
        max(one.median_ms for one in each),
        max(one.max_ms for one in each),
        sum(one.count for one in each),
    )


def all_memory(each: Sequence[Memory]) -> Memory:
    """Of all servers together; no limit if one has none."""
    used = [one.used_bytes for one in each if one.used_bytes is not None]
    limits = [one.limit_bytes for one in each if one.limit_bytes]
    policies = dict.fromkeys(one.policy for one in each if one.policy is not None)
    return Memory(
        sum(used) if len(used) == len(each) else None,
        sum(limits) if len(limits) == len(each) else 0,
        ", ".join(policies) or None,
    )
