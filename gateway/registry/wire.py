"""One connection to the store: commands of one tick leave as one write, replies are matched in order."""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

import hiredis

from gateway.clock import Clock
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.figures import StoreFigures
from gateway.registry.resp import Redirected, Reply, is_wrong_server, refused

_INCOMPLETE: Final = object()
_SECOND_LOOK_S: Final = 0.001


class Exchange:
    """One or more commands sent together, and the room that their replies keep in the order of the connection.

    The room stays when nobody waits any longer, so that no reply ever reaches another exchange than its own. Exactly
    one of `complete` and `give_up` is called; after `give_up` either `late` (the replies came after all) or `lost`
    (they never will).
    """

    __slots__ = ("expects", "given_up", "replies", "sent_s")

    def __init__(self, expects: int = 1) -> None:
        self.replies: list[Reply] = []
        self.expects = expects
        self.given_up = False
        self.sent_s = 0.0

    def complete(self, replies: list[Reply]) -> None:
        """All replies are here, in time."""

    def give_up(self, why: Unavailable) -> None:
        """Waiting is over: too late, or the connection is gone."""

    def late(self, replies: list[Reply]) -> None:
        """All replies are here, after `give_up`."""

    def lost(self) -> None:
        """The connection went without the replies; whether the store did what was asked is unknown."""


