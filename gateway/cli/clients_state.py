"""`clients remove`, `revoke`, `retire`, `approve` and `rotate`: one client, several, or those that a file names."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from gateway.cli.durations import Duration
from gateway.cli.shown import shown
from gateway.cli.store_option import open_store, resolve, store_options
from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway.registry.store import Store
    from gateway.registry.writes import Result

_NO: Final = 1
_EXAMPLE: Final = "\b\nExample:\n  "


def _bulk_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        store_options,
        click.option("--json", "as_json", is_flag=True, help="One JSON object per client."),
        click.option(
            "--from",
            "file",
            type=click.Path(path_type=Path, allow_dash=True),
            help="File with one id a line (- is standard input); # begins a comment.",
        ),
        click.argument("ids", metavar="[ID]...", nargs=-1),
    ):
        function = option(function)
    return function


_reason_option: Final = click.option(
    "--reason", default="", metavar="TEXT", help="Why; `clients show` and `clients history` tell it."
)


@click.command(
    epilog=_EXAMPLE
    + 'wfm-gateway clients remove edge-17 --reason "sold" --store embedded:./data\n  '
    + "wfm-gateway clients remove --from scrapped.txt -c gateway.toml"
)
@_reason_option
@_bulk_options
def remove(**options: Any) -> None:
    """Remove clients. Their ids and keys stay blocked until `clients add --lift`."""
    _act("REMOVE", **options)


@click.command(
    epilog=_EXAMPLE
    + 'wfm-gateway clients revoke edge-17 --reason "key stolen" -c gateway.toml\n  '
    + 'wfm-gateway clients revoke --from stolen.txt --reason "truck stolen" -c gateway.toml'
)
@_reason_option
@_bulk_options
def revoke(**options: Any) -> None:
    """Revoke clients: nothing they sign counts any longer, in any worker, within a second.

    Their ids and keys stay blocked until `clients add --lift`.
    """
    _act("REVOKE", **options)


@click.command(
    epilog=_EXAMPLE
    + 'wfm-gateway clients retire edge-17 --reason "line 3 is closed" -c gateway.toml\n  '
    + "wfm-gateway clients retire --from line-3.txt -c gateway.toml"
)
@_reason_option
@_bulk_options
def retire(**options: Any) -> None:
    """Retire clients that did their service. Their ids and keys stay blocked until `clients add --lift`."""
    _act("RETIRE", **options)


@click.command(
    epilog=_EXAMPLE
    + "wfm-gateway clients list --status pending -c gateway.toml\n  "
    + "wfm-gateway clients approve edge-17 edge-18 -c gateway.toml"
)
@_reason_option
@_bulk_options
def approve(**options: Any) -> None:
    """Let clients in that wait for approval."""
    _act("APPROVE", **options)


@click.command(
    epilog=_EXAMPLE
    + "wfm-gateway clients rotate edge-17 --cert edge-17-new.pem --overlap 7d -c gateway.toml\n  "
    + "wfm-gateway clients rotate --from ./new-certificates -c gateway.toml"
)
@click.argument("client_id", metavar="[ID]", required=False)
@click.option("--cert", type=click.Path(path_type=Path), help="New certificate: PEM, DER, or base64 of either.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="New certificates of many: a folder of ID.pem, JSON lines, or CSV, as `clients import` reads them.",
)
@click.option(
    "--overlap",
    "overlap_s",
    type=Duration(),
    default="7d",
    show_default=True,
    help="How long the old certificate is accepted beside the new one: 7d, 12h, 0s ...",
)
@click.option("--lift", is_flag=True, help="Also take a key that was removed before.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per client.")
@store_options
def rotate(
    client_id: str | None,
    cert: Path | None,
    source: Path | None,
    overlap_s: int,
    lift: bool,
    as_json: bool,
    store: str | None,
    config: Path | None,
    realm: str | None,
) -> None:
    """Give clients a new certificate; the old one is accepted beside it until the overlap ends."""
    from gateway.cli.reading import read_certificate_file
    from gateway.registry.operations import prepare_rotation

    resolved = resolve(store, config, realm)

    if source is None and client_id is not None and cert is not None:
        data, now_s = read_certificate_file(cert), int(time.time())
        change = prepare_rotation(resolved.realm, client_id, data, str(cert), now_s, overlap_s, lift)
        with open_store(resolved) as opened:
            fine = _tell(opened.apply_all([change]), as_json, many=False)
    elif source is not None and client_id is None and cert is None:
        from gateway.cli.clients_import import rotate_all

        fine = rotate_all(resolved, source, overlap_s, lift, as_json)
    else:
        raise click.UsageError("give ID and --cert FILE, or --from PATH")
    if not fine:
        raise click.exceptions.Exit(_NO)


def _act(
    action: str,
    ids: tuple[str, ...],
    file: Path | None,
    reason: str,
    as_json: bool,
    store: str | None,
    config: Path | None,
    realm: str | None,
) -> None:
    from gateway.registry.operations import Action, prepare_change

    resolved = resolve(store, config, realm)
    names = list(dict.fromkeys([*ids, *([] if file is None else _ids_in(file))]))
    if not names:
        raise click.UsageError("give an ID, several, or --from FILE")
    # All are checked before the first is changed.
    changes = [prepare_change(resolved.realm, name, Action[action], reason) for name in names]
    with open_store(resolved) as opened:
        fine = _tell(_carried_out(opened, changes), as_json, many=len(names) > 1)
    if not fine:
        raise click.exceptions.Exit(_NO)


def _carried_out(store: "Store", changes: list[Any]) -> Iterator["Result"]:
    from gateway.cli.progress import with_progress

    return with_progress(store.apply_all(changes), len(changes), "changing")


def _tell(results: Iterable["Result"], as_json: bool, many: bool) -> bool:
    """Say what became of each client, or of many what did not work and how many did; False if any was refused."""
    counts = {False: Counter[str](), True: Counter[str]()}
    for result in results:
        refused = result.outcome.refused
        counts[refused][result.outcome.value] += 1
        if as_json:
            click.echo(orjson.dumps(as_object(result)))
        elif refused or not many:
            click.echo(f"{result.client_id}: {shown(result.sentence)}", err=refused)
    if many:
        click.echo(counted([*counts[False].most_common(), *counts[True].most_common()]), err=as_json)
    return not counts[True]


def as_object(result: "Result") -> dict[str, Any]:
    """What `--json` prints of one client."""
    return {
        "id": result.client_id,
        "realm": result.realm,
        "outcome": result.outcome.value,
        "message": result.sentence,
    }


def counted(outcomes: Iterable[tuple[str, int]]) -> str:
    """How many came to which outcome, in one line."""
    return ", ".join(f"{number:,} {outcome.replace('_', ' ')}" for outcome, number in outcomes) or "nothing to do"


def _ids_in(file: Path) -> list[str]:
    try:
        with click.open_file(str(file), encoding="utf-8") as lines:
            found = [line.partition("#")[0].strip() for line in lines]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{file} cannot be read: {why}") from error
    return [name for name in found if name]
