"""Changes the registry from a worker: the same decisions as a command's, carried out over a link, with callbacks.

It needs more rights than the request path has (R27): its link is another one, with a user of its own.
"""

import os
from collections.abc import Callable
from typing import Final

from gateway.clock import Clock
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.changeset import CHANGES_LIMIT, Changeset, Entry, Notice, changeset, notice_of, packed
from gateway.registry.damaged import Damaged, read_or_damaged
from gateway.registry.keys import CHANGES, client_key, spki_key
from gateway.registry.line import Asking
from gateway.registry.operations import Change, decide_change, keys_of
from gateway.registry.records import Record
from gateway.registry.registration import LEASE, Decision, Outcome
from gateway.registry.resp import Reply

Done = Callable[[Decision | Unavailable], None]

_ATTEMPTS: Final = 5
_DISK_TIMEOUT_MS: Final = 4000

# Compare and set with the notice of the change, all or nothing. KEYS: record, index entries, stream. ARGV: what each of
# them but the stream holds (empty: it is not there), what each shall hold, the token to answer with, the limit of the
# stream, the fields of the notice. The notice comes first because only it can fail, and a script is not rolled back.
# The token proves that the answer is that of this very question (R25).
_SCRIPT: Final = b"""\
local n = #KEYS - 1
for i = 1, n do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[i] then return 'changed ' .. ARGV[2 * n + 1] end
end
redis.call('XADD', KEYS[n + 1], 'MAXLEN', '~', ARGV[2 * n + 2], '*', unpack(ARGV, 2 * n + 3))
for i = 1, n do
  redis.call('SET', KEYS[i], ARGV[n + i])
end
return 'written ' .. ARGV[2 * n + 1]
"""


class Recorder:
    """Carries out changes one by one.

    :param who: stands in the notice of each change
    :param durable: wait until a change is on the disk of an embedded store
    """

    def __init__(self, link: Asking, who: str, clock: Clock, durable: bool) -> None:
        self._link = link
        self._who = who
        self._clock = clock
        self._durable = durable

    def carry_out(self, change: Change, done: Done, only_new: bool = False, instead: str = "") -> None:
        """Carry out one change; `done` is told the decision, once it is safe, or why it is not known to be.

        :param only_new: a client that is there already stays as it is
        :param instead: what the caller holds the keys with; an index entry that says so is replaced (R21)
        """
        Work(self, change, done, only_new, instead).begin()

    def read(self, work: "Work") -> None:
        """Step 1: the record."""
        change = work.change
        self._link.call((b"GET", client_key(change.realm, change.client_id)), work.has_record)

    def read_index(self, work: "Work", spkis: tuple[str, ...]) -> None:
        """Step 2: who has the keys of the change and of the record."""
        for spki in spkis:
            self._link.call((b"GET", spki_key(work.change.realm, spki)), work.index_reader(spki))

    def decide(self, work: "Work") -> Decision:
        """Step 3."""
        return decide_change(work.change, work.record, work.others(), int(self._clock.now()))

    def write(self, work: "Work", decision: Decision, record: Record, token: bytes) -> None:
        """Step 4: write if nothing changed in between."""
        changes = self.changeset(work, decision, record)
        entries = changes.entries
        head = (b"EVAL", _SCRIPT, b"%d" % (len(entries) + 1), *[entry.name for entry in entries], CHANGES)
        values = (*[entry.before for entry in entries], *[entry.after for entry in entries])
        self._link.call((*head, *values, token, b"%d" % CHANGES_LIMIT, *packed(changes.notice)), work.written)

    def changeset(self, work: "Work", decision: Decision, record: Record) -> Changeset:
        """What the decision wants written."""
        return changeset(decision, record, work.data, work.owners, self.notice(work, decision))

    def notice(self, work: "Work", decision: Decision) -> Notice:
        """The notice of the change."""
        return notice_of(work.change, decision, self._who, int(self._clock.now()))

    def secure(self, work: "Work", decision: Decision) -> None:
        """Step 5: on its disk, where that can be asked for."""
        if not self._durable:
            work.done(decision)
            return
        self._link.call((b"WAITAOF", b"1", b"0", b"%d" % _DISK_TIMEOUT_MS), work.secured)


