"""Decides what becomes of a registration, given what the store has: one key, one client (R20, R22)."""

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
TOMBSTONE: Final = "tombstone:"
"""In the index, before the id that had the key; no id holds a colon (R2)."""
LEASE: Final = "lease:"
"""In the index, before the token of whoever onboards the key at this moment (R21)."""


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
    REVOKED = "revoked"
    RETIRED = "retired"
    APPROVED = "approved"
    ROTATED = "rotated"
    RESTORED = "restored"

    ID_TAKEN = "id_taken"
    KEY_TAKEN = "key_taken"
    ID_REMOVED = "id_removed"
    KEY_REMOVED = "key_removed"
    TOO_MANY = "too_many_certificates"
    WAITS = "waits_for_approval"
    NOT_PENDING = "not_pending"
    NOT_ACTIVE = "not_active"
    DIFFERS = "differs"
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
        Outcome.WAITS,
        Outcome.NOT_PENDING,
        Outcome.NOT_ACTIVE,
        Outcome.DIFFERS,
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
    """One certificate to be bound to one client id. `require_covered_digest`, `tenant` and `labels` None leave what the
    client has; a new one is `status` active, or pending until an operator approves it; `lift` also takes an id or a key
    that was removed (R22)."""

    realm: str
    client_id: str
    certificate: StoredCertificate
    require_covered_digest: bool | None = None
    tenant: str | None = None
    labels: dict[str, str] | None = None
    status: Status = Status.ACTIVE
    other_key: OtherKey = OtherKey.REFUSE
    lift: bool = False


class Decision(msgspec.Struct, frozen=True):
    """The outcome with a sentence for the operator, the record to write (None: write nothing), the index entries by
    SPKI hash, and the SHA-256 of the certificate that came with it, for the notice."""

    outcome: Outcome
    sentence: str
    record: Record | None = None
    index: Mapping[str, str] = {}
    sha256: str = ""


def prepare(realm: str, client_id: str, data: bytes, source: str, now_s: int) -> Registration:
    """Check the id and read the certificate of one registration.

    :param data: the certificate as PEM, DER, or base64 of either
    :param source: what to call the certificate in messages
    :raises ConfigError: config.invalid for the id or realm, config.unreadable for the certificate
    """
    check_names(realm, client_id)
    return Registration(realm=realm, client_id=client_id, certificate=read_stored(data, source, now_s))


