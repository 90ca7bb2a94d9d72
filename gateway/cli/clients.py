"""`wfm-gateway clients`: the registry by hand. Adding, listing and showing stand here, the rest beside."""

import time
from pathlib import Path
from typing import Final

import click
import orjson

from gateway.cli.clients_history import history
from gateway.cli.clients_import import command as import_
from gateway.cli.clients_pin import pin, pins, unpin
from gateway.cli.clients_state import approve, remove, retire, revoke, rotate
from gateway.cli.durations import Duration
from gateway.cli.store_option import open_store, resolve, store_options

NO: Final = 1
"""Exit status when the answer is no."""
_COMMON: Final = "\b\nExample:\n  "


@click.group()
def command() -> None:
    """Add, import, list, show, rotate, revoke and remove the clients that may call.

    Works on the store of a running gateway, or starts an embedded store for the moment.
    """


@command.command(
    epilog=_COMMON
    + "wfm-gateway clients add --id edge-17 --cert edge-17.pem --store embedded:./data\n  "
    + "wfm-gateway clients add --from ./certificates -c gateway.toml"
)
@click.option("--id", "client_id", metavar="ID", help="Client id that the WFM assigned.")
@click.option("--cert", type=click.Path(path_type=Path), help="Certificate: PEM, DER, or base64 of either.")
@click.option("--from", "folder", type=click.Path(path_type=Path), help="Folder of ID.pem files (.crt .cer .der too).")
@click.option("--replace", is_flag=True, help="Put this key in the place of the one that the client has.")
@click.option("--beside", is_flag=True, help="Keep the client's certificates and add this one.")
@click.option("--lift", is_flag=True, help="Also take an id or a key that was removed before.")
@click.option(
    "--covered-digest/--no-covered-digest",
    default=None,
    help="Whether the client must cover Content-Digest.  [default: as the policy says]",
)
@click.option("--tenant", help="Tenant of the client; left as it is if not given.")
@click.option("--label", "labels", metavar="NAME=VALUE", multiple=True, help="A label (several times for several).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per certificate.")
@store_options
def add(
    client_id: str | None,
    cert: Path | None,
    folder: Path | None,
    replace: bool,
    beside: bool,
    lift: bool,
    covered_digest: bool | None,
    tenant: str | None,
    labels: tuple[str, ...],
    as_json: bool,
    store: str | None,
    config: Path | None,
    realm: str | None,
) -> None:
    """Bind a client id to a device's certificate, or a folder of them.

    One key belongs to one client, and a client that has another key already is left alone unless told otherwise.
    """
    from gateway.cli.clients_add import add_folder, add_one
    from gateway.registry.labels import check
    from gateway.registry.registration import OtherKey

    if replace and beside:
        raise click.UsageError("--replace and --beside exclude each other")
    other_key = OtherKey.REPLACE if replace else OtherKey.BESIDE if beside else OtherKey.REFUSE
    named = _labels(labels) if labels else None
    check(tenant, named)
    settings = {
        "other_key": other_key,
        "lift": lift,
        "require_covered_digest": covered_digest,
        "tenant": tenant,
        "labels": named,
    }
    resolved = resolve(store, config, realm)
    if folder is not None and client_id is None and cert is None:
        fine = add_folder(resolved, folder, settings, as_json)
    elif folder is None and client_id is not None and cert is not None:
        fine = add_one(resolved, client_id, cert, settings, as_json)
    else:
        raise click.UsageError("give --id ID and --cert FILE, or --from DIR")
    if not fine:
        raise click.exceptions.Exit(NO)


@command.command(
    "list",
    epilog=_COMMON
    + "wfm-gateway clients list --status active --expiring 30d -c gateway.toml\n  "
    + "wfm-gateway clients list --status revoked -c gateway.toml --json | jq -r .id",
)
@click.option(
    "--status",
    "statuses",
    type=click.Choice(["pending", "active", "revoked", "retired", "removed", "damaged"]),
    multiple=True,
    help="Only clients of this status (may be given several times).",
)
@click.option(
    "--expiring",
    "within_s",
    type=Duration(),
    help="Only active clients whose last certificate ends within 30d, 12h ..., or has ended.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per client, in no order.")
@store_options
def list_(
    statuses: tuple[str, ...],
    within_s: int | None,
    as_json: bool,
    store: str | None,
    config: Path | None,
    realm: str | None,
) -> None:
    """List the clients of a realm, removed ones included."""
    from gateway.cli.clients_view import print_table
    from gateway.registry import views

    resolved = resolve(store, config, realm)
    now_s = time.time()
    with open_store(resolved) as opened:
        found = views.chosen(opened.iterate(resolved.realm), statuses, within_s, now_s)
        if as_json:
            for entry in found:
                click.echo(orjson.dumps(views.summary(entry)))
            return
        entries = sorted(found, key=views.client_id if within_s is None else views.end)
        if entries:
            print_table(entries, now_s)
        click.echo(f"{len(entries):,} client{'' if len(entries) == 1 else 's'} in realm {resolved.realm}", err=True)


@command.command(epilog=_COMMON + "wfm-gateway clients show edge-17 --store embedded:./data")
@click.argument("client_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with the certificates as PEM.")
@store_options
def show(client_id: str, as_json: bool, store: str | None, config: Path | None, realm: str | None) -> None:
    """Show what is known of one client."""
    from gateway.cli.clients_view import print_detail
    from gateway.registry import views
    from gateway.registry.registration import check_names

    resolved = resolve(store, config, realm)
    check_names(resolved.realm, client_id)
    with open_store(resolved) as opened:
        found = opened.get(resolved.realm, client_id)
        if found is None:
            click.echo(f"there is no client {client_id} in realm {resolved.realm}", err=True)
            raise click.exceptions.Exit(NO)
        if as_json:
            click.echo(orjson.dumps(views.detail(found)))
        else:
            print_detail(found, time.time())


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name in found:
            raise click.UsageError(f"--label {text!r} is not NAME=VALUE, or the name stands twice")
        found[name] = value
    return found


for _more in (remove, revoke, approve, retire, rotate, history, import_, pin, unpin, pins):
    command.add_command(_more)