class Work:
    """One change on its way."""

    __slots__ = (
        "_attempts",
        "_decision",
        "_instead",
        "_only_new",
        "_owner",
        "_token",
        "_waiting",
        "change",
        "data",
        "done",
        "given",
        "owners",
        "record",
    )

    def __init__(self, owner: Recorder, change: Change, done: Done, only_new: bool, instead: str) -> None:
        self._owner = owner
        self._only_new = only_new
        self._instead = instead
        self._attempts = 0
        self._waiting: set[str] = set()
        self._token = b""
        self._decision: Decision | None = None
        self.change = change
        self.done = done
        self.given: list[Entry] = []
        """Index entries that were written, where they are written apart from the record."""
        self.data = b""
        self.record: Record | Damaged | None = None
        self.owners: dict[str, str] = {}

    def begin(self) -> None:
        self._attempts += 1
        if self._attempts > _ATTEMPTS:
            self.done(_bad("the client is changed by somebody else all the time"))
            return
        self.owners = {}
        self._owner.read(self)

    def has_record(self, reply: Reply) -> None:
        if isinstance(reply, Unavailable):
            self.done(reply)
            return
        if reply is not None and not isinstance(reply, bytes):
            self.done(_bad("the store returned no record"))
            return
        change = self.change
        self.data = reply or b""
        self.record = read_or_damaged(self.data, change.realm, change.client_id) if self.data else None
        if isinstance(self.record, Damaged):
            self.done(Unavailable(Reason.STORE_ANSWER, self.record.why))
            return
        if self.record is not None and self._only_new:
            self.done(Decision(Outcome.UNCHANGED, "there already"))
            return
        known = () if self.record is None else tuple(certificate.spki_sha256 for certificate in self.record.certs)
        spkis = tuple(dict.fromkeys((*keys_of(change), *known)))
        self._waiting = set(spkis)
        self._owner.read_index(self, spkis)

    def index_reader(self, spki: str) -> Callable[[Reply], None]:
        def has_entry(reply: Reply) -> None:
            if spki not in self._waiting:
                return  # another entry could not be read: the end was told already
            if isinstance(reply, Unavailable):
                self._waiting = set()
                self.done(reply)
                return
            self._waiting.discard(spki)
            self.owners[spki] = reply.decode(errors="replace") if isinstance(reply, bytes) else ""
            if not self._waiting:
                self._decide()

        return has_entry

    def others(self) -> dict[str, str]:
        """Who has the keys, but for ourselves."""
        return {spki: "" if entry == self._instead else entry for spki, entry in self.owners.items()}

    def _decide(self) -> None:
        others = self.others()
        if any(others[spki].startswith(LEASE) for spki in keys_of(self.change)):
            self.done(Unavailable(Reason.INTERNAL_BUSY, "the key is being onboarded at this moment"))  # R21
            return
        decision = self._owner.decide(self)
        if decision.record is None:
            self.done(decision)
            return
        self._decision = decision
        self._token = os.urandom(8).hex().encode()
        self._owner.write(self, decision, decision.record, self._token)

    def written(self, reply: Reply) -> None:
        decision = self._decision
        assert decision is not None
        if isinstance(reply, Unavailable):
            self.done(reply)
        elif reply == b"written " + self._token:
            self._owner.secure(self, decision)
        elif reply == b"changed " + self._token:
            self.begin()  # what somebody else changed between reading and writing is decided anew
        else:
            self.done(_bad("the reply to a change does not fit it"))

    def secured(self, reply: Reply) -> None:
        decision = self._decision
        assert decision is not None
        if isinstance(reply, Unavailable):
            self.done(reply)
        elif isinstance(reply, list) and reply and isinstance(reply[0], int) and reply[0] >= 1:
            self.done(decision)
        else:
            self.done(Unavailable(Reason.STORE_UNAVAILABLE, "the store does not get a change onto its disk"))


def _bad(detail: str) -> Unavailable:
    return Unavailable(Reason.STORE_ANSWER, detail)
