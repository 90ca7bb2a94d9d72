"""Replay claims (R13): one atomic SET NX each, batched per tick, and believed only if the reply proves that it is ours.

`+OK` proves nothing about *which* request it answers: whoever mixes up replies could admit a replay with the `+OK` of
another. So each claim stores a token that no other claim ever has, and reads it back in the same batch:

    SET <key> <token> NX PX <ttl>    GET <key>

A request is admitted only if SET said OK and GET returned its own token; it is a replay only if SET said nil and GET
returned a token that begins with the end of this very key. Whatever does not fit together is store.bad_answer and drops
the connection. GET costs less than a reply that would have to be trusted (`SET ... GET` answers nil for success, as a
missing key does; ECHO markers prove the order of a batch, not that of the replies inside it).

Each batch ends with a GET of the epoch key. If the store lost its memory after the claims were asked for and before
they were made, the epoch is gone or another one, and none of them counts: store.lost_memory, retryable.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, Protocol

from gateway.reasons import Reason
from gateway.registry.answers import Claim, ClaimAnswer, Unavailable
from gateway.registry.figures import StoreFigures
from gateway.registry.keys import EPOCH
from gateway.registry.line import Line
from gateway.registry.resp import Reply, pack
from gateway.registry.wire import Exchange

_TAG_BYTES: Final = 4
_RUN_BYTES: Final = 6
_SERIAL_BYTES: Final = 6
_TOKEN_BYTES: Final = _TAG_BYTES + _RUN_BYTES + _SERIAL_BYTES
_REMEMBERED: Final = 16_384
_UNSETTLED: Final = 4_096
_BATCH_LIMIT: Final = 1_000
_OURS_ONLY: Final = b"if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0"

Answered = Callable[[ClaimAnswer], bool]
"""Takes the answer to one claim, and must not raise; false: nobody waits for it any longer."""

_LOST: Final = Unavailable(Reason.STORE_LOST_MEMORY, "the store lost its memory while the claim was made")
_NO_EPOCH: Final = Unavailable(Reason.STORE_UNAVAILABLE, "it is not known yet since when the store remembers")
_EXPIRED: Final = Unavailable(Reason.STORE_ANSWER, "a claim was refused, and then there was none")
_MIXED: Final = Unavailable(Reason.STORE_ANSWER, "a reply to a claim is that of another question")


class Memory(Protocol):
    """What claims must know of the store's memory; `gateway.registry.changes.Changes` is one."""

    @property
    def epoch(self) -> bytes | None:
        """Value of the epoch key as last read; None if unknown."""
        ...

    def since_s(self, keys: Iterable[bytes]) -> float | None:
        """Since when the store remembers the claims of these keys, in seconds since 1970; None while unknown."""
        ...

    def poll(self) -> None:
        """Look again soon."""
        ...


