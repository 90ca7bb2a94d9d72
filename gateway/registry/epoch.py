"""Follows one epoch key (R13): since when the store remembers the replay claims that the key stands for.

Its value is a time in milliseconds since 1970; where replicas may take the server's place, `-` and the id of the
lineage of writes under which it was begun (`gateway.registry.lineage`) follow. Whoever finds the key absent, or begun
under another lineage than the server's present one, sets it to now, if nobody else did: earlier claims may be lost.
"""

from collections.abc import Callable
from typing import Final

from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.line import Line
from gateway.registry.resp import Reply, pack
from gateway.registry.wire import Exchange

_FITS_ONLY: Final = (
    b"if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('SET',KEYS[1],ARGV[2]) end return false"
)

_BAD: Final = Unavailable(Reason.STORE_ANSWER, "the epoch key does not hold a time in milliseconds")
_NO_LOSS: Final = "the store does not remember its replay claims any longer"
_OTHER: Final = "another server took over from the store's master; replay claims made just before may be lost"


class Epoch:
    """The epoch as one worker knows it.

    :param key: the epoch key
    :param moved: told with a detail when claims made under the epoch known so far do not count any longer
    :param settled: called after each answer about the key
    """

    def __init__(
        self, link: Line, key: bytes, moved: Callable[[str], None], settled: Callable[[], None] = lambda: None
    ) -> None:
        self._link = link
        self._key = key
        self._moved = moved
        self._settled = settled
        self._lineage = b""
        self.get = pack(b"GET", key)
        """The packed command whose reply `remember` takes."""
        self.value: bytes | None = None
        """The key's value as last read; None if unknown. Claims compare it, so that none counts across a loss."""
        self.since_s: float | None = None
        """Since when the store remembers replay claims, in seconds since 1970; None while unknown."""
        self.trouble: Unavailable | None = None
        """Why the value is not known."""
        link.on_connect.append(self._connected)

    def remember(self, reply: Reply) -> None:
        """Take what the key holds."""
        if isinstance(reply, Unavailable):
            self.trouble = reply
            return
        if reply is not None and reply == self.value:
            self.trouble = None
            return
        if self.value is not None:
            self._forget(_NO_LOSS)
        if reply is None:
            self._ask(pack(b"SET", self._key, self._now(), b"NX"))
            return
        began_ms, _, lineage = reply.partition(b"-") if isinstance(reply, bytes) else (b"", b"", b"")
        if not began_ms.isdigit():
            self.trouble = _BAD
            self._link.probe()
        elif self._link.lineage and lineage != self._link.lineage:
            self._replace(reply)
        else:
            self.trouble = None
            self.value = reply
            # We have just seen the store: a clock that runs fast elsewhere must not refuse what is signed from now on.
            self.since_s = min(int(began_ms) / 1000, self._link.clock.now())

    def created(self, replies: list[Reply]) -> None:
        """Take what the key holds after we set it, or somebody else did."""
        said, value = replies
        if value is not None:
            self.remember(value)
        elif isinstance(said, Unavailable):
            self.trouble = said
        self._settled()

    def _connected(self) -> None:
        # Before anything is sent: a replica that took over has the old epoch too, but perhaps not every claim.
        before, self._lineage = self._lineage, self._link.lineage
        if before and before != self._lineage:
            self._forget(_OTHER)

    def _replace(self, stale: bytes) -> None:
        """Set the key if it still holds what was begun under another lineage.

        Valkey 8.1 and later do so with the right to set keys alone (R27); older ones and Redis get a script.
        """
        fresh = self._now()

        def said(reply: Reply) -> None:
            if not isinstance(reply, Unavailable):
                self._ask(b"")
            elif reply.reason is Reason.STORE_UNAVAILABLE and self._link.connected:
                self._ask(pack(b"EVAL", _FITS_ONLY, b"1", self._key, stale, fresh))
            else:
                self.trouble = reply

        self._link.call((b"SET", self._key, fresh, b"IFEQ", stale), said)

    def _ask(self, change: bytes) -> None:
        self._link.send(change + self.get, _Changed(self) if change else _Read(self))

    def _now(self) -> bytes:
        now_ms = b"%d" % int(self._link.clock.now() * 1000)
        return b"%b-%b" % (now_ms, self._link.lineage) if self._link.lineage else now_ms

    def _forget(self, detail: str) -> None:
        self.value = None
        self._moved(detail)


class _Changed(Exchange):
    """Sets the epoch key on a condition, and reads it back."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Epoch) -> None:
        super().__init__(expects=2)
        self._owner = owner

    def complete(self, replies: list[Reply]) -> None:
        self._owner.created(replies)

    def late(self, replies: list[Reply]) -> None:
        self._owner.created(replies)


class _Read(Exchange):
    """Reads the epoch key."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Epoch) -> None:
        super().__init__()
        self._owner = owner

    def complete(self, replies: list[Reply]) -> None:
        self._owner.created([None, replies[0]])

    def late(self, replies: list[Reply]) -> None:
        self._owner.created([None, replies[0]])
