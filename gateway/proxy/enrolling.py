"""What onboarding does in the store: leases a key, records a device, counts first contacts (R19, R21).

Its link has a user of its own, with the right to write records (R27). Replies that could belong to another question
never count: a lease is believed only if the store returns its own token.
"""

import asyncio
import os
from typing import Final

from gateway.clock import Clock
from gateway.onboarding.enrolment import Entry
from gateway.onboarding.tofu import FirstContact
from gateway.onboarding.verdict import Reject
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.changeset import CHANGES_LIMIT
from gateway.registry.keys import CHANGES, client_key, spki_key
from gateway.registry.line import Asking
from gateway.registry.recorder import Recorder
from gateway.registry.registration import LEASE, Decision

# KEYS: the index entry. ARGV: our lease, its life in milliseconds.
# As SET NX, but it answers with who holds the key.
_TAKE: Final = b"""\
local v = redis.call('GET', KEYS[1])
if v then return v end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
_GIVE_BACK: Final = b"if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0"


class Enrolling:
    """The store's side of one worker's onboarding."""

    def __init__(self, link: Asking, recorder: Recorder, first_contact: FirstContact, clock: Clock) -> None:
        self._link = link
        self._recorder = recorder
        self._first_contact = first_contact
        self._clock = clock

    async def lease(self, realm: str, spki_sha256: str, ttl_ms: int, waited: bool = False) -> str | Unavailable:
        """Lease a key; the lease.

        :param waited: the index names the id under which the device waited; the lease stands beside it
        """
        lease = LEASE + os.urandom(12).hex()
        key = _lease_key(realm, spki_sha256, waited)
        reply = await self._link.submit(b"EVAL", _TAKE, b"1", key, lease.encode(), b"%d" % ttl_ms)
        if isinstance(reply, Unavailable):
            return reply
        if reply == lease.encode():
            return lease
        return Unavailable(Reason.INTERNAL_BUSY, "somebody else enrols the key at this moment")

    def give_back(self, realm: str, spki_sha256: str, lease: str, waited: bool = False) -> None:
        """End a lease of ours; if that fails it ends by itself."""
        key = _lease_key(realm, spki_sha256, waited)
        self._link.call((b"EVAL", _GIVE_BACK, b"1", key, lease.encode()), lambda _: None)

    async def record(self, entry: Entry) -> Decision | Unavailable:
        """Record a device, index and notice with it, all or nothing."""
        future: asyncio.Future[Decision | Unavailable] = self._link.loop.create_future()

        def done(answer: Decision | Unavailable) -> None:
            if not future.done():
                future.set_result(answer)

        registration = entry.registration(int(self._clock.now()))
        self._recorder.carry_out(registration, done, instead=entry.holds)
        return await future

    async def count(self, realm: str) -> Reject | Unavailable | None:
        """Count a first contact; a reason if there were too many (R19)."""
        replies = await asyncio.gather(
            *[self._link.submit(*command) for command in self._first_contact.count(realm, self._clock.now())]
        )
        for reply in replies:
            if isinstance(reply, Unavailable):
                return reply
        in_minute, _, in_all = replies
        if not isinstance(in_minute, int) or not isinstance(in_all, int):
            return Unavailable(Reason.STORE_ANSWER, "a count is not a number")
        return self._first_contact.judge(in_minute, in_all)

    def uncount(self, realm: str) -> None:
        """No client came of a first contact that was counted."""
        self._link.call(self._first_contact.undo(realm), lambda _: None)

    def forget(self, realm: str, client_id: str) -> None:
        """Remove the record under which a device waited, once it has its id."""
        self._link.call((b"DEL", client_key(realm, client_id)), lambda _: None)
        self.tell(realm, client_id, "enrolled")

    def tell(self, realm: str, client_id: str, what: str) -> None:
        """Leave a notice in the audit trail."""
        fields = {"realm": realm, "id": client_id, "what": what, "who": "onboarding", "when": int(self._clock.now())}
        notice = [part for name, value in fields.items() for part in (name.encode(), str(value).encode())]
        self._link.call((b"XADD", CHANGES, b"MAXLEN", b"~", b"%d" % CHANGES_LIMIT, b"*", *notice), lambda _: None)


def _lease_key(realm: str, spki_sha256: str, waited: bool) -> bytes:
    return spki_key(realm, spki_sha256) + (b":lease" if waited else b"")
