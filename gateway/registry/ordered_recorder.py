"""Changes the registry of a cluster from a worker: as `Recorder`, but key by key in the order of `ordered_writes`."""

from collections.abc import Callable, Sequence
from typing import Final

from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.changeset import CHANGES_LIMIT, Changeset, Entry, Notice, packed
from gateway.registry.keys import CHANGES
from gateway.registry.ordered_writes import COMPARE_AND_SET, orphans
from gateway.registry.recorder import Recorder, Work
from gateway.registry.records import Record
from gateway.registry.registration import Decision, Outcome
from gateway.registry.resp import Reply

# As COMPARE_AND_SET, but it answers with a token: proof that the answer is that of this very question (R25).
_SCRIPT: Final = COMPARE_AND_SET.replace(b"return 0", b"return 'changed ' .. ARGV[3]").replace(
    b"return 1", b"return 'written ' .. ARGV[3]"
)


class OrderedRecorder(Recorder):
    """Carries out changes one by one; see `Recorder`."""

    def decide(self, work: Work) -> Decision:
        """Step 3; what an earlier attempt began is completed or taken back."""
        decision = super().decide(work)
        if decision.record is None:
            for entry in orphans(work.given, work.record, work.change.realm):
                self._set(entry.inverse, b"", _ignore)
            if decision.outcome is Outcome.UNCHANGED:
                # Perhaps it broke off before it was told.
                self._tell(self.notice(work, decision), _ignore)
        return decision

    def write(self, work: Work, decision: Decision, record: Record, token: bytes) -> None:
        """Step 4."""
        changes = self.changeset(work, decision, record)
        gifts = [entry for entry in changes.index if not entry.is_burial]
        work.given += gifts
        self._next(work, changes, [*gifts, changes.record], token)

    def _next(self, work: Work, changes: Changeset, entries: Sequence[Entry], token: bytes) -> None:
        """Write the first of `entries`, and the others if it fits; then tell, and bury."""
        if not entries:
            self._tell(changes.notice, lambda reply: self._told(work, changes, reply, token))
            return

        def written(reply: Reply) -> None:
            if reply == b"written " + token:
                self._next(work, changes, entries[1:], token)
            else:
                work.written(reply)

        self._set(entries[0], token, written)

    def _told(self, work: Work, changes: Changeset, reply: Reply, token: bytes) -> None:
        if isinstance(reply, Unavailable):
            work.written(reply)
        elif not isinstance(reply, bytes) or b"-" not in reply:
            work.written(Unavailable(Reason.STORE_ANSWER, "the reply to a notice is no name of an entry"))
        else:
            for entry in changes.index:
                if entry.is_burial:
                    self._set(entry, token, _ignore)
            work.written(b"written " + token)

    def _set(self, entry: Entry, token: bytes, callback: Callable[[Reply], None]) -> None:
        self._link.call((b"EVAL", _SCRIPT, b"1", entry.name, entry.before, entry.after, token), callback)

    def _tell(self, notice: Notice, callback: Callable[[Reply], None]) -> None:
        limit = b"%d" % CHANGES_LIMIT
        self._link.call((b"XADD", CHANGES, b"MAXLEN", b"~", limit, b"*", *packed(notice)), callback)


def _ignore(_: Reply) -> None:
    """Nobody waits for this reply."""
