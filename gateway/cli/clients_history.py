"""`clients history`: who changed a client, when, and how."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import orjson

from gateway.cli.shown import shown
from gateway.cli.store_option import open_store, resolve, store_options
from gateway.registry.moments import moment

if TYPE_CHECKING:
    from gateway.registry.history import History, Notice

_NO: Final = 1


@click.command(epilog="\b\nExample:\n  wfm-gateway clients history edge-17 -c gateway.toml")
@click.argument("client_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@store_options
def history(client_id: str, as_json: bool, store: str | None, config: Path | None, realm: str | None) -> None:
    """Show who changed a client, when, and how, oldest first.

    The stream of changes is bounded; if it does not reach back to the client's beginning, that is said.
    """
    from gateway.registry import views
    from gateway.registry.registration import check_names

    resolved = resolve(store, config, realm)
    check_names(resolved.realm, client_id)
    with open_store(resolved) as opened:
        found = opened.history(resolved.realm, client_id)
        known = bool(found.notices) or opened.get(resolved.realm, client_id) is not None
    if not known:
        click.echo(f"there is no client {client_id} in realm {resolved.realm}", err=True)
        raise click.exceptions.Exit(_NO)
    if as_json:
        click.echo(orjson.dumps(views.history(resolved.realm, client_id, found)))
        return
    for notice in found.notices:
        click.echo(shown(_line(notice)))
    if not found.complete:
        click.echo(_incomplete(found), err=True)


def _line(notice: "Notice") -> str:
    told = f"{moment(notice.when)}  {notice.what:<9}  by {notice.who}"
    if notice.why:
        told += f"  ({notice.why})"
    if notice.certificate:
        told += f"  certificate {notice.certificate[:16]}"
    return told


def _incomplete(found: "History") -> str:
    if found.since is None:
        return "the stream of changes is empty: what was changed before is not known"
    return f"the stream of changes begins at {moment(found.since)}: what was changed before that is not known"
