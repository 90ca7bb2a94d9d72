"""Replay claims in a cluster (R13): in 64 buckets, each in one slot, together with an epoch of its own.

A cluster loses its memory in parts: a replica that takes over for one master may miss its latest claims, while the
others remember all of theirs. So each bucket has an epoch key with its claims' hash tag, which moves with them from
node to node, and all that `gateway.registry.claims` does holds bucket by bucket. An epoch belongs to the lineage of
writes under which it was begun; hence a bucket that was moved to another node counts as new there, too. That costs a
retry, and needs no proof that nothing was lost on the way.

While its slot is being moved, claims of a bucket that are not at the old node get 503: to claim at the new one would
need the epoch of both.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from gateway.registry.answers import ClaimAnswer, Unavailable
from gateway.registry.claims import Answered, Claims
from gateway.registry.cluster import ClusterLink
from gateway.registry.epoch import Epoch
from gateway.registry.figures import StoreFigures
from gateway.registry.keys import BUCKETS, bucket_epoch, bucket_key, bucket_of
from gateway.registry.line import SlotLine
from gateway.registry.link import Report
from gateway.registry.resp import Reply
from gateway.registry.wire import Exchange

_TICK_S: Final = 0.2
_TICKS: Final = 5
"""Epochs that are known are read again each so many ticks."""


class BucketClaims:
    """The replay claims of one worker in a cluster; `Claims` and the memory behind them at once.

    :param figures: where claims are counted
    :param report: told when buckets lost their memory (`store.memory_lost`), once for all that did in one moment
    """

    def __init__(self, link: ClusterLink, report: Report | None = None, figures: StoreFigures | None = None) -> None:
        self._loop = link.loop
        self._report = report
        self._lost = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tick_number = 0
        self._ready: list[asyncio.Future[None]] = []
        self._buckets = [
            _Bucket(link.line_of(bucket_epoch(number)), number, self._moved, self._settle, figures)
            for number in range(BUCKETS)
        ]
        link.on_close.append(self._close)
        self._tick()

    def ready(self) -> "asyncio.Future[None]":
        """Done as soon as the epochs of all buckets are known: then claims are made."""
        future = self._loop.create_future()
        self._ready.append(future)
        self._settle()
        return future

    def ask(self, key: bytes, ttl_ms: int, answered: Answered) -> Unavailable | None:
        """See `Claims`."""
        number = bucket_of(key)
        return self._buckets[number].claims.ask(bucket_key(number, key), ttl_ms, answered)

    def claim(self, key: bytes, ttl_ms: int) -> "asyncio.Future[ClaimAnswer]":
        """See `Claims`."""
        number = bucket_of(key)
        return self._buckets[number].claims.claim(bucket_key(number, key), ttl_ms)

    def release(self, key: bytes) -> None:
        """See `Claims`."""
        number = bucket_of(key)
        self._buckets[number].claims.release(bucket_key(number, key))

    def since_s(self, keys: Iterable[bytes]) -> float | None:
        """Since when the store remembers claims of all of these keys, in seconds since 1970; None while unknown."""
        since = [self._buckets[bucket_of(key)].memory.since_s for key in keys]
        known = [each for each in since if each is not None]
        return max(known) if known and len(known) == len(since) else None

    def _close(self) -> None:
        for future in self._ready:
            future.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = self._loop.call_later(_TICK_S, self._tick)
        self._tick_number += 1
        for bucket in self._buckets:
            if bucket.epoch is None or self._tick_number % _TICKS == 0:
                bucket.poll()

    def _settle(self) -> None:
        if self._ready and all(bucket.epoch is not None for bucket in self._buckets):
            waiting, self._ready = self._ready, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def _moved(self, _: str) -> None:
        if not self._lost:
            self._loop.call_soon(self._tell)
        self._lost += 1

    def _tell(self) -> None:
        lost, self._lost = self._lost, 0
        if self._report is not None:
            what = f"{lost} of {BUCKETS} parts of the replay window are at another node, or were lost"
            self._report("store.memory_lost", f"{what}; what was claimed there before does not count any longer")


class _Bucket:
    """One bucket's claims, and what is known of their memory."""

    def __init__(
        self,
        line: SlotLine,
        number: int,
        moved: Callable[[str], None],
        settled: Callable[[], None],
        figures: StoreFigures | None,
    ) -> None:
        self._line = line
        self._asked = False
        self._settled = settled
        self.memory = Epoch(line, bucket_epoch(number), moved, settled)
        self.claims = Claims(line, self, bucket_epoch(number), BUCKETS // 4, figures)
        line.on_connect.append(self.poll)

    @property
    def epoch(self) -> bytes | None:
        """See `gateway.registry.claims.Memory`."""
        return self.memory.value

    def since_s(self, _: Iterable[bytes]) -> float | None:
        """See `gateway.registry.claims.Memory`."""
        return self.memory.since_s

    def poll(self) -> None:
        """Read the epoch now, unless an answer is on its way."""
        if not self._asked and self._line.connected:
            self._asked = True
            self._line.send(self.memory.get, _Look(self))

    def looked(self, replies: list[Reply]) -> None:
        """Take what the epoch key holds."""
        self._asked = False
        self.memory.remember(replies[0])
        self._settled()

    def lost(self) -> None:
        """There will be no answer."""
        self._asked = False


class _Look(Exchange):
    """Reads one epoch key."""

    __slots__ = ("_owner",)

    def __init__(self, owner: _Bucket) -> None:
        super().__init__()
        self._owner = owner

    def complete(self, replies: list[Reply]) -> None:
        self._owner.looked(replies)

    def late(self, replies: list[Reply]) -> None:
        self._owner.looked(replies)

    def lost(self) -> None:
        self._owner.lost()