class Wire(asyncio.Protocol):
    """One connection, from its making to its end; a lost one is never used again.

    An exchange is given up after `timeout_s`; when the oldest has no reply for `drop_after_s`, the connection is
    dropped. One timer serves all of them.
    A reply that cannot be read, or that nobody asked for, drops it at once: nothing after it can be trusted.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        timeout_s: float,
        drop_after_s: float,
        on_open: Callable[["Wire"], None],
        on_lost: Callable[["Wire", Unavailable], None],
        on_redirected: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._timeout_s = timeout_s
        self._drop_after_s = drop_after_s
        self._on_open = on_open
        self._on_lost = on_lost
        self._on_redirected = on_redirected
        self._transport: asyncio.WriteTransport | None = None
        self._reader = hiredis.Reader(
            replyError=self._refused,  # type: ignore[arg-type]  # any callable will do
            notEnoughData=_INCOMPLETE,
            errors="backslashreplace",
        )
        self._queued: list[Exchange] = []  # their commands have not left, so no reply can be theirs
        self._waiting: deque[Exchange] = deque()
        self._abandoned = 0  # this many at the left end of `_waiting` were given up
        self._out: list[bytes] = []
        self._hooks: list[Callable[[], None]] = []
        self._tick_s = 0.0
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._looked = False
        self._wrong_server: Unavailable | None = None
        self._end: Unavailable | None = None
        self.owed = 0
        """Replies that have been asked for and are not here yet."""
        self.figures = StoreFigures()

    @property
    def ended(self) -> bool:
        """The connection is gone."""
        return self._end is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._end is not None:  # given up while it was being made
            transport.abort()  # type: ignore[attr-defined]
            return
        self._transport = transport  # type: ignore[assignment]
        self._on_open(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.drop(Unavailable(Reason.STORE_UNAVAILABLE, f"the connection to the store was lost: {exc or 'closed'}"))

    def send(self, data: bytes, exchange: Exchange) -> None:
        """Queue packed commands, which `exchange.expects` replies answer; they leave at the end of this tick."""
        if not self._scheduled:
            self._schedule()
        exchange.sent_s = self._tick_s
        self.owed += exchange.expects
        self._queued.append(exchange)
        self._out.append(data)

    def before_flush(self, hook: Callable[[], None]) -> None:
        """Call `hook` once, just before what this tick queued leaves; what it sends leaves too."""
        if not self._scheduled:
            self._schedule()
        self._hooks.append(hook)

    def drop(self, why: Unavailable) -> None:
        """End the connection at once; everybody who waits is told `why`."""
        if self._end is not None:
            return
        self._end = why
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        hooks, self._hooks = self._hooks, []
        waiting = [*self._waiting, *self._queued]
        self._waiting.clear()
        self._queued.clear()
        self._out.clear()
        self.owed = 0
        self._on_lost(self, why)
        for hook in hooks:
            self._guard(hook)
        for exchange in waiting:
            if not exchange.given_up:
                self._abandon(exchange, why)
            self._guard(exchange.lost)

    def data_received(self, data: bytes) -> None:
        if self._end is not None:
            return
        waiting = self._waiting
        gets = self._reader.gets
        now_s = self._clock.monotonic()
        try:
            self._reader.feed(data)
            while (reply := gets()) is not _INCOMPLETE:
                exchange = waiting[0]  # an IndexError is a reply that nobody asked for
                replies = exchange.replies
                replies.append(reply)
                for _ in range(exchange.expects - len(replies)):
                    if (reply := gets()) is _INCOMPLETE:
                        break
                    replies.append(reply)
                else:
                    waiting.popleft()
                    self._settle(exchange, now_s)
                    if self._end is not None:
                        return
        except (hiredis.HiredisError, IndexError, ValueError, MemoryError) as error:
            self.drop(Unavailable(Reason.STORE_ANSWER, f"a reply of the store cannot be read: {error}"))
            return
        if self._wrong_server is not None:
            self.drop(self._wrong_server)

    def _settle(self, exchange: Exchange, now_s: float) -> None:
        self.owed -= exchange.expects
        figures = self.figures
        figures.round_trips += 1
        figures.round_trip_s += now_s - exchange.sent_s
        try:
            if exchange.given_up:
                self._abandoned -= 1
                exchange.late(exchange.replies)
            else:
                exchange.complete(exchange.replies)
        except Exception as error:
            self._report(error)

    def _refused(self, message: str) -> Unavailable:
        why = refused(message)
        if isinstance(why, Redirected) and self._on_redirected is not None:
            self._on_redirected()
        if is_wrong_server(message):
            self._wrong_server = why
        return why

    def _schedule(self) -> None:
        self._scheduled = True
        self._tick_s = self._clock.monotonic()
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        while self._hooks:
            hooks, self._hooks = self._hooks, []
            for hook in hooks:
                self._guard(hook)
        self._scheduled = False
        if self._end is not None or not self._out:
            return
        data = b"".join(self._out)
        self._out.clear()
        self._waiting.extend(self._queued)
        self._queued.clear()
        assert self._transport is not None
        self._transport.write(data)
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._watch)

    def _watch(self) -> None:
        """Give up what is due. One timer serves all, because exchanges wait in the order in which they were sent."""
        self._timer = None
        if not self._waiting:
            return
        now = self._clock.monotonic()
        due = [
            exchange
            for exchange in islice(self._waiting, self._abandoned, None)
            if now - exchange.sent_s >= self._timeout_s
        ]
        stuck = now - self._waiting[0].sent_s >= self._drop_after_s
        if (due or stuck) and not self._looked:
            # This loop may itself have been late, with the replies lying in the socket: read first, then judge.
            self._looked = True
            self._timer = self._loop.call_later(_SECOND_LOOK_S, self._watch)
            return
        self._looked = False
        if stuck:
            self.drop(Unavailable(Reason.STORE_UNAVAILABLE, f"the store has not answered for {self._drop_after_s:g} s"))
            return
        self._abandoned += len(due)
        self.figures.timeouts += len(due)
        for exchange in due:
            self._abandon(
                exchange,
                Unavailable(Reason.STORE_TIMEOUT, f"the store did not answer within {self._timeout_s * 1000:g} ms"),
            )
        if self._end is None and self._waiting:
            self._rearm(now)

    def _rearm(self, now: float) -> None:
        wait_s = self._waiting[0].sent_s + self._drop_after_s - now
        if self._abandoned < len(self._waiting):
            wait_s = min(wait_s, self._waiting[self._abandoned].sent_s + self._timeout_s - now)
        self._timer = self._loop.call_later(min(max(wait_s, _SECOND_LOOK_S), self._timeout_s), self._watch)

    def _abandon(self, exchange: Exchange, why: Unavailable) -> None:
        exchange.given_up = True
        try:
            exchange.give_up(why)
        except Exception as error:
            self._report(error)

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self._report(error)

    def _report(self, error: Exception) -> None:
        """A callback's mistake must not shift or lose the replies of others."""
        self._loop.call_exception_handler({"message": "a callback of the store connection failed", "exception": error})
