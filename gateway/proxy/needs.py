"""What an exchange asks of the registry, as small as it is: so that tests and other stores can stand in."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from gateway.model import Refusal
from gateway.onboarding.answer import OwnAnswer
from gateway.onboarding.flow import Standing
from gateway.proxy.forward import Collected, Delivery
from gateway.registry.answers import ClaimAnswer, Found, Unavailable
from gateway.steps import NeedStanding, Onboard


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

    def since_s(self, keys: Iterable[bytes]) -> float | None:
        """Since when the store remembers the claims of these keys, in seconds since 1970 (R13); None while unknown, and
        then nothing is claimed either."""
        ...


class Onboarding(Protocol):
    """Knows what the store has about a key, and makes a client of its device."""

    readers: int

    async def standing(self, need: NeedStanding) -> Standing | Unavailable:
        """What the store has."""
        ...

    async def conclude(
        self, step: Onboard, allowed: frozenset[bytes] | None, delivery: Delivery
    ) -> OwnAnswer | Collected | Refusal:
        """What the device is told."""
        ...
