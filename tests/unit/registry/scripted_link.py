"""A link without a network: tests see what was sent and decide when, in which order and with what it is answered."""

import asyncio
from collections.abc import Callable
from typing import Any

import hiredis

from gateway.clock import Clock
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.link import Link
from gateway.registry.store_url import Endpoint
from gateway.registry.wire import Exchange
from tests.fault.rig import StillClock


class ScriptedLink(Link):
    """Keeps what was sent; `connected` from the first moment."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(Endpoint(path="/nowhere"), clock or StillClock(), asyncio.get_running_loop())
        self.sent: list[tuple[list[list[bytes]], Exchange]] = []
        self.dropped: list[Unavailable] = []
        self.up = True
        self._hooks: list[Callable[[], None]] = []

    @property
    def connected(self) -> bool:
        return self.up

    def refusal(self) -> Unavailable | None:
        return None if self.up else Unavailable(Reason.STORE_UNAVAILABLE, "away")

    def before_flush(self, hook: Callable[[], None]) -> None:
        self._hooks.append(hook)

    def send(self, data: bytes, exchange: Exchange) -> None:
        if not self.up:
            exchange.given_up = True
            exchange.give_up(Unavailable(Reason.STORE_UNAVAILABLE, "away"))
            exchange.lost()
            return
        self.sent.append((commands(data), exchange))

    def drop(self, why: Unavailable) -> None:
        self.dropped.append(why)

    def flush(self) -> None:
        """End the tick."""
        hooks, self._hooks = self._hooks, []
        for hook in hooks:
            hook()

    def take(self) -> tuple[list[list[bytes]], Exchange]:
        """The oldest exchange that is not answered."""
        return self.sent.pop(0)

    def answer(self, *replies: Any) -> list[list[bytes]]:
        """Answer the oldest exchange; returns its commands."""
        sent, exchange = self.take()
        assert len(replies) == len(sent) == exchange.expects
        (exchange.late if exchange.given_up else exchange.complete)(list(replies))
        return sent

    def time_out(self, position: int = 0) -> None:
        """Let an exchange time out; its replies may still come."""
        exchange = self.sent[position][1]
        exchange.given_up = True
        exchange.give_up(Unavailable(Reason.STORE_TIMEOUT, "late"))

    def lose_connection(self) -> None:
        """Lose everything in flight."""
        self.up = False
        sent, self.sent = self.sent, []
        for _, exchange in sent:
            if not exchange.given_up:
                exchange.given_up = True
                exchange.give_up(Unavailable(Reason.STORE_UNAVAILABLE, "lost"))
            exchange.lost()

    def connect(self) -> None:
        """Be there again."""
        self.up = True
        for hook in self.on_connect:
            hook()


def commands(data: bytes) -> list[list[bytes]]:
    """Read packed commands."""
    reader = hiredis.Reader()
    reader.feed(data)
    read = []
    while (command := reader.gets()) is not False:
        read.append(command)
    return read