class Claims:
    """The replay claims of one worker. A claim that nobody waits for any longer (timeout, cancelled, connection lost)
    is taken back as soon as that can be done, because its request was not forwarded and may come again.

    :param epoch_key: key of the epoch that `memory` knows
    :param parts: so many of these share the room for what is remembered
    :param figures: where claims are counted
    """

    def __init__(
        self,
        link: Line,
        memory: Memory,
        epoch_key: bytes = EPOCH,
        parts: int = 1,
        figures: StoreFigures | None = None,
    ) -> None:
        self._link = link
        self.figures = figures or StoreFigures()
        self._memory = memory
        self._get_epoch = pack(b"GET", epoch_key)
        self._serial = int.from_bytes(os.urandom(_RUN_BYTES), "big") << 8 * _SERIAL_BYTES
        self._open: _Batch | None = None
        self._new_future = link.loop.create_future
        self._ours: dict[bytes, bytes] = {}
        self._ours_before: dict[bytes, bytes] = {}
        self._room = _REMEMBERED // parts
        self._unsettled: deque[tuple[bytes, bytes]] = deque(maxlen=_UNSETTLED // parts)
        link.on_connect.append(self._settle)

    def claim(self, key: bytes, ttl_ms: int) -> "asyncio.Future[ClaimAnswer]":
        """Claim `key`, a whole store key that ends in octets of a hash, for `ttl_ms` milliseconds.

        Never raises; with the store away or full the answer is `Unavailable`, never `CLAIMED` (R13: fail closed).
        """
        future: asyncio.Future[ClaimAnswer] = self._new_future()

        def answered(answer: ClaimAnswer) -> bool:
            waits = not future.done()
            if waits:
                future.set_result(answer)
            return waits

        unavailable = self.ask(key, ttl_ms, answered)
        if unavailable is not None:
            future.set_result(unavailable)
        return future

    def ask(self, key: bytes, ttl_ms: int, answered: Answered) -> Unavailable | None:
        """As `claim`, without a future: the answer at once, or `answered` is called with it, once and later."""
        batch = self._open
        if batch is None or batch.key_length != len(key) or batch.ttl_ms != ttl_ms:
            opened = self._begin(len(key), ttl_ms)
            if isinstance(opened, Unavailable):
                self.figures.failed += 1
                return opened
            batch = opened
        self._serial += 1
        token = key[-_TAG_BYTES:] + self._serial.to_bytes(_RUN_BYTES + _SERIAL_BYTES, "big")
        batch.claims.append((key, token, answered))
        if len(batch.claims) >= _BATCH_LIMIT:
            self._send()
        return None

    def since_s(self, keys: Iterable[bytes]) -> float | None:
        """See `Memory`."""
        return self._memory.since_s(keys)

    def release(self, key: bytes) -> None:
        """Take back a claim that this worker made, if the store still has that very one (R13).

        Best effort: a claim that stays makes a retry of the same signed request a replay, and nothing worse.
        """
        token = self._ours.pop(key, None) or self._ours_before.pop(key, None)
        if token is not None:
            self._take_back(key, token)

    def _begin(self, key_length: int, ttl_ms: int) -> "_Batch | Unavailable":
        if self._open is not None:
            self._send()
        refusal = self._link.refusal()
        if refusal is not None:
            return refusal
        epoch = self._memory.epoch
        if epoch is None:
            return _NO_EPOCH
        batch = _Batch(self, epoch, key_length, ttl_ms)
        self._open = batch
        self._link.before_flush(self._send)
        return batch

    def _send(self) -> None:
        batch = self._open
        if batch is None:
            return
        self._open = None
        batch.expects = 2 * len(batch.claims) + 1
        template = _template(batch.key_length, batch.ttl_ms)
        parts = [template % (key, token, key) for key, token, _ in batch.claims]
        parts.append(self._get_epoch)
        self._link.send(b"".join(parts), batch)

    def judged(self, batch: "_Batch", replies: list[Reply]) -> None:
        """Answer the claims of a batch whose replies are here; those that nobody waits for are taken back."""
        lost = None if replies[-1] == batch.epoch else _epoch_verdict(replies[-1])
        mixed = False
        claimed = 0
        ours = self._ours
        for (key, token, answered), said, stored in zip(batch.claims, replies[:-1:2], replies[1::2], strict=True):
            if lost is None and stored == token and said == b"OK":
                ours[key] = token  # before it is told, for it may be released at once
                if answered(Claim.CLAIMED):
                    claimed += 1
                else:
                    ours.pop(key, None)
                    self._take_back(key, token)
                continue
            answer = _verdict(key, token, said, stored)
            if answer is _MIXED:
                mixed = True
                self._unsettled.append((key, token))
            elif said == b"OK":
                self._take_back(key, token)
            if answered(lost if answer is Claim.CLAIMED and lost is not None else answer):
                if answer is Claim.SEEN:
                    self.figures.seen += 1
                else:
                    self.figures.failed += 1
        self.figures.claimed += claimed
        if len(ours) >= self._room:
            # Requests are forwarded within seconds, so the latest few thousand claims are enough to release from.
            self._ours_before = ours
            self._ours = {}
        if lost is _LOST:
            self._memory.poll()
        if mixed:
            self._link.drop(_MIXED)

    def unknown(self, batch: "_Batch") -> None:
        """The connection went, and perhaps these claims were made."""
        self._unsettled.extend([(key, token) for key, token, _ in batch.claims])

    def _settle(self) -> None:
        unsettled = list(self._unsettled)
        self._unsettled.clear()
        for key, token in unsettled:
            self._take_back(key, token)

    def _take_back(self, key: bytes, token: bytes) -> None:
        """Remove the claim only if it is ours, in one step, with no other right than to set claims (R27).

        The token replaces itself and has expired long ago: Valkey 8.1 and later. Older ones and Redis get a script.
        """

        def otherwise(reply: Reply) -> None:
            if not isinstance(reply, Unavailable):
                return
            if not self._link.connected:
                self._unsettled.append((key, token))
            elif reply.reason is not Reason.STORE_TIMEOUT:
                self._link.call((b"EVAL", _OURS_ONLY, b"1", key, token), _ignore)

        self._link.call((b"SET", key, token, b"IFEQ", token, b"PXAT", b"1"), otherwise)


class _Batch(Exchange):
    """Claims of one tick whose commands differ in nothing but key and token, in the order in which they are sent."""

    __slots__ = ("_owner", "claims", "epoch", "key_length", "ttl_ms")

    def __init__(self, owner: Claims, epoch: bytes, key_length: int, ttl_ms: int) -> None:
        self.replies = []
        self.given_up = False
        self._owner = owner
        self.epoch = epoch
        self.key_length = key_length
        self.ttl_ms = ttl_ms
        self.claims: list[tuple[bytes, bytes, Answered]] = []

    def complete(self, replies: list[Reply]) -> None:
        self._owner.judged(self, replies)

    def give_up(self, why: Unavailable) -> None:
        claims = self.claims
        self.claims = [(key, token, _nobody) for key, token, _ in claims]
        for _, _, answered in claims:
            if answered(why):
                self._owner.figures.failed += 1

    def late(self, replies: list[Reply]) -> None:
        self._owner.judged(self, replies)

    def lost(self) -> None:
        self._owner.unknown(self)


@lru_cache(maxsize=16)
def _template(key_length: int, ttl_ms: int) -> bytes:
    ttl = b"%d" % ttl_ms
    key = b"$%d\r\n%%b\r\n" % key_length
    token = b"$%d\r\n%%b\r\n" % _TOKEN_BYTES
    return b"*6\r\n$3\r\nSET\r\n%b%b$2\r\nNX\r\n$2\r\nPX\r\n$%d\r\n%b\r\n*2\r\n$3\r\nGET\r\n%b" % (
        key,
        token,
        len(ttl),
        ttl,
        key,
    )


def _verdict(key: bytes, token: bytes, said: Reply, stored: Reply) -> ClaimAnswer:
    """What the replies to SET and GET say together."""
    if stored == token and said == b"OK":
        return Claim.CLAIMED
    if isinstance(said, Unavailable):
        return said
    if isinstance(stored, Unavailable):
        return stored
    if said is None:
        if stored is None:
            return _EXPIRED
        if isinstance(stored, bytes) and len(stored) == _TOKEN_BYTES and stored.startswith(key[-_TAG_BYTES:]):
            return Claim.SEEN if stored != token else _MIXED
    return _MIXED


def _epoch_verdict(reply: Reply) -> Unavailable:
    """Why a batch does not count whose last reply is not the epoch that was expected."""
    return reply if isinstance(reply, Unavailable) else _LOST


def _ignore(_: Reply) -> None:
    """Nobody waits for this reply."""


def _nobody(_: ClaimAnswer) -> bool:
    """Stands where somebody waited who was told already."""
    return False
