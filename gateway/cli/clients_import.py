"""`clients import`: takes a list of devices into the registry, and says of every row that was not taken why."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click
import orjson

from gateway.cli.progress import with_progress
from gateway.cli.shown import shown
from gateway.cli.store_option import Resolved, open_store, resolve, store_options
from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway.registry.bulk import Make, Taken

_NO: Final = 1


@click.command(
    "import",
    epilog="""\b
Example:
  wfm-gateway clients import devices.jsonl --dry-run -c gateway.toml
  wfm-gateway clients import devices.csv --report rejected.jsonl -c gateway.toml
  wfm-gateway clients import ./certificates --store embedded:./data

\b
JSON lines:  {"id": "edge-17", "certificate": "-----BEGIN ...", "tenant": "plant-7", "labels": {"line": "3"}}
CSV:         id,certificate,tenant,labels      with labels as line=3;site=north
A folder:    one ID.pem (.crt, .cer, .der) for each device

Exit status: 0 every row was taken, 1 some were not, 2 nothing could be read or written.
""",
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Write nothing; tell what would become of each row.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write every rejected row to this file, as JSON lines.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with every rejected row.")
@store_options
def command(
    path: Path,
    dry_run: bool,
    report: Path | None,
    as_json: bool,
    store: str | None,
    config: Path | None,
    realm: str | None,
) -> None:
    """Take a list of devices into the registry: JSON lines, CSV, or a folder of certificates.

    Certificates are PEM, DER, or base64 of either. Rows that were taken before are counted as unchanged, so an import
    that broke off is simply started again. One key belongs to one client; a removed, revoked or retired id or key is
    rejected until `clients add --lift`.
    """
    from gateway.registry.bulk import Import

    resolved = resolve(store, config, realm)
    if not _run(resolved, path, Import(resolved.realm, int(time.time())), dry_run, report, as_json):
        raise click.exceptions.Exit(_NO)


def rotate_all(resolved: Resolved, path: Path, overlap_s: int, lift: bool, as_json: bool) -> bool:
    """The work of `clients rotate --from`; False if any row was rejected."""
    from gateway.registry.bulk import Rotate

    return _run(resolved, path, Rotate(resolved.realm, int(time.time()), overlap_s, lift), False, None, as_json)


def _run(resolved: Resolved, path: Path, make: "Make", dry_run: bool, report: Path | None, as_json: bool) -> bool:
    from gateway.registry import rows
    from gateway.registry.bulk import take

    found = rows.read(path)
    counts = {False: Counter[str](), True: Counter[str]()}
    rejected: list[dict[str, Any]] = []
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        file = None if report is None else stack.enter_context(_report(report))
        opened = stack.enter_context(open_store(resolved, create=True))
        taken = take(opened, found.rows, make, rehearsal=dry_run)
        for row in with_progress(taken, found.total, "reading", done=lambda row: row.end):
            counts[row.refused][row.outcome] += 1
            if not row.refused:
                continue
            entry = _entry(row)
            if file is not None:
                file.write(orjson.dumps(entry) + b"\n")
            if as_json:
                rejected.append(entry)
            else:
                click.echo(shown(f"{_where(row)}{row.id}: {row.message}"), err=True)
    outcomes = [*counts[False].most_common(), *counts[True].most_common()]
    took_s = time.monotonic() - started
    if as_json:
        summary = {"rows": sum(number for _, number in outcomes), "outcomes": dict(outcomes), "dry_run": dry_run}
        click.echo(orjson.dumps({**summary, "took_s": round(took_s, 3), "rejected": rejected}))
    else:
        _say(outcomes, found.ignored, took_s, dry_run)
    return not counts[True]


def _say(outcomes: list[tuple[str, int]], ignored: int, took_s: float, dry_run: bool) -> None:
    told = [f"{number:,} {outcome.replace('_', ' ')}" for outcome, number in outcomes] or ["no row found"]
    if ignored:
        told.append(f"{ignored:,} other file{'' if ignored == 1 else 's'} ignored")
    note = " (dry run: nothing was written)" if dry_run else ""
    click.echo(f"{', '.join(told)} in {took_s:.1f} s{note}")


def _entry(row: "Taken") -> dict[str, Any]:
    place: dict[str, Any] = {"file": row.file} if row.file else {"line": row.line}
    return place | {"id": row.id, "outcome": row.outcome, "message": row.message}


def _where(row: "Taken") -> str:
    return f"{row.file}: " if row.file else f"line {row.line}: "


@contextlib.contextmanager
def _report(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{path} cannot be written: {error.strerror}") from error
