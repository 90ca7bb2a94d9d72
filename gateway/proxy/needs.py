"""What an exchange asks of the registry, as small as it is: so that tests and other stores can stand in."""

import asyncio
from typing import Protocol

from gateway.registry.answers import ClaimAnswer, Found


class Directory(Protocol):
    """Looks a client up: at once from memory, or later from the store."""

    def find(self, realm: str, client_id: str) -> "Found | asyncio.Future[Found]":
        """The client, or why there is none."""
        ...


class Claims(Protocol):
    """Claims and releases keys of the replay store."""

    def claim(self, key: bytes, ttl_ms: int) -> "asyncio.Future[ClaimAnswer]":
        """Claim `key` if nobody has it."""
        ...

    def release(self, key: bytes) -> None:
        """Take back a claim of ours."""
        ...


class Epoch(Protocol):
    """Since when the store remembers replay claims."""

    @property
    def epoch_s(self) -> float | None:
        """Seconds since 1970 (R13); None while unknown, and then nothing is claimed either."""
        ...
