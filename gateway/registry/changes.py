"""Follows the registry's change stream (R25) and the age of the store's memory (R13), with one short poll every 200 ms.

The poll reads the stream from the last entry seen, that entry included, and looks whether it is still the same. If not,
the stream was trimmed past us or the store is another one or lost its data: everything remembered is forgotten, as it
is when another server takes over, which may have lost the latest notices. Writers must write a record before, or in one
transaction with, its entry in the stream: then whoever reads the old record after it changed still gets the notice
later.

The same poll reads the epoch key, which says since when the store remembers replay claims.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.epoch import Epoch
from gateway.registry.keys import CHANGES, EPOCH
from gateway.registry.line import Line
from gateway.registry.link import Report
from gateway.registry.resp import Reply, pack
from gateway.registry.wire import Exchange

POLL_S: Final = 0.2
_PAGE: Final = 1_000
_NEWEST: Final = pack(b"XREVRANGE", CHANGES, b"+", b"-", b"COUNT", b"1")

_Entry = tuple[bytes, tuple[bytes, ...]]


class Changes:
    """The follower of one worker.

    :param evict: told realm and id of a client that changed
    :param clear: called when anything may have changed
    :param report: told once when polls begin to fail (`changes.failing`), once when they succeed again
        (`changes.following`), when the place in the stream is lost (`changes.restarted`), and when the store lost its
        memory (`store.memory_lost`)
    :param epoch_key: says since when what is followed is complete
    """

    def __init__(
        self,
        link: Line,
        evict: Callable[[str, str], None],
        clear: Callable[[], None],
        report: Report | None = None,
        epoch_key: bytes = EPOCH,
    ) -> None:
        self._link = link
        self._evict = evict
        self._clear = clear
        self._report = report
        self._at: _Entry | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._polling = False
        self._again = False
        self._caught_up = False
        self._is_replay = epoch_key == EPOCH
        self._epoch = Epoch(link, epoch_key, self._memory_lost, self._settle)
        self._failing = False
        self._closed = False
        self._ready: list[asyncio.Future[None]] = []
        self.polls = 0
        """Polls that succeeded."""
        self.notices = 0
        """Changes of single clients that were read."""
        self.restarts = 0
        """How often everything had to be forgotten."""
        self.last_good_s = float("-inf")
        """Monotonic time at which the last poll that succeeded was sent."""
        link.on_connect.append(self.poll)

    @property
    def epoch(self) -> bytes | None:
        """The epoch key's value as last read: claims compare it, so that none counts across a loss of memory."""
        return self._epoch.value

    @property
    def epoch_s(self) -> float | None:
        """Since when the store remembers replay claims, in seconds since 1970; None while unknown."""
        return self._epoch.since_s

    def since_s(self, _: Iterable[bytes]) -> float | None:
        """As `epoch_s`: one memory has the claims of all keys."""
        return self._epoch.since_s

    def ready(self) -> "asyncio.Future[None]":
        """Done as soon as a poll has succeeded and the epoch is known: then clients are found and claims made."""
        future = self._link.loop.create_future()
        self._ready.append(future)
        self._settle()
        return future

    def age_s(self) -> float:
        """How long ago the last poll that succeeded was sent."""
        return self._link.clock.monotonic() - self.last_good_s

    def start(self) -> None:
        """Begin to poll."""
        self._tick()

    def close(self) -> None:
        """Stop to poll."""
        self._closed = True
        for future in self._ready:
            future.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def poll(self) -> None:
        """Poll now; at once after the poll under way, if there is one."""
        if self._closed or not self._link.connected:
            return
        if self._polling:
            self._again = True
            return
        self._polling = True
        self._again = False
        self._caught_up = True
        at = self._at
        stream = _NEWEST if at is None else pack(b"XRANGE", CHANGES, at[0], b"+", b"COUNT", b"%d" % _PAGE)
        self._link.send(stream + self._epoch.get, _Poll(self, self._link.clock.monotonic()))

    def _tick(self) -> None:
        self._timer = self._link.loop.call_later(POLL_S, self._tick)
        self.poll()

    def polled(self, sent_s: float, replies: list[Reply]) -> None:
        """Take the replies of one poll that was sent at `sent_s`, late ones too: they tell no less."""
        self._polling = False
        self._epoch.remember(replies[1])
        trouble = self._follow(replies[0])
        if trouble is None and self._caught_up:
            self.last_good_s = sent_s
            self.polls += 1
        self._state(trouble or self._epoch.trouble)
        self._settle()
        if self._again or not self._caught_up:
            self.poll()

    def gone(self) -> None:
        """The connection went before the replies came; the next one polls at once."""
        self._polling = False

    def _follow(self, reply: Reply) -> Unavailable | None:
        if isinstance(reply, Unavailable):
            return reply
        at = self._at
        try:
            entries = [_entry(item) for item in reply]
        except (TypeError, ValueError):
            self._link.probe()
            return Unavailable(Reason.STORE_ANSWER, "the change stream cannot be read")
        if at is None:
            if entries:
                self._at = entries[-1]
                self._forget()  # what was read before this place in the stream may have changed before it
            return None
        if not entries or entries[0] != at:
            self._at = None
            self._caught_up = False
            self._tell("changes.restarted", "the place in the change stream is gone; everything is read again")
            self._forget()
            return None
        for _, fields in entries[1:]:
            self._notice(fields)
        self._at = entries[-1]
        self._caught_up = len(entries) < _PAGE
        return None

    def _notice(self, fields: tuple[bytes, ...]) -> None:
        named = dict(zip(fields[::2], fields[1::2], strict=False))
        try:
            realm, client_id = named[b"realm"].decode(), named[b"id"].decode()
        except (KeyError, UnicodeDecodeError):
            self._forget()  # something changed, and it does not say what
            return
        self.notices += 1
        self._evict(realm, client_id)

    def _memory_lost(self, detail: str) -> None:
        if self._is_replay:
            self._tell("store.memory_lost", detail)
        else:
            self._tell("changes.restarted", "another node has the change stream now; everything is read again")
        self._forget()

    def _settle(self) -> None:
        if self.polls and self._epoch.value is not None:
            waiting, self._ready = self._ready, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def _forget(self) -> None:
        self.restarts += 1
        self._clear()

    def _state(self, trouble: Unavailable | None) -> None:
        if trouble is not None and not self._failing:
            self._failing = True
            self._tell("changes.failing", trouble.detail)
        elif trouble is None and self._failing:
            self._failing = False
            self._tell("changes.following", "changes of the registry are followed again")

    def _tell(self, event: str, detail: str) -> None:
        if self._report is not None:
            self._report(event, detail)


class _Poll(Exchange):
    """The stream and the epoch key, read in one go."""

    __slots__ = ("_asked_s", "_owner")

    def __init__(self, owner: Changes, asked_s: float) -> None:
        super().__init__(expects=2)
        self._owner = owner
        self._asked_s = asked_s

    def complete(self, replies: list[Reply]) -> None:
        self._owner.polled(self._asked_s, replies)

    def late(self, replies: list[Reply]) -> None:
        self._owner.polled(self._asked_s, replies)

    def lost(self) -> None:
        self._owner.gone()


def _entry(item: Any) -> _Entry:
    """One stream entry as redis shows it: `[id, [name, value, ...]]`."""
    name, fields = item
    if type(name) is not bytes or not all(type(field) is bytes for field in fields):
        raise TypeError("not a stream entry")
    return name, tuple(fields)
