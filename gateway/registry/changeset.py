"""What a decision wants written: a record, index entries, and the notice for the workers and the audit trail."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from gateway.registry import keys
from gateway.registry.operations import Change, StateChange
from gateway.registry.records import Record, encode
from gateway.registry.registration import TOMBSTONE, Decision

CHANGES_LIMIT: Final = 250_000
"""Entries of the change stream, about 25 MB; a worker that is further behind starts anew."""
Notice: TypeAlias = Sequence[str | int]


class Entry(msgspec.Struct, frozen=True):
    """One key: what it held when the decision was made (empty: it was not there), and what it shall hold."""

    name: bytes
    before: bytes
    after: bytes

    @property
    def inverse(self) -> "Entry":
        """What takes it back."""
        return Entry(self.name, self.after, self.before)

    @property
    def is_burial(self) -> bool:
        """It ends a key's use, and gives nobody anything."""
        return self.after.startswith(TOMBSTONE.encode())


class Changeset(msgspec.Struct, frozen=True):
    """All of one change: the record, the index entries, and the fields of the notice."""

    record: Entry
    index: tuple[Entry, ...]
    notice: Notice

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Record and index."""
        return self.record, *self.index


def changeset(decision: Decision, record: Record, data: bytes, owners: Mapping[str, str], notice: Notice) -> Changeset:
    """What to write.

    :param data: the record as it is in the store
    :param owners: index entries by SPKI hash, as they are in the store
    """
    return Changeset(
        Entry(keys.client_key(record.realm, record.id), data, encode(record)),
        tuple(
            Entry(keys.spki_key(record.realm, spki), owners.get(spki, "").encode(), after.encode())
            for spki, after in decision.index.items()
        ),
        notice,
    )


def packed(notice: Notice) -> tuple[bytes, ...]:
    """A notice as octets."""
    return tuple(str(part).encode() for part in notice)


def notice_of(change: Change, decision: Decision, who: str, now_s: int) -> Notice:
    """The fields of a notice: who did what to whom."""
    whose = ("realm", change.realm, "id", change.client_id)
    notice: list[str | int] = [*whose, "what", decision.outcome.value, "who", who, "when", now_s]
    if isinstance(change, StateChange) and change.reason:
        notice += ["why", change.reason]
    if decision.sha256:
        notice += ["cert", decision.sha256]
    return notice
