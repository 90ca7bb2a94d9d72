"""The work of `clients add`: one certificate, or a folder of them with a report of every file that was not taken."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson

from gateway.cli.clients_view import validity_note
from gateway.cli.progress import with_progress
from gateway.cli.reading import read_certificate_file
from gateway.cli.shown import shown
from gateway.cli.store_option import Resolved, open_store
from gateway.reasons import ConfigError, Reason
from gateway.registry.registration import Registration, prepare
from gateway.registry.rows import SUFFIXES
from gateway.registry.store import Store
from gateway.registry.writes import Result


class _Line(msgspec.Struct, frozen=True):
    """What is told about one file."""

    file: str
    id: str
    outcome: str
    message: str
    refused: bool


def add_one(resolved: Resolved, client_id: str, cert: Path, settings: Mapping[str, Any], as_json: bool) -> bool:
    """Register one certificate; False if it was refused.

    :param settings: fields of the Registration beyond realm, id and certificate
    :raises ConfigError: config.unreadable for the certificate, config.invalid, config.store_unreachable
    """
    wanted = _prepare(resolved.realm, client_id, cert, str(cert), settings)
    with open_store(resolved, create=True) as store:
        line = _line(cert.name, wanted, store.add(wanted))
    if as_json:
        _print_json(line)
    else:
        click.echo(f"{line.id}: {shown(line.message)}", err=line.refused)
    return not line.refused


def add_folder(resolved: Resolved, folder: Path, settings: Mapping[str, Any], as_json: bool) -> bool:
    """Register every certificate of a folder under the name of its file; False if any was not taken."""
    files, ignored = _files(folder)
    if not files:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{folder} holds no ID.pem (or .crt, .cer, .der) file")
    counts = {False: Counter[str](), True: Counter[str]()}
    with open_store(resolved, create=True) as store:
        for line in with_progress(_register(store, resolved.realm, files, settings), len(files), "registering"):
            counts[line.refused][line.outcome] += 1
            if as_json:
                _print_json(line)
            elif line.refused or "; " in line.message:
                click.echo(f"{shown(line.file)}: {shown(line.message)}", err=True)
    outcomes = [*counts[False].most_common(), *counts[True].most_common()]
    told = [f"{number:,} {outcome.replace('_', ' ')}" for outcome, number in outcomes]
    if ignored:
        told.append(f"{ignored:,} other file{'' if ignored == 1 else 's'} ignored")
    click.echo(", ".join(told), err=as_json)
    return not counts[True]


def _files(folder: Path) -> tuple[list[Path], int]:
    try:
        found = [path for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{folder} cannot be read: {error.strerror}") from error
    files = sorted(path for path in found if path.suffix.lower() in SUFFIXES)
    return files, len(found) - len(files)


def _register(store: Store, realm: str, files: list[Path], settings: Mapping[str, Any]) -> Iterator[_Line]:
    """Lines in about the order of the files: those that cannot be read come when their batch does."""
    rejected: deque[_Line] = deque()
    sent: deque[tuple[Path, Registration]] = deque()

    def registrations() -> Iterator[Registration]:
        for path in files:
            try:
                wanted = _prepare(realm, path.stem, path, path.name, settings)
            except ConfigError as error:
                why = error.message.removeprefix(f"{path.name} ")
                rejected.append(_Line(path.name, path.stem, "rejected", why, True))
            else:
                sent.append((path, wanted))
                yield wanted

    for result in store.add_all(registrations()):
        while rejected:
            yield rejected.popleft()
        path, wanted = sent.popleft()
        yield _line(path.name, wanted, result)
    yield from rejected


def _prepare(realm: str, client_id: str, path: Path, source: str, settings: Mapping[str, Any]) -> Registration:
    data = read_certificate_file(path, source)
    return msgspec.structs.replace(prepare(realm, client_id, data, source, int(time.time())), **settings)


def _line(file: str, wanted: Registration, result: Result) -> _Line:
    note = "" if result.outcome.refused else validity_note(wanted.certificate, time.time())
    message = f"{result.sentence}; {note}" if note else result.sentence
    return _Line(file, result.client_id, result.outcome.value, message, result.outcome.refused)


def _print_json(line: _Line) -> None:
    entry = {"file": line.file, "id": line.id, "outcome": line.outcome, "message": line.message}
    click.echo(orjson.dumps(entry))
