"""Decides what becomes of a registration or a removal, given what the store has: one key, one client (R20, R22)."""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Final

import msgspec

from gateway.model import Status
from gateway.reasons import ConfigError, Reason
from gateway.registry import keys
from gateway.registry.certificates import describe, read_certificate
from gateway.registry.records import Record, StoredCertificate

CERTIFICATE_LIMIT: Final = 4
"""Certificates of one client; more could not be tried within the four public-key operations of R5."""
_TOMBSTONE: Final = "tombstone:"  # in the index, before the id that had the key; no id holds a colon (R2)


class Outcome(StrEnum):
    """What became of it."""

    ADDED = "added"
    UNCHANGED = "unchanged"
    UPDATED = "updated"
    RENEWED = "renewed"
    REPLACED = "replaced"
    EXTENDED = "extended"
    LIFTED = "lifted"
    REMOVED = "removed"

    ID_TAKEN = "id_taken"
    KEY_TAKEN = "key_taken"
    ID_REMOVED = "id_removed"
    KEY_REMOVED = "key_removed"
    TOO_MANY = "too_many_certificates"
    UNKNOWN = "unknown_client"
    DAMAGED = "damaged_record"

    @property
    def refused(self) -> bool:
        """Nothing was written, because the answer is no."""
        return self in _REFUSED


_REFUSED: Final = frozenset(
    {
        Outcome.ID_TAKEN,
        Outcome.KEY_TAKEN,
        Outcome.ID_REMOVED,
        Outcome.KEY_REMOVED,
        Outcome.TOO_MANY,
        Outcome.UNKNOWN,
        Outcome.DAMAGED,
    }
)


