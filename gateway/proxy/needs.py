"""What an exchange asks of the registry, as small as it is: so that tests and other stores can stand in."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway._native import AnswerSink
from gateway.model import Refusal
from gateway.onboarding.answer import OwnAnswer
from gateway.onboarding.flow import Standing
from gateway.proxy.assertion import Assertions
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

    def ask(self, key: bytes, ttl_ms: int, answered: Callable[[ClaimAnswer], bool]) -> Unavailable | None:
        """The same without a future: see `gateway.registry.claims`."""
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


class OnItsWay(Protocol):
    """One request to the backend: a `Sending`, or what stands for several attempts."""

    @property
    def touched(self) -> bool:
        """An octet was handed to a connection (R13)."""
        ...

    def pause_reading(self) -> None:
        """Take no more of the answer for now."""
        ...

    def resume_reading(self) -> None:
        """Go on."""
        ...

    def abort(self) -> None:
        """Nobody waits any longer."""
        ...


class Sender(Protocol):
    """Who takes one request: a `BackendPool`, or a `NativeTurn` that knows several."""

    assertions: Assertions | None

    def send(self, head: bytes, body: bytes, streamed: bool, head_only: bool, sink: AnswerSink) -> OnItsWay:
        """Send a request; `sink` is told of its answer, never from in here."""
        ...


class Senders(Protocol):
    """The connections to all backends: `gateway.proxy.upstreams.Upstreams`."""

    def at(self, path: bytes, client_id: str, method: bytes) -> Sender:
        """As of `Backends`."""
        ...


class Following(Protocol):
    """One request in progress, as its native connection tells it what happens."""

    def body_arrived(self) -> None:
        """After `want_body`: more of the body, its end, or its fault."""
        ...

    def body_late(self) -> None:
        """After `want_body`: nothing has come for the body timeout."""
        ...

    def client_reads(self) -> None:
        """The client takes more again."""
        ...

    def client_gone(self, detail: str) -> None:
        """The client is gone, or was cut because it takes nothing."""
        ...
