"""How clients are shown: a table, all that is known of one, and the same as JSON."""

import base64
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import click
from cryptography import x509

from gateway.cli.shown import moment, shown
from gateway.model import Status
from gateway.registry.damaged import Damaged
from gateway.registry.expiry import client_ends
from gateway.registry.records import Record, StoredCertificate

Entry: TypeAlias = Record | Damaged
_TITLES: Final = ("ID", "STATUS", "KEY", "VALID UNTIL", "KEYID")


def client_id(entry: Entry) -> str:
    """The id of either kind."""
    return entry.id if isinstance(entry, Record) else entry.client_id


def summary(entry: Entry) -> dict[str, Any]:
    """One line of `list --json`."""
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
    """The object of `show --json`: as `summary`, with what only the certificates themselves say."""
    found = summary(entry)
    if isinstance(entry, Record):
        for certificate, told in zip(entry.certs, found["certificates"], strict=True):
            subject, issuer = _names(certificate.der)
            told |= {"subject": subject, "issuer": issuer, "pem": _pem(certificate.der)}
    return found


def chosen(entries: Iterable[Entry], statuses: Collection[str], within_s: int | None, now_s: float) -> Iterator[Entry]:
    """Those of the named statuses (of any, if none is named) that can no longer sign in `within_s` seconds (None: that
    does not matter)."""
    for entry in entries:
        status = _status(entry) if isinstance(entry, Record) else "damaged"
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


def print_table(entries: Sequence[Entry], now_s: float) -> None:
    """One row for each client, in columns. Written by hand, since `rich` takes a minute for a table of 100,000 rows."""
    rows = [_TITLES, *(tuple(shown(cell) for cell in _row(entry, now_s)) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES) - 1)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True))
        click.echo("  ".join(cells).rstrip())


def print_detail(entry: Entry, now_s: float) -> None:
    """All that is known of one client, for reading."""
    if isinstance(entry, Damaged):
        _line("client", entry.client_id)
        _line("status", f"damaged: {entry.why}")
        return
    _line("client", entry.id)
    _line("realm", entry.realm)
    why = f" ({entry.reason})" if entry.reason else ""
    _line("status", f"{_status(entry)} since {moment(entry.since)}{why}")
    required = {None: "as the policy says", True: "required", False: "not required: its bodies may be unprotected"}
    _line("covered digest", required[entry.require_covered_digest])
    if entry.tenant:
        _line("tenant", entry.tenant)
    for key, value in entry.labels.items():
        _line("label", f"{key}={value}")
    for certificate in entry.certs:
        subject, issuer = _names(certificate.der)
        click.echo()
        _line("subject", subject)
        _line("issuer", issuer)
        _line("key", _key(certificate))
        _line("keyid", certificate.spki_sha256)
        _line("sha-256", certificate.sha256)
        _line("valid", f"{moment(certificate.not_before)} to {_until(certificate, now_s)}")
        _line("added", moment(certificate.added))
        if certificate.retire_after is not None:
            _line("retires", moment(certificate.retire_after))


def validity_note(certificate: StoredCertificate, now_s: float) -> str:
    """What an operator should know of a certificate whose time is not now; empty if all is well."""
    if certificate.not_after < now_s:
        return f"its certificate expired at {moment(certificate.not_after)}"
    if certificate.not_before > now_s:
        return f"its certificate is valid from {moment(certificate.not_before)} only"
    return ""


def _row(entry: Entry, now_s: float) -> tuple[str, ...]:
    if isinstance(entry, Damaged):
        return entry.client_id, "damaged", "", "", ""
    return (
        entry.id,
        _status(entry),
        ", ".join(_key(certificate) for certificate in entry.certs),
        ", ".join(_until(certificate, now_s) for certificate in entry.certs),
        ", ".join(certificate.spki_sha256[:16] for certificate in entry.certs),
    )


def _status(record: Record) -> str:
    return "removed" if record.status is Status.TOMBSTONE else record.status.value


def _key(certificate: StoredCertificate) -> str:
    kind = certificate.key_type.value
    return f"{kind}-{certificate.bits}" if kind == "rsa" else kind


def _until(certificate: StoredCertificate, now_s: float) -> str:
    told = moment(certificate.not_after) + (" (expired)" if certificate.not_after < now_s else "")
    if certificate.retire_after is not None:
        told += f" ({'retired' if certificate.retire_after < now_s else 'retires'} {moment(certificate.retire_after)})"
    return told


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


def _names(der: bytes) -> tuple[str, str]:
    certificate = x509.load_der_x509_certificate(der)
    try:
        return certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    except ValueError as error:  # names that break the rules do no harm to the key
        return f"unreadable: {error}", f"unreadable: {error}"


def _pem(der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


def _line(name: str, value: str) -> None:
    click.echo(f"{name:<16}{shown(value)}")