class OtherKey(Enum):
    """What to do when the client has another key already: nothing, put the new one in its place, or keep both."""

    REFUSE = "refuse"
    REPLACE = "replace"
    BESIDE = "beside"


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate to be bound to one client id. `require_covered_digest` None leaves what the client has; `lift`
    also takes an id or a key that was removed (R22)."""

    realm: str
    client_id: str
    certificate: StoredCertificate
    require_covered_digest: bool | None = None
    other_key: OtherKey = OtherKey.REFUSE
    lift: bool = False


class Decision(msgspec.Struct, frozen=True):
    """The outcome with a sentence for the operator, the record to write (None: write nothing), and the index entries by
    SPKI hash."""

    outcome: Outcome
    sentence: str
    record: Record | None = None
    index: Mapping[str, str] = {}


def prepare(realm: str, client_id: str, data: bytes, source: str, now_s: int) -> Registration:
    """Check the id and read the certificate of one registration.

    :param data: the certificate as PEM, DER, or base64 of either
    :param source: what to call the certificate in messages
    :raises ConfigError: config.invalid for the id or realm, config.unreadable for the certificate
    """
    check_names(realm, client_id)
    _, der = read_certificate(data, source)
    known = describe(der, source)
    certificate = StoredCertificate(
        der=der,
        sha256=known.sha256,
        spki=known.spki,
        spki_sha256=known.spki_sha256,
        key_type=known.key_type,
        bits=known.bits,
        not_before=known.not_before,
        not_after=known.not_after,
        added=now_s,
    )
    return Registration(realm=realm, client_id=client_id, certificate=certificate)


def check_names(realm: str, client_id: str) -> None:
    """R2, R3.

    :raises ConfigError: config.invalid
    """
    for what, name, fits in (
        ("realm", realm, keys.is_realm(realm)),
        ("client id", client_id, keys.is_client_id(client_id)),
    ):
        if not fits:
            raise ConfigError(
                Reason.CONFIG_INVALID, f"the {what} {name!r} is not 1 to 128 characters of A-Z a-z 0-9 . _ ~ = -"
            )


def decide(wanted: Registration, existing: Record | None, owners: Mapping[str, str], now_s: int) -> Decision:
    """What a registration leads to.

    :param existing: the record of the id, if there is one
    :param owners: index entries of the new key and of the record's keys, by SPKI hash
    """
    new = wanted.certificate
    owner = owners.get(new.spki_sha256, "")
    removed_key = owner.startswith(_TOMBSTONE)
    if owner and not removed_key and owner != wanted.client_id:
        return _no(Outcome.KEY_TAKEN, f"the key belongs to client {owner} already: one key, one client")
    if removed_key and not wanted.lift:
        who = owner.removeprefix(_TOMBSTONE)
        return _no(Outcome.KEY_REMOVED, f"the key was removed with client {who}; --lift takes it back")
    if existing is None:
        outcome = Outcome.LIFTED if removed_key else Outcome.ADDED
        return _fresh(wanted, outcome, f"added with a {_kind(new)} key", now_s)
    if existing.status is not Status.ACTIVE:
        if not wanted.lift:
            return _no(Outcome.ID_REMOVED, f"the client is a {existing.status.value} one; --lift takes the id back")
        return _fresh(wanted, Outcome.LIFTED, f"taken back with a {_kind(new)} key", now_s)
    return _change(wanted, existing, owners)


def _change(wanted: Registration, existing: Record, owners: Mapping[str, str]) -> Decision:
    new = wanted.certificate
    covered = (
        existing.require_covered_digest if wanted.require_covered_digest is None else wanted.require_covered_digest
    )
    known = msgspec.structs.replace(existing, require_covered_digest=covered)
    same_key = [certificate for certificate in existing.certs if certificate.spki_sha256 == new.spki_sha256]
    if any(certificate.sha256 == new.sha256 for certificate in same_key):
        if known == existing and owners.get(new.spki_sha256) == existing.id:
            return Decision(Outcome.UNCHANGED, "registered with this certificate already")
        return _keep(Outcome.UPDATED, "settings changed", known, new)
    if same_key:
        certs = tuple(new if certificate in same_key else certificate for certificate in existing.certs)
        renewed = msgspec.structs.replace(known, certs=certs)
        return _keep(Outcome.RENEWED, "new certificate for the same key", renewed, new)
    match wanted.other_key:
        case OtherKey.REFUSE:
            return _no(
                Outcome.ID_TAKEN,
                "the client has another key; --replace puts this one in its place, --beside keeps both",
            )
        case OtherKey.BESIDE if len(existing.certs) >= CERTIFICATE_LIMIT:
            return _no(Outcome.TOO_MANY, f"the client has {CERTIFICATE_LIMIT} certificates, which is the most")
        case OtherKey.BESIDE:
            extended = msgspec.structs.replace(known, certs=(*existing.certs, new))
            return _keep(Outcome.EXTENDED, "one more certificate", extended, new)
        case OtherKey.REPLACE:
            replaced = msgspec.structs.replace(known, certs=(new,))
            # R22: the old key must not come back by itself.
            index = {**_tombstones(existing, owners), new.spki_sha256: existing.id}
            return Decision(Outcome.REPLACED, f"replaced by a {_kind(new)} key", replaced, index)


def decide_removal(
    client_id: str, existing: Record | None, owners: Mapping[str, str], reason: str, now_s: int
) -> Decision:
    """What a removal leads to: a tombstone for the id and for each of its keys (R22)."""
    if existing is None:
        return _no(Outcome.UNKNOWN, f"there is no client {client_id}")
    if existing.status is Status.TOMBSTONE:
        return _no(Outcome.ID_REMOVED, f"client {client_id} was removed already")
    record = msgspec.structs.replace(existing, status=Status.TOMBSTONE, since=now_s, reason=reason)
    return Decision(Outcome.REMOVED, "removed", record, _tombstones(existing, owners))


def _fresh(wanted: Registration, outcome: Outcome, sentence: str, now_s: int) -> Decision:
    record = Record(
        realm=wanted.realm,
        id=wanted.client_id,
        status=Status.ACTIVE,
        since=now_s,
        certs=(wanted.certificate,),
        require_covered_digest=wanted.require_covered_digest,
    )
    return _keep(outcome, sentence, record, wanted.certificate)


def _keep(outcome: Outcome, sentence: str, record: Record, new: StoredCertificate) -> Decision:
    return Decision(outcome, sentence, record, {new.spki_sha256: record.id})


def _no(outcome: Outcome, sentence: str) -> Decision:
    return Decision(outcome, sentence)


def _tombstones(record: Record, owners: Mapping[str, str]) -> dict[str, str]:
    # An index entry that names somebody else is not this client's to bury.
    return {
        certificate.spki_sha256: _TOMBSTONE + record.id
        for certificate in record.certs
        if owners.get(certificate.spki_sha256, "") in ("", record.id)
    }


def _kind(certificate: StoredCertificate) -> str:
    return f"{certificate.key_type.value} ({certificate.bits} bits)"
