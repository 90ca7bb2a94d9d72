"""The JSON record of one client in the store: written whole, read either whole or as the request path needs it."""

from hashlib import sha256
from typing import Final

import msgspec

from gateway.model import Certificate, Client, KeyType, Status
from gateway.registry.issued import issued

WAITING: Final = ("wfmgw-onboarding", "awaits-id")
"""The label of a client that has no id of its WFM yet: it was held back for approval under the hash of its key."""


class RecordMismatch(Exception):
    """The store returned something else than the record that was asked for, or a damaged one (R25)."""


class StoredCertificate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One certificate with all that is known of it: `der` is the X.509 certificate, `added` and the other times are
    seconds since 1970. What the request path needs stands beside the DER, so that nothing parses X.509 there."""

    der: bytes
    sha256: str
    spki: bytes
    spki_sha256: str
    key_type: KeyType
    bits: int
    not_before: int
    not_after: int
    added: int
    retire_after: int | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One client. `since` and `reason` say when and why it came to its `status`; a tombstone keeps its certificates, so
    that `show` can tell what was removed (R22)."""

    realm: str
    id: str
    status: Status
    since: int
    reason: str = ""
    certs: tuple[StoredCertificate, ...] = ()
    require_covered_digest: bool | None = None
    labels: dict[str, str] = {}
    tenant: str = ""


class _Written(StoredCertificate, frozen=True, kw_only=True, omit_defaults=True):
    """How a certificate stands in the store: with what revocation lists know it by, so that no request has to ask."""

    issued: bytes = b""


class _Hot(msgspec.Struct, frozen=True, gc=False):
    """The part of a record that a request needs; the decoder skips the rest without making objects of it."""

    realm: str
    id: str
    status: Status
    certs: tuple[Certificate, ...] = ()
    require_covered_digest: bool | None = None
    labels: dict[str, str] = {}
    tenant: str = ""


_encoder: Final = msgspec.json.Encoder()
_hot: Final = msgspec.json.Decoder(_Hot)
_whole: Final = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """The record as JSON; octets become base64 text."""
    certs = tuple([_Written(**msgspec.structs.asdict(known), issued=issued(known.der)) for known in record.certs])
    return _encoder.encode(msgspec.structs.replace(record, certs=certs))


def decode(data: bytes, realm: str, client_id: str) -> Client:
    """Read what the request path needs of the record of `client_id` in `realm`.

    :raises RecordMismatch: it is not a record, not that client's, or a key does not have the hash that stands beside it
    """
    try:
        hot = _hot.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordMismatch(f"the record of {client_id} in realm {realm} cannot be read: {error}") from error
    _compare(hot.realm, hot.id, realm, client_id)
    if hot.status is Status.ACTIVE and not hot.certs:
        raise RecordMismatch(f"the record of {client_id} in realm {realm} is active but has no certificate")
    for certificate in hot.certs:
        _check_hash("key", certificate.spki, certificate.spki_sha256, client_id)
    certificates = hot.certs
    if not all(certificate.issued for certificate in certificates):
        certificates = _named(certificates, data, client_id)
    return Client(
        realm,
        client_id,
        hot.status,
        certificates,
        hot.require_covered_digest,
        tuple(hot.labels.items()),
        hot.tenant,
    )


def decode_whole(data: bytes, realm: str, client_id: str) -> Record:
    """Read the whole record of `client_id` in `realm`, certificates included.

    :raises RecordMismatch: as `decode`, and when a certificate does not have the hash that stands beside it
    """
    try:
        record = _whole.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordMismatch(f"the record of {client_id} in realm {realm} cannot be read: {error}") from error
    _compare(record.realm, record.id, realm, client_id)
    for certificate in record.certs:
        _check_hash("key", certificate.spki, certificate.spki_sha256, client_id)
        _check_hash("certificate", certificate.der, certificate.sha256, client_id)
    return record


def _named(certificates: tuple[Certificate, ...], data: bytes, client_id: str) -> tuple[Certificate, ...]:
    """The certificates of a record of before there were revocation lists, with what those know them by."""
    try:
        whole = _whole.decode(data)
        return tuple(
            [
                msgspec.structs.replace(known, issued=issued(stored.der))
                for known, stored in zip(certificates, whole.certs, strict=True)
            ]
        )
    except (msgspec.DecodeError, ValueError, IndexError):
        raise RecordMismatch(f"a certificate in the record of {client_id} is damaged") from None


def _compare(realm: str, client_id: str, asked_realm: str, asked_id: str) -> None:
    if realm != asked_realm or client_id != asked_id:  # R3, R25
        raise RecordMismatch(
            f"asked for {asked_id} in realm {asked_realm}, got a record of {client_id!r} in realm {realm!r}"
        )


def _check_hash(what: str, data: bytes, expected: str, client_id: str) -> None:
    if sha256(data).hexdigest() != expected:
        raise RecordMismatch(f"a {what} in the record of {client_id} does not have the hash that stands beside it")
