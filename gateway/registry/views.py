"""Clients and their histories as JSON objects, for commands and for the admin API alike."""

import base64
import textwrap
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeAlias

from cryptography import x509

from gateway.model import Status
from gateway.registry.damaged import Damaged
from gateway.registry.expiry import client_ends
from gateway.registry.history import History
from gateway.registry.moments import moment
from gateway.registry.records import Record, StoredCertificate

Entry: TypeAlias = Record | Damaged


def client_id(entry: Entry) -> str:
    """The id of either kind."""
    return entry.id if isinstance(entry, Record) else entry.client_id


def summary(entry: Entry) -> dict[str, Any]:
    """What a list tells of one client."""
    if isinstance(entry, Damaged):
        return {"id": entry.client_id, "realm": entry.realm, "status": "damaged", "reason": entry.why}
    return {
        "id": entry.id,
        "realm": entry.realm,
        "status": entry.status.value,
        "since": moment(entry.since),
        "reason": entry.reason,
        "require_covered_digest": entry.require_covered_digest,
        "tenant": entry.tenant,
        "labels": entry.labels,
        "certificates": [_certificate(certificate) for certificate in entry.certs],
    }


def detail(entry: Entry) -> dict[str, Any]:
    """As `summary`, with what only the certificates themselves say."""
    found = summary(entry)
    if isinstance(entry, Record):
        for certificate, told in zip(entry.certs, found["certificates"], strict=True):
            subject, issuer = names(certificate.der)
            told |= {"subject": subject, "issuer": issuer, "pem": _pem(certificate.der)}
    return found


def chosen(entries: Iterable[Entry], statuses: Collection[str], within_s: int | None, now_s: float) -> Iterator[Entry]:
    """Those of the named statuses (of any, if none is named) that can no longer sign in `within_s` seconds (None: that
    does not matter)."""
    for entry in entries:
        status = status_word(entry) if isinstance(entry, Record) else "damaged"
        if statuses and status not in statuses:
            continue
        if within_s is not None:
            ends = client_ends(entry) if isinstance(entry, Record) else None
            if ends is None or ends > now_s + within_s:
                continue
        yield entry


def end(entry: Entry) -> tuple[int, str]:
    """To sort by: who ends first."""
    ends = client_ends(entry) if isinstance(entry, Record) else None
    return 0 if ends is None else ends, client_id(entry)


def history(realm: str, client_id: str, found: History) -> dict[str, Any]:
    """What happened to one client, oldest first."""
    return {
        "id": client_id,
        "realm": realm,
        "complete": found.complete,
        "since": None if found.since is None else moment(found.since),
        "changes": [
            {
                "when": moment(notice.when),
                "who": notice.who,
                "what": notice.what,
                "why": notice.why,
                "certificate": notice.certificate or None,
            }
            for notice in found.notices
        ],
    }


def status_word(record: Record) -> str:
    """How a status is called: a tombstone is what was removed."""
    return "removed" if record.status is Status.TOMBSTONE else record.status.value


def _certificate(certificate: StoredCertificate) -> dict[str, Any]:
    return {
        "sha256": certificate.sha256,
        "spki_sha256": certificate.spki_sha256,
        "key_type": certificate.key_type.value,
        "bits": certificate.bits,
        "not_before": moment(certificate.not_before),
        "not_after": moment(certificate.not_after),
        "added": moment(certificate.added),
        "retire_after": None if certificate.retire_after is None else moment(certificate.retire_after),
    }


def names(der: bytes) -> tuple[str, str]:
    """Subject and issuer of a certificate (RFC 4514)."""
    certificate = x509.load_der_x509_certificate(der)
    try:
        return certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    except ValueError as error:  # names that break the rules do no harm to the key
        return f"unreadable: {error}", f"unreadable: {error}"


def _pem(der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
