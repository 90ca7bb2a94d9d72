"""Decides what becomes of a client that an operator changes: remove, revoke, retire, approve, rotate, restore (R22)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from gateway.model import Status
from gateway.reasons import ConfigError, Reason
from gateway.registry.damaged import Damaged
from gateway.registry.records import Record, StoredCertificate
from gateway.registry.registration import (
    CERTIFICATE_LIMIT,
    TOMBSTONE,
    Decision,
    Outcome,
    Registration,
    buried,
    check_names,
    decide,
    key_refusal,
    no,
    read_stored,
)

DAY_S: Final = 86400
OVERLAP_S: Final = 7 * DAY_S
"""How long the old certificate is accepted beside the new one, unless told otherwise."""
OVERLAP_LIMIT_S: Final = 3660 * DAY_S
REASON_LIMIT: Final = 500
"""Characters of a reason."""


class Action(StrEnum):
    """What an operator does to a client that is there. All but `approve` leave a tombstone (R22)."""

    REMOVE = "remove"
    REVOKE = "revoke"
    RETIRE = "retire"
    APPROVE = "approve"


class StateChange(msgspec.Struct, frozen=True):
    """One action on one client; `reason` is kept in the record and in the notice. `prepare_change` checks all of it."""

    realm: str
    client_id: str
    action: Action
    reason: str = ""


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """A new certificate beside those that the client has, which end `overlap_s` seconds from now. `lift` also takes a
    key that was removed."""

    realm: str
    client_id: str
    certificate: StoredCertificate
    overlap_s: int = OVERLAP_S
    lift: bool = False


class Restoration(msgspec.Struct, frozen=True):
    """A record from another store or from a file, to be written as it is. `overwrite` also puts it in the place of a
    record that differs; never of one that another client's key forbids (R20)."""

    record: Record
    overwrite: bool = False

    @property
    def realm(self) -> str:
        """Realm of the record."""
        return self.record.realm

    @property
    def client_id(self) -> str:
        """Whose record it is."""
        return self.record.id


Change: TypeAlias = Registration | StateChange | Rotation | Restoration
"""Everything that can be done to the registry, one client at a time."""


def prepare_change(realm: str, client_id: str, action: Action, reason: str = "") -> StateChange:
    """One action, checked.

    :raises ConfigError: config.invalid for the id, the realm or the reason
    """
    check_names(realm, client_id)
    if len(reason) > REASON_LIMIT:
        raise ConfigError(Reason.CONFIG_INVALID, f"the reason is longer than {REASON_LIMIT} characters")
    return StateChange(realm, client_id, action, reason)


def prepare_rotation(
    realm: str, client_id: str, data: bytes, source: str, now_s: int, overlap_s: int = OVERLAP_S, lift: bool = False
) -> Rotation:
    """One rotation, checked.

    :param data: the new certificate as PEM, DER, or base64 of either
    :param source: what to call the certificate in messages
    :raises ConfigError: config.invalid for the id, realm or overlap, config.unreadable for the certificate
    """
    check_names(realm, client_id)
    if not 0 <= overlap_s <= OVERLAP_LIMIT_S:
        raise ConfigError(Reason.CONFIG_INVALID, "the overlap of two certificates is 0 s to 3660 days")
    certificate = read_stored(data, source, now_s)
    return Rotation(realm=realm, client_id=client_id, certificate=certificate, overlap_s=overlap_s, lift=lift)


def keys_of(change: Change) -> set[str]:
    """SPKI hashes that the change brings with it."""
    match change:
        case Registration() | Rotation():
            return {change.certificate.spki_sha256}
        case Restoration():
            return {certificate.spki_sha256 for certificate in change.record.certs}
        case StateChange():
            return set()


def decide_change(change: Change, found: Record | Damaged | None, owners: Mapping[str, str], now_s: int) -> Decision:
    """What a change leads to.

    :param found: what the store has under the id
    :param owners: index entries of the keys of record and change, by SPKI hash
    """
    existing = None if isinstance(found, Damaged) else found
    if isinstance(found, Damaged):
        if isinstance(change, StateChange) and change.action is not Action.APPROVE:
            # What is left of it cannot be kept, but the id can be blocked.
            existing = Record(realm=change.realm, id=change.client_id, status=Status.PENDING, since=now_s)
        elif not (isinstance(change, Restoration) and change.overwrite):
            return no(Outcome.DAMAGED, f"{found.why}; remove the client first")
    match change:
        case Registration():
            return decide(change, existing, owners, now_s)
        case Rotation():
            return _rotate(change, existing, owners, now_s)
        case Restoration():
            return _restore(change, existing, owners)
        case StateChange(action=Action.APPROVE):
            return _approve(change, existing, owners, now_s)
        case StateChange():
            return _end(change, existing, owners, now_s)


# What each action makes of a client, and how it is told.
_ENDS: Final = {
    Action.REMOVE: (Status.TOMBSTONE, Outcome.REMOVED, "removed"),
    Action.REVOKE: (Status.REVOKED, Outcome.REVOKED, "revoked"),
    Action.RETIRE: (Status.RETIRED, Outcome.RETIRED, "retired"),
}
_BLOCKED: Final = (Status.REVOKED, Status.RETIRED, Status.TOMBSTONE)
# A client never comes to say less than it does: a revoked one is not made a retired one.
_WEIGHT: Final = {
    Status.PENDING: 0,
    Status.ACTIVE: 0,
    Status.RETIRED: 1,
    Status.REVOKED: 2,
    Status.TOMBSTONE: 3,
}


