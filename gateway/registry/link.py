"""Keeps one connection to the store open for the request path, which never waits for one and never retries."""

import asyncio
import os
import random
from collections.abc import Callable
from typing import Final

from gateway.clock import Clock
from gateway.reasons import Reason
from gateway.registry import lineage
from gateway.registry.answers import Unavailable
from gateway.registry.dial import dial, greeting, tls_context
from gateway.registry.figures import StoreFigures
from gateway.registry.resp import Reply, pack
from gateway.registry.store_url import Endpoint
from gateway.registry.wire import Exchange, Wire

Report = Callable[[str, str], None]
"""Takes an event (`store.connected`, `store.lost`, ...) and a detail for the operator's log."""

_SHORTEST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 0.5
"""Short enough that a change reaches a worker within a second of the end of an outage (R25)."""
_NAME: Final = b"wfm-gateway"


class Link:
    """The store connection of one worker: opened by `start`, opened again whenever it is lost, with growing pauses.

    :param timeout_s: how long a caller waits for a reply; afterwards it is told store.timeout
    :param drop_after_s: how long the oldest command may stay without a reply before the connection is given up; also
        how long it may take to open one
    :param limit: how many replies may be owed; a caller beyond that is told store.unavailable at once
    :param report: told once when the store is lost or cannot be reached, and once when it is there (again)
    :param redirected: called when a reply says that a key is at another node of a cluster
    :param figures: where what happens is counted
    :param jitter: random numbers in [0, 1), so that the workers of a fleet do not come back in step
    :raises ConfigError: config.unreadable for the endpoint's TLS files
    """

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        *,
        timeout_s: float = 0.1,
        drop_after_s: float = 2.0,
        limit: int = 10_000,
        report: Report | None = None,
        redirected: Callable[[], None] | None = None,
        figures: StoreFigures | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.on_connect: list[Callable[[], None]] = []
        """Called when a connection can be used, before anybody else can send on it."""
        self.on_disconnect: list[Callable[[], None]] = []
        self.lineage = b""
        """Id of the lineage of writes that the server continues; empty where no replica can take its place (R13)."""
        self._figures = figures or StoreFigures()
        self._endpoint = endpoint
        self._context = tls_context(endpoint)
        self._timeout_s = timeout_s
        self._drop_after_s = drop_after_s
        self._limit = limit
        self._report = report
        self._redirected = redirected
        self._jitter = jitter
        self._wire: Wire | None = None
        self._opening: Wire | None = None
        self._dialling: asyncio.Task[tuple[asyncio.BaseTransport, asyncio.BaseProtocol]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failures = 0
        self._since_s = 0.0
        self._told_lost = False
        self._closed = False
        self._why = Unavailable(Reason.STORE_UNAVAILABLE, "there has been no connection to the store yet")
        self._full = Unavailable(Reason.STORE_UNAVAILABLE, f"{limit} replies of the store are outstanding")
        self._ready: list[asyncio.Future[None]] = []
        if endpoint.replicated:
            watch = lineage.Watch(self)
            self.on_connect.append(watch.begin)
            self.on_disconnect.append(watch.end)

    @property
    def connected(self) -> bool:
        """There is a connection, and the store has let us in."""
        return self._wire is not None

    def start(self) -> None:
        """Begin to connect; call it on the loop's thread, with the loop running or about to."""
        self._dial()

    def ready(self) -> asyncio.Future[None]:
        """Done as soon as there is a connection."""
        future = self.loop.create_future()
        if self._wire is not None:
            future.set_result(None)
        else:
            self._ready.append(future)
        return future

    def close(self) -> None:
        """End the connection for good; whoever still waits is told store.unavailable."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._dialling is not None:
            self._dialling.cancel()
        for future in self._ready:
            future.cancel()
        self.drop(Unavailable(Reason.STORE_UNAVAILABLE, "the gateway has closed its connection to the store"))

    def drop(self, why: Unavailable) -> None:
        """Give up the present connection and open another: its replies are no longer trusted."""
        for wire in (self._wire, self._opening):
            if wire is not None:
                wire.drop(why)

    def refusal(self) -> Unavailable | None:
        """Why nothing can be sent at the moment; None if something can."""
        wire = self._wire
        if wire is None:
            return self._why
        return None if wire.owed < self._limit else self._full

    def send(self, data: bytes, exchange: Exchange) -> None:
        """Send packed commands with this tick's others; without a connection `exchange` is given up and lost at once.

        The limit is for the caller to keep (`refusal`): what follows the store itself must pass when requests pile up.
        """
        if self._wire is not None:
            self._wire.send(data, exchange)
            return
        exchange.given_up = True
        exchange.give_up(self._why)
        exchange.lost()

    def before_flush(self, hook: Callable[[], None]) -> None:
        """Call `hook` once at the end of this tick, when what was queued leaves; at once without a connection."""
        if self._wire is not None:
            self._wire.before_flush(hook)
        else:
            hook()

    def call(self, args: tuple[bytes, ...], callback: Callable[[Reply], None]) -> None:
        """Send one command; `callback` takes its reply or `Unavailable`, at once where nothing can be sent."""
        refusal = self.refusal()
        if refusal is not None:
            callback(refusal)
        else:
            self.send(pack(*args), _Call(callback))

    def submit(self, *args: bytes) -> "asyncio.Future[Reply]":
        """Send one command; the future's result is its reply or `Unavailable`. Cancelling it harms nobody else."""
        future: asyncio.Future[Reply] = self.loop.create_future()
        self.call(args, lambda reply: None if future.done() else future.set_result(reply))
        return future

    def probe(self) -> None:
        """Ask for an echo of something unique; drop the connection if anything else comes back.

        For when a reply did not fit its question: if replies have shifted, every later one would be wrong too.
        """
        nonce = os.urandom(8).hex().encode()
        wire = self._wire

        def compare(reply: Reply) -> None:
            if reply != nonce and not isinstance(reply, Unavailable) and wire is not None:
                wire.drop(Unavailable(Reason.STORE_ANSWER, "replies of the store do not fit their questions"))

        self.call((b"PING", nonce), compare)

    def _dial(self) -> None:
        """Open a connection, now that it is time to; where to, is for a subclass to find out."""
        self._timer = None
        self._open(self._endpoint)

    def _open(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        wire = Wire(
            self.loop, self.clock, self._timeout_s, self._drop_after_s, self._greet, self._lost, self._redirected
        )
        wire.figures = self._figures
        self._opening = wire
        self._timer = self.loop.call_later(self._drop_after_s, self._too_slow, wire)
        self._dialling = self.loop.create_task(dial(self.loop, self._endpoint, self._context, lambda: wire))
        self._dialling.add_done_callback(lambda task: self._dialled(task, wire))

    def _dialled(self, task: "asyncio.Task[tuple[asyncio.BaseTransport, asyncio.BaseProtocol]]", wire: Wire) -> None:
        if self._dialling is task:
            self._dialling = None
        if not task.cancelled() and (error := task.exception()) is not None:
            wire.drop(
                Unavailable(Reason.STORE_UNAVAILABLE, f"the store at {self._endpoint} cannot be reached: {error}")
            )

    def _too_slow(self, wire: Wire) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
        wire.drop(
            Unavailable(
                Reason.STORE_UNAVAILABLE, f"the store at {self._endpoint} was not there in {self._drop_after_s:g} s"
            )
        )

    def _greet(self, wire: Wire) -> None:
        nonce = os.urandom(8).hex().encode()
        commands = greeting(self._endpoint, nonce)
        wire.send(b"".join(commands), _Greeting(len(commands), nonce, lambda said: self._greeted(wire, said)))
        wire.send(pack(b"CLIENT", b"SETNAME", _NAME), Exchange())  # for the operator's CLIENT LIST: may be forbidden

    def _greeted(self, wire: Wire, said: list[Reply] | Unavailable) -> None:
        if wire.ended or wire is not self._opening:
            return
        found = lineage.read(said[-2]) if self._endpoint.replicated and isinstance(said, list) else b""
        for why in (said, found):
            if isinstance(why, Unavailable):
                wire.drop(why)
                return
        assert isinstance(found, bytes)
        self.lineage = found
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._opening = None
        self._wire = wire
        self._figures.connections += 1
        self._since_s = self.clock.monotonic()
        self._told_lost = False
        self._tell("store.connected", str(self._endpoint))
        for hook in self.on_connect:
            hook()
        waiting, self._ready = self._ready, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _lost(self, wire: Wire, why: Unavailable) -> None:
        self._why = why
        was_open = wire is self._wire
        if was_open:
            self._wire = None
            if self.clock.monotonic() - self._since_s >= _LONGEST_PAUSE_S:
                self._failures = 0  # it was a good connection: the next one may be near
        elif wire is self._opening:
            self._opening = None
        else:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if was_open:
            for hook in self.on_disconnect:
                hook()
        if self._closed:
            return
        if not self._told_lost:
            self._told_lost = True
            self._tell("store.lost", why.detail)
        self._redial()

    def _redial(self) -> None:
        pause_s = min(_LONGEST_PAUSE_S, _SHORTEST_PAUSE_S * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        self._timer = self.loop.call_later(pause_s * (0.5 + self._jitter() / 2), self._dial)

    def _tell(self, event: str, detail: str) -> None:
        if self._report is not None:
            self._report(event, detail)


class _Call(Exchange):
    """One command of a caller."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[Reply], None]) -> None:
        super().__init__()
        self._callback = callback

    def complete(self, replies: list[Reply]) -> None:
        self._callback(replies[0])

    def give_up(self, why: Unavailable) -> None:
        self._callback(why)


class _Greeting(Exchange):
    """The commands that open a connection."""

    __slots__ = ("_done", "_nonce")

    def __init__(self, expects: int, nonce: bytes, done: Callable[[list[Reply] | Unavailable], None]) -> None:
        super().__init__(expects)
        self._nonce = nonce
        self._done = done

    def complete(self, replies: list[Reply]) -> None:
        for reply in replies:
            if isinstance(reply, Unavailable):
                self._done(reply)
                return
        if replies[-1] != self._nonce:
            self._done(Unavailable(Reason.STORE_ANSWER, "the store's first reply does not fit its question"))
            return
        self._done(replies)

    def give_up(self, why: Unavailable) -> None:
        self._done(why)
