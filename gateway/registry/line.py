"""What those who ask the store need of a connection to it, and the one to whichever node of a cluster has a slot."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from gateway.clock import Clock
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.link import Link
from gateway.registry.resp import Reply
from gateway.registry.wire import Exchange

_NOBODY: Final = Unavailable(Reason.STORE_UNAVAILABLE, "no node of the cluster is known to have this key")


class Asking(Protocol):
    """Takes commands with one key each; `Link` and `ClusterLink` are two."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def clock(self) -> Clock: ...

    def call(self, args: tuple[bytes, ...], callback: Callable[[Reply], None]) -> None:
        """Send one command; `callback` takes its reply or `Unavailable`, at once where nothing can be sent."""

    def submit(self, *args: bytes) -> "asyncio.Future[Reply]":
        """Send one command; the future's result is its reply or `Unavailable`."""
        ...

    def probe(self) -> None:
        """A reply did not fit its question: see that replies have not shifted."""


class Line(Asking, Protocol):
    """Takes commands about keys of one node, in batches; see `Link`."""

    @property
    def on_connect(self) -> list[Callable[[], None]]: ...

    @property
    def lineage(self) -> bytes: ...

    @property
    def connected(self) -> bool: ...

    def refusal(self) -> Unavailable | None:
        """Why nothing can be sent at the moment; None if something can."""
        ...

    def send(self, data: bytes, exchange: Exchange) -> None:
        """Send packed commands."""

    def before_flush(self, hook: Callable[[], None]) -> None:
        """Call `hook` when what this tick queued leaves."""

    def drop(self, why: Unavailable) -> None:
        """Give up the present connection."""


class SlotLine:
    """The connection to the node that has one slot, whichever that is: it changes as the cluster does."""

    def __init__(self, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self.clock = clock
        self.loop = loop
        self.on_connect: list[Callable[[], None]] = []
        """Called when a connection can be used, or another node's has to be from now on."""
        self.link: Link | None = None

    def lead_to(self, link: Link | None) -> None:
        """From now on this node has the slot; None: nobody has."""
        if link is self.link:
            return
        self.link = link
        if link is not None and link.connected:
            self.opened()

    def opened(self) -> None:
        """The node's connection can be used."""
        for hook in self.on_connect:
            hook()

    @property
    def lineage(self) -> bytes:
        """See `Link`."""
        return b"" if self.link is None else self.link.lineage

    @property
    def connected(self) -> bool:
        """See `Link`."""
        return self.link is not None and self.link.connected

    def refusal(self) -> Unavailable | None:
        """See `Link`."""
        return _NOBODY if self.link is None else self.link.refusal()

    def send(self, data: bytes, exchange: Exchange) -> None:
        """See `Link`."""
        if self.link is not None:
            self.link.send(data, exchange)
            return
        exchange.given_up = True
        exchange.give_up(_NOBODY)
        exchange.lost()

    def before_flush(self, hook: Callable[[], None]) -> None:
        """See `Link`."""
        if self.link is not None:
            self.link.before_flush(hook)
        else:
            hook()

    def call(self, args: tuple[bytes, ...], callback: Callable[[Reply], None]) -> None:
        """See `Link`."""
        if self.link is not None:
            self.link.call(args, callback)
        else:
            callback(_NOBODY)

    def submit(self, *args: bytes) -> "asyncio.Future[Reply]":
        """See `Link`."""
        future: asyncio.Future[Reply] = self.loop.create_future()
        self.call(args, lambda reply: None if future.done() else future.set_result(reply))
        return future

    def probe(self) -> None:
        """See `Link`."""
        if self.link is not None:
            self.link.probe()

    def drop(self, why: Unavailable) -> None:
        """See `Link`."""
        if self.link is not None:
            self.link.drop(why)