def _end(change: StateChange, existing: Record | None, owners: Mapping[str, str], now_s: int) -> Decision:
    """The end of a client: the record stays as a tombstone for the id, the index for each of its keys (R22)."""
    status, outcome, sentence = _ENDS[change.action]
    if existing is None:
        return no(Outcome.UNKNOWN, f"there is no client {change.client_id}")
    if existing.status is Status.TOMBSTONE:
        return no(Outcome.ID_REMOVED, f"client {change.client_id} was removed already")
    index = buried(existing, owners)
    if existing.status is status and all(owners.get(spki) == entry for spki, entry in index.items()):
        return Decision(Outcome.UNCHANGED, f"{sentence} already")
    if _WEIGHT[existing.status] > _WEIGHT[status]:
        return no(Outcome.NOT_ACTIVE, f"the client is a {existing.status.value} one, which says more than {sentence}")
    record = msgspec.structs.replace(existing, status=status, since=now_s, reason=change.reason)
    return Decision(outcome, sentence, record, index)


def _approve(change: StateChange, existing: Record | None, owners: Mapping[str, str], now_s: int) -> Decision:
    if existing is None:
        return no(Outcome.UNKNOWN, f"there is no client {change.client_id}")
    if existing.status is Status.ACTIVE:
        return Decision(Outcome.UNCHANGED, "active already")
    if existing.status is not Status.PENDING:
        return no(
            Outcome.NOT_PENDING,
            f"the client is a {_word(existing.status)} one and waits for nothing; `clients add --lift` takes it back",
        )
    if not existing.certs:
        return no(Outcome.DAMAGED, "the record has no certificate; remove the client first")
    for certificate in existing.certs:
        refusal = key_refusal(certificate, existing.id, owners, lift=False)
        if refusal is not None:
            return refusal
    record = msgspec.structs.replace(existing, status=Status.ACTIVE, since=now_s, reason=change.reason)
    index = {certificate.spki_sha256: existing.id for certificate in existing.certs}
    return Decision(Outcome.APPROVED, "approved", record, index)


def _rotate(wanted: Rotation, existing: Record | None, owners: Mapping[str, str], now_s: int) -> Decision:
    if existing is None:
        return no(Outcome.UNKNOWN, f"there is no client {wanted.client_id}")
    if existing.status is not Status.ACTIVE:
        return no(Outcome.NOT_ACTIVE, f"the client is a {_word(existing.status)} one: only active ones rotate")
    refusal = key_refusal(wanted.certificate, wanted.client_id, owners, wanted.lift)
    if refusal is not None:
        return refusal
    has = next((known for known in existing.certs if known.sha256 == wanted.certificate.sha256), None)
    if has is not None and has.retire_after is not None and has.retire_after <= now_s and not wanted.lift:
        return no(Outcome.KEY_REMOVED, "the certificate was rotated away; --lift takes it back")  # R22
    new = wanted.certificate if has is None else msgspec.structs.replace(has, retire_after=None)
    ends = now_s + wanted.overlap_s
    old = tuple(
        msgspec.structs.replace(known, retire_after=min(known.retire_after or ends, ends))
        for known in existing.certs
        if known.spki_sha256 != new.spki_sha256  # a new certificate for the same key takes the old one's place
    )
    kept = tuple(known for known in old if known.retire_after is None or known.retire_after > now_s)
    if len(kept) >= CERTIFICATE_LIMIT:
        return no(Outcome.TOO_MANY, f"the client has {len(kept)} certificates that still count, which is the most")
    record = msgspec.structs.replace(existing, certs=(*kept, new))
    if set(record.certs) == set(existing.certs) and owners.get(new.spki_sha256) == existing.id:
        return Decision(Outcome.UNCHANGED, "rotated to this certificate already")
    gone = msgspec.structs.replace(existing, certs=tuple(known for known in old if known not in kept))
    index = {**buried(gone, owners), new.spki_sha256: existing.id}
    return Decision(Outcome.ROTATED, _rotated(kept), record, index, new.sha256)


def _rotated(kept: tuple[StoredCertificate, ...]) -> str:
    if not kept:
        return "rotated; the new certificate alone is accepted"
    one = len(kept) == 1
    return f"rotated; the old certificate{'' if one else 's'} retire{'s' if one else ''} after the overlap"


def _restore(wanted: Restoration, existing: Record | None, owners: Mapping[str, str]) -> Decision:
    record = wanted.record
    alive = record.status in (Status.ACTIVE, Status.PENDING)
    entry = record.id if alive else TOMBSTONE + record.id
    ours = [spki for spki in keys_of(wanted) if owners.get(spki, "") in ("", record.id, TOMBSTONE + record.id)]
    if existing == record and all(owners.get(spki) == entry for spki in ours):
        return Decision(Outcome.UNCHANGED, "there already")
    if existing is not None and existing != record:
        if not wanted.overwrite:
            return no(
                Outcome.DIFFERS, "the store has another record of this client; --overwrite puts this one in its place"
            )
        if alive and existing.status in _BLOCKED:  # R22: an old file brings nobody back
            return no(
                Outcome.ID_REMOVED,
                f"the client is a {_word(existing.status)} one in this store; `clients add --lift` takes it back",
            )
    if alive:
        for certificate in record.certs:
            refusal = key_refusal(certificate, record.id, owners, lift=False)
            if refusal is not None:
                return refusal
    index = {} if existing is None else buried(existing, owners)
    return Decision(Outcome.RESTORED, "restored", record, index | dict.fromkeys(ours, entry))


def _word(status: Status) -> str:
    return "removed" if status is Status.TOMBSTONE else status.value
