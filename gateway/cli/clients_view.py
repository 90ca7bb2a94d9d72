"""How clients are shown to people: a table, and all that is known of one."""

from collections.abc import Sequence
from typing import Final

import click

from gateway.cli.shown import shown
from gateway.registry.damaged import Damaged
from gateway.registry.moments import moment
from gateway.registry.records import StoredCertificate
from gateway.registry.views import Entry, names, status_word

_TITLES: Final = ("ID", "STATUS", "KEY", "VALID UNTIL", "KEYID")


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
    _line("status", f"{status_word(entry)} since {moment(entry.since)}{why}")
    required = {None: "as the policy says", True: "required", False: "not required: its bodies may be unprotected"}
    _line("covered digest", required[entry.require_covered_digest])
    if entry.tenant:
        _line("tenant", entry.tenant)
    for key, value in entry.labels.items():
        _line("label", f"{key}={value}")
    for certificate in entry.certs:
        subject, issuer = names(certificate.der)
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
        status_word(entry),
        ", ".join(_key(certificate) for certificate in entry.certs),
        ", ".join(_until(certificate, now_s) for certificate in entry.certs),
        ", ".join(certificate.spki_sha256[:16] for certificate in entry.certs),
    )


def _key(certificate: StoredCertificate) -> str:
    kind = certificate.key_type.value
    return f"{kind}-{certificate.bits}" if kind == "rsa" else kind


def _until(certificate: StoredCertificate, now_s: float) -> str:
    told = moment(certificate.not_after) + (" (expired)" if certificate.not_after < now_s else "")
    if certificate.retire_after is not None:
        told += f" ({'retired' if certificate.retire_after < now_s else 'retires'} {moment(certificate.retire_after)})"
    return told


def _line(name: str, value: str) -> None:
    click.echo(f"{name:<16}{shown(value)}")
