"""`wfm-gateway store`: examine a store, take a registry out of it, put one into it, or move one to another store."""

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click
import orjson

from gateway.cli.progress import with_progress
from gateway.cli.shown import shown
from gateway.cli.store_option import open_store, resolve
from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway.registry.transfer import Restored, Saved

_NO: Final = 1
_EXAMPLE: Final = "\b\nExample:\n  "


@click.group()
def command() -> None:
    """Examine a store, back a registry up, or move it to another store."""


def _which_store(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "-c", "--config", type=click.Path(path_type=Path), help="Configuration file whose store is meant."
        ),
        click.option("--store", metavar="URL", help="Store URL.  [default: embedded:data]"),
    ):
        function = option(function)
    return function


@command.command(
    epilog=_EXAMPLE
    + "wfm-gateway store check -c gateway.toml\n\n\b\n"
    + "Exit status: 0 the store is fit (warnings apart), 1 it is not, 2 it cannot be reached."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--repair", is_flag=True, help="Put right what changes that broke off left in the index of keys.")
@_which_store
def check(as_json: bool, repair: bool, store: str | None, config: Path | None) -> None:
    """Is this a store for a registry?

    Tells version, latency, memory, persistence and the number of clients, and whether the request path's user may do
    what it must and no more. A store that may evict what it was given is an error. In a cluster, and with --repair, it
    also compares all clients with the index of their keys.
    """
    from gateway.cli.store_check import index_findings, lines, request_store

    resolved = resolve(store, config, None)
    try:
        with contextlib.ExitStack() as stack:
            opened = stack.enter_context(open_store(resolved))
            request = request_store(resolved.target, config)
            report = opened.examine(None if request is None else stack.enter_context(request))
            report = index_findings(opened, report, repair)
    except ConfigError as error:
        if not as_json or error.reason is not Reason.CONFIG_STORE:
            raise
        click.echo(orjson.dumps({"reachable": False, "fine": False, "message": error.message}))
        raise click.exceptions.Exit(2) from error
    if as_json:
        import msgspec

        click.echo(orjson.dumps({"reachable": True, "fine": report.fine, **msgspec.to_builtins(report)}))
    else:
        for line in lines(report):
            click.echo(shown(line))
    if not report.fine:
        raise click.exceptions.Exit(_NO)


@command.command(
    epilog=_EXAMPLE + "wfm-gateway store migrate embedded:./data rediss://store.internal:6379\n\n\b\n"
    "Exit status: 0 all of it is there now, 1 some of it is not, 2 a store cannot be reached."
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--overwrite", is_flag=True, help="Put clients in the place of those that differ.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def migrate(source: str, target: str, overwrite: bool, as_json: bool) -> None:
    """Copy a whole registry from one store to another: clients of all realms, tombstones, pins, and the history.

    What is there already is left as it is, so a migration that broke off is simply started again, and so is one whose
    FROM went on living (then with --overwrite). Replay claims are not copied.
    """
    from gateway.registry import transfer
    from gateway.registry.damaged import Damaged

    origin, goal = resolve(source, None, None), resolve(target, None, None)
    if origin.target == goal.target:
        raise click.UsageError("FROM and TO are the same store")
    with open_store(origin) as reader, open_store(goal, create=True) as writer:
        there = transfer.tally(reader)
        copied = writer.copy_history(reader)
        damaged: list[Damaged] = []
        saved = _whole(transfer.snapshot(reader), damaged)
        outcome = _Outcome(as_json)
        outcome.follow(with_progress(transfer.restore(writer, saved, overwrite), transfer.total(there), "copying"))
        for entry in damaged:
            outcome.damaged(entry.realm, entry.client_id, entry.why)
        arrived = transfer.tally(writer)
    complete = not outcome.refused and all(
        getattr(arrived, kind) >= getattr(there, kind) for kind in ("keys", "pins", "clients")
    )
    outcome.tell(
        {
            "from": _counts(there),
            "to": _counts(arrived),
            "history": copied,
            "complete": complete,
        },
        [
            f"FROM has {_told(there)}; TO has {_told(arrived)}",
            "no history copied: TO has a stream of its own already"
            if copied is None
            else f"{copied:,} entries of history copied",
            "complete" if complete else "NOT complete: see above, and run it again",
        ],
    )
    if not complete:
        raise click.exceptions.Exit(_NO)


@command.command(epilog=_EXAMPLE + "wfm-gateway store export --output registry.jsonl -c gateway.toml")
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: standard output]")
@_which_store
def export(output: Path | None, store: str | None, config: Path | None) -> None:
    """Write a whole registry as JSON lines: clients of all realms, tombstones and pins.

    The file holds no secrets, but says who your devices are; it is made readable for you alone. A file that was not
    written to its end is refused by `store import`.
    """
    from gateway.registry import transfer
    from gateway.registry.damaged import Damaged

    resolved = resolve(store, config, None)
    damaged: list[Damaged] = []
    with open_store(resolved) as opened, _output(output) as file:
        saved = _whole(transfer.snapshot(opened), damaged)
        count = transfer.total(transfer.tally(opened)) if output is not None else None
        lines = 0
        for line in with_progress(transfer.lines(saved, int(time.time())), count, "writing"):
            file.write(line)
            lines += 1
    for entry in damaged:
        click.echo(shown(f"{entry.client_id} of realm {entry.realm} was left out: {entry.why}"), err=True)
    click.echo(f"{lines - 2:,} entries written", err=True)
    if damaged:
        raise click.exceptions.Exit(_NO)


@command.command(
    "import", epilog=_EXAMPLE + "wfm-gateway store import registry.jsonl --store rediss://store.internal:6379"
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--overwrite", is_flag=True, help="Put clients in the place of those that differ.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@_which_store
def import_(file: Path, overwrite: bool, as_json: bool, store: str | None, config: Path | None) -> None:
    """Put what `store export` wrote into a store (- is standard input).

    What is there already is left as it is. Nobody is brought back: a client that was removed, revoked or retired in
    this store stays so.
    """
    from gateway.registry import transfer

    resolved = resolve(store, config, None)
    outcome = _Outcome(as_json)
    with _input(file) as (source, size), open_store(resolved, create=True) as opened:
        saved = transfer.read_lines(source, str(file))
        restored = transfer.restore(opened, saved, overwrite)
        outcome.follow(with_progress(restored, size, "reading", done=_position(source, size)))
    outcome.tell({}, [])
    if outcome.refused:
        raise click.exceptions.Exit(_NO)


class _Outcome:
    """Counts what became of each thing, and says of each that was refused why."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self.refused: list[dict[str, str]] = []

    def follow(self, restored: Iterable["Restored"]) -> None:
        for entry in restored:
            self._counts[f"{entry.kind}s {entry.outcome.replace('_', ' ')}"] += 1
            if entry.refused:
                self._refuse(entry.kind, entry.realm, entry.name, entry.message)

    def damaged(self, realm: str, client_id: str, why: str) -> None:
        self._counts["clients damaged"] += 1
        self._refuse("client", realm, client_id, why)

    def tell(self, more: dict[str, Any], sentences: list[str]) -> None:
        if self._as_json:
            click.echo(orjson.dumps({"counts": dict(self._counts), **more, "refused": self.refused}))
            return
        click.echo(", ".join(f"{number:,} {what}" for what, number in self._counts.most_common()) or "nothing to do")
        for sentence in sentences:
            click.echo(sentence)

    def _refuse(self, kind: str, realm: str, name: str, message: str) -> None:
        self.refused.append({"kind": kind, "realm": realm, "name": name, "message": message})
        if not self._as_json:
            click.echo(shown(f"{kind} {name} of realm {realm}: {message}"), err=True)


def _whole(found: Iterable[Any], damaged: list[Any]) -> Iterator["Saved"]:
    from gateway.registry.damaged import Damaged

    for thing in found:
        if isinstance(thing, Damaged):
            damaged.append(thing)
        else:
            yield thing


def _counts(tally: Any) -> dict[str, int]:
    return {"clients": tally.clients, "removed_keys": tally.keys, "pins": tally.pins}


def _told(tally: Any) -> str:
    return f"{tally.clients:,} clients, {tally.keys:,} removed keys, {tally.pins:,} pins"


def _position(file: IO[bytes], size: int | None) -> Callable[["Restored"], int] | None:
    return None if size is None else lambda _: file.tell()


@contextlib.contextmanager
def _input(path: Path) -> Iterator[tuple[IO[bytes], int | None]]:
    if str(path) == "-":
        yield sys.stdin.buffer, None
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield file, path.stat().st_size


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[IO[bytes]]:
    """Whole or not at all, for the operator's eyes only."""
    if path is None:
        yield sys.stdout.buffer
        return
    fresh = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{path} cannot be written: {error.strerror}") from error
