"""`wfm-gateway clients pin`, `unpin` and `pins`: certificates that an operator vouches for before they call (R19)."""

from pathlib import Path
from typing import Final

import click
import orjson

from gateway.cli.shown import shown
from gateway.cli.store_option import open_store, resolve, store_options
from gateway.registry.moments import moment

_NO: Final = 1
_COMMON: Final = "\b\nExample:\n  "


@click.command(
    epilog=_COMMON
    + 'wfm-gateway clients pin 3F:A9:...:07 --note "press 4" -c gateway.toml\n  '
    + "wfm-gateway clients pin --cert device.pem --store embedded:./data"
)
@click.argument("fingerprint", metavar="[FINGERPRINT]", required=False)
@click.option(
    "--cert", type=click.Path(path_type=Path), help="Pin this certificate instead: PEM, DER, or base64 of it."
)
@click.option("--note", default="", metavar="TEXT", help="What to remember; `clients pins` tells it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@store_options
def pin(
    fingerprint: str | None,
    cert: Path | None,
    note: str,
    as_json: bool,
    store: str | None,
    config: Path | None,
    realm: str | None,
) -> None:
    """Vouch for a certificate, so that its device may onboard (trust rule `pinned`).

    FINGERPRINT is the SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it, or that of its
    public key, which Margo devices send as keyid.
    """
    resolved = resolve(store, config, realm)
    sha256 = _wanted(fingerprint, cert)
    with open_store(resolved, create=True) as opened:
        added = opened.pins.add(resolved.realm, sha256, note)
    _tell(resolved.realm, sha256, "pinned" if added else "unchanged", "pinned" if added else "pinned already", as_json)


@click.command(epilog=_COMMON + "wfm-gateway clients unpin 3F:A9:...:07 -c gateway.toml")
@click.argument("fingerprint", metavar="[FINGERPRINT]", required=False)
@click.option("--cert", type=click.Path(path_type=Path), help="The certificate whose pin goes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@store_options
def unpin(
    fingerprint: str | None,
    cert: Path | None,
    as_json: bool,
    store: str | None,
    config: Path | None,
    realm: str | None,
) -> None:
    """Take a pin back. A client that was onboarded by it stays one: `clients revoke` ends that."""
    resolved = resolve(store, config, realm)
    sha256 = _wanted(fingerprint, cert)
    with open_store(resolved) as opened:
        removed = opened.pins.remove(resolved.realm, sha256)
    _tell(
        resolved.realm, sha256, "unpinned" if removed else "unknown", "unpinned" if removed else "no such pin", as_json
    )
    if not removed:
        raise click.exceptions.Exit(_NO)


@click.command(epilog=_COMMON + "wfm-gateway clients pins -c gateway.toml")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per pin, in no order.")
@store_options
def pins(as_json: bool, store: str | None, config: Path | None, realm: str | None) -> None:
    """List the pins of a realm, oldest first."""
    resolved = resolve(store, config, realm)
    with open_store(resolved) as opened:
        found = opened.pins.iterate(resolved.realm)
        if as_json:
            for known in found:
                entry = {"sha256": known.sha256, "realm": known.realm, "added": moment(known.added), "who": known.who}
                click.echo(orjson.dumps(entry | {"note": known.note}))
            return
        listed = sorted(found, key=lambda known: (known.added, known.sha256))
    for known in listed:
        click.echo("  ".join([known.sha256, moment(known.added), shown(known.who), shown(known.note)]).rstrip())
    click.echo(f"{len(listed):,} pin{'' if len(listed) == 1 else 's'} in realm {resolved.realm}", err=True)


def _wanted(fingerprint: str | None, cert: Path | None) -> str:
    from gateway.reasons import ConfigError, Reason
    from gateway.registry import pins as registry_pins
    from gateway.registry.certificates import SIZE_LIMIT_BYTES, describe, read_certificate

    if (fingerprint is None) == (cert is None):
        raise click.UsageError("give a FINGERPRINT or --cert FILE")
    if fingerprint is not None:
        return registry_pins.fingerprint(fingerprint)
    assert cert is not None
    try:
        with cert.open("rb") as file:
            data = file.read(SIZE_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{cert} cannot be read: {error.strerror}") from error
    _, der = read_certificate(data, str(cert))
    return describe(der, str(cert)).sha256


def _tell(realm: str, sha256: str, outcome: str, sentence: str, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps({"sha256": sha256, "realm": realm, "outcome": outcome, "message": sentence}))
    else:
        click.echo(f"{sha256}: {sentence}", err=outcome == "unknown")