def read_stored(data: bytes, source: str, now_s: int) -> StoredCertificate:
    """One certificate as a record keeps it.

    :raises ConfigError: config.unreadable
    """
    _, der = read_certificate(data, source)
    known = describe(der, source)
    return StoredCertificate(
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
    refusal = key_refusal(new, wanted.client_id, owners, wanted.lift)
    if refusal is not None:
        return refusal
    if existing is None:
        outcome = Outcome.LIFTED if owners.get(new.spki_sha256, "").startswith(TOMBSTONE) else Outcome.ADDED
        return _fresh(wanted, outcome, f"added with a {_kind(new)} key", now_s)
    if existing.status is Status.ACTIVE:
        return _change(wanted, existing, owners)
    if wanted.lift:
        lifted = _fresh(wanted, Outcome.LIFTED, f"taken back with a {_kind(new)} key", now_s)
        # Keys that wait for approval still stand in the index.
        return msgspec.structs.replace(lifted, index={**buried(existing, owners), **lifted.index})
    if existing.status is not Status.PENDING:
        return no(Outcome.ID_REMOVED, f"the client is a {existing.status.value} one; --lift takes the id back")
    if wanted.status is Status.PENDING and any(known.sha256 == new.sha256 for known in existing.certs):
        return Decision(Outcome.UNCHANGED, "waits for approval already")
    return no(Outcome.WAITS, "the client waits for an operator's approval")


def _change(wanted: Registration, existing: Record, owners: Mapping[str, str]) -> Decision:
    new = wanted.certificate
    client = _with_settings(wanted, existing)
    same_key = [known for known in existing.certs if known.spki_sha256 == new.spki_sha256]
    # R22: what was rotated away does not come back with an old list, nor with a new certificate for the same key.
    retiring = next((known.retire_after for known in same_key if known.retire_after is not None), None)
    if wanted.lift and retiring is not None:
        retiring = None
    elif any(known.sha256 == new.sha256 for known in same_key):
        if client == existing and owners.get(new.spki_sha256) == existing.id:
            return Decision(Outcome.UNCHANGED, "registered with this certificate already")
        return _keep(Outcome.UPDATED, "settings changed", client, new)
    if same_key:
        new = msgspec.structs.replace(new, retire_after=retiring)
        certs = tuple(new if known in same_key else known for known in existing.certs)
        renewed = msgspec.structs.replace(client, certs=certs)
        return _keep(Outcome.RENEWED, "new certificate for the same key", renewed, new)
    match wanted.other_key:
        case OtherKey.REFUSE:
            return no(
                Outcome.ID_TAKEN,
                "the client has another key; --replace puts this one in its place, --beside keeps both",
            )
        case OtherKey.BESIDE if len(existing.certs) >= CERTIFICATE_LIMIT:
            return no(Outcome.TOO_MANY, f"the client has {CERTIFICATE_LIMIT} certificates, which is the most")
        case OtherKey.BESIDE:
            extended = msgspec.structs.replace(client, certs=(*existing.certs, new))
            return _keep(Outcome.EXTENDED, "one more certificate", extended, new)
        case OtherKey.REPLACE:
            replaced = msgspec.structs.replace(client, certs=(new,))
            # R22: the old key must not come back by itself.
            index = {**buried(existing, owners), new.spki_sha256: existing.id}
            return Decision(Outcome.REPLACED, f"replaced by a {_kind(new)} key", replaced, index, new.sha256)


def _with_settings(wanted: Registration, record: Record) -> Record:
    named = {
        name: value
        for name in ("require_covered_digest", "tenant", "labels")
        if (value := getattr(wanted, name)) is not None
    }
    return msgspec.structs.replace(record, **named)


def _fresh(wanted: Registration, outcome: Outcome, sentence: str, now_s: int) -> Decision:
    record = Record(
        realm=wanted.realm,
        id=wanted.client_id,
        status=wanted.status,
        since=now_s,
        certs=(wanted.certificate,),
    )
    return _keep(outcome, sentence, _with_settings(wanted, record), wanted.certificate)


def _keep(outcome: Outcome, sentence: str, record: Record, new: StoredCertificate) -> Decision:
    return Decision(outcome, sentence, record, {new.spki_sha256: record.id}, new.sha256)


def no(outcome: Outcome, sentence: str) -> Decision:
    """A refusal: nothing is written."""
    return Decision(outcome, sentence)


def key_refusal(new: StoredCertificate, client_id: str, owners: Mapping[str, str], lift: bool) -> Decision | None:
    """Why the client cannot have the key: it is another client's (R20), or was removed and is not lifted (R22)."""
    owner = owners.get(new.spki_sha256, "")
    if owner.startswith(TOMBSTONE):
        who = owner.removeprefix(TOMBSTONE)
        return None if lift else no(Outcome.KEY_REMOVED, f"the key was removed with client {who}; --lift takes it back")
    if owner.startswith(LEASE):
        return no(Outcome.KEY_TAKEN, "the key is being onboarded at this moment: try again in two minutes")
    if owner not in ("", client_id):
        return no(Outcome.KEY_TAKEN, f"the key belongs to client {owner} already: one key, one client")
    return None


def buried(record: Record, owners: Mapping[str, str]) -> dict[str, str]:
    """Tombstones for the index entries of the record's keys (R22)."""
    # An index entry that names somebody else is not this client's to bury.
    return {
        certificate.spki_sha256: TOMBSTONE + record.id
        for certificate in record.certs
        if owners.get(certificate.spki_sha256, "") in ("", record.id)
    }


def _kind(certificate: StoredCertificate) -> str:
    return f"{certificate.key_type.value} ({certificate.bits} bits)"
