"""Takes a list of devices into the registry: certificates are read in several processes, written in few round trips."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from typing import Final, Protocol, TypeAlias

import msgspec

from gateway.reasons import ConfigError, Reason
from gateway.registry.operations import OVERLAP_S, Change, prepare_rotation
from gateway.registry.registration import prepare
from gateway.registry.rows import AnyRow, BadRow, Row
from gateway.registry.store import Store
from gateway.registry.writes import Result

REJECTED: Final = "rejected"
"""The outcome of a row that never came to the store."""
_CHUNK: Final = 500
_SMALL: Final = 4 * _CHUNK
"""So many rows are read faster than a process starts."""


class Taken(msgspec.Struct, frozen=True):
    """What became of one row: an outcome's value or `rejected`, with a sentence. `line`, `file` and `end` are the
    row's."""

    id: str
    outcome: str
    message: str
    refused: bool
    end: int
    line: int = 0
    file: str = ""


class Make(Protocol):
    """Makes a change of a row, in another process if need be; raises ConfigError."""

    def __call__(self, row: Row) -> Change:
        """What the row asks for."""
        ...


class Import(msgspec.Struct, frozen=True):
    """Each row registers its device in `realm`; `now_s` is when, in seconds since 1970."""

    realm: str
    now_s: int

    def __call__(self, row: Row) -> Change:
        """The registration that the row asks for."""
        _check_realm(row, self.realm)
        registration = prepare(self.realm, row.client_id, row.certificate, "the certificate", self.now_s)
        return msgspec.structs.replace(
            registration,
            tenant=row.tenant,
            labels=row.labels,
            require_covered_digest=row.require_covered_digest,
        )


class Rotate(msgspec.Struct, frozen=True):
    """Each row gives its client a new certificate, as `prepare_rotation` takes it."""

    realm: str
    now_s: int
    overlap_s: int = OVERLAP_S
    lift: bool = False

    def __call__(self, row: Row) -> Change:
        """The rotation that the row asks for."""
        _check_realm(row, self.realm)
        return prepare_rotation(
            self.realm, row.client_id, row.certificate, "the certificate", self.now_s, self.overlap_s, self.lift
        )


class _Rejected(msgspec.Struct, frozen=True):
    """Why a row makes no change."""

    why: str


_Made: TypeAlias = Change | _Rejected


def take(store: Store, rows: Iterable[AnyRow], make: Make, rehearsal: bool = False) -> Iterator[Taken]:
    """Carry out what each row asks for; what became of them comes in about the order of the rows.

    :param rehearsal: write nothing, but tell what would become of each
    :raises ConfigError: config.store_unreachable
    """
    rejected: deque[Taken] = deque()
    sent: deque[AnyRow] = deque()

    def changes() -> Iterator[Change]:
        for row, made in _made(rows, make):
            if isinstance(made, _Rejected):
                rejected.append(_taken(row, REJECTED, made.why, True))
            else:
                sent.append(row)
                yield made

    for result in store.apply_all(changes(), rehearsal):
        while rejected and rejected[0].end < sent[0].end:
            yield rejected.popleft()
        yield _result(sent.popleft(), result)
    yield from rejected


def _made(rows: Iterable[AnyRow], make: Make) -> Iterator[tuple[AnyRow, _Made]]:
    waiting = iter(rows)
    first = list(islice(waiting, _SMALL))
    if len(first) < _SMALL or _processes() == 1:
        for row in chain(first, waiting):
            yield row, _make_one(make, row)
        return
    chunks = _chunked(chain(first, waiting))
    # A fresh interpreter: what is forked from a process with threads may never wake up.
    with ProcessPoolExecutor(_processes(), mp_context=get_context("spawn")) as pool:
        under_way: deque[tuple[list[AnyRow], Future[list[_Made]]]] = deque()
        for chunk in chunks:
            under_way.append((chunk, pool.submit(_make_all, make, chunk)))
            if len(under_way) > 3 * _processes():
                yield from _finished(*under_way.popleft())
        while under_way:
            yield from _finished(*under_way.popleft())


def _finished(chunk: list[AnyRow], future: "Future[list[_Made]]") -> Iterator[tuple[AnyRow, _Made]]:
    return zip(chunk, future.result(), strict=True)


def _chunked(rows: Iterator[AnyRow]) -> Iterator[list[AnyRow]]:
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


def _make_all(make: Make, rows: list[AnyRow]) -> list[_Made]:
    return [_make_one(make, row) for row in rows]


def _make_one(make: Make, row: AnyRow) -> _Made:
    if isinstance(row, BadRow):
        return _Rejected(row.why)
    try:
        return make(row)
    except ConfigError as error:
        return _Rejected(error.message)


def _check_realm(row: Row, realm: str) -> None:
    if row.realm is not None and row.realm != realm:
        raise ConfigError(Reason.CONFIG_INVALID, f"the row is of realm {row.realm[:140]!r}, not of {realm}")


def _result(row: AnyRow, result: Result) -> Taken:
    return _taken(row, result.outcome.value, result.sentence, result.outcome.refused)


def _taken(row: AnyRow, outcome: str, message: str, refused: bool) -> Taken:
    return Taken(row.client_id, outcome, message, refused, row.end, row.line, row.file)


def _processes() -> int:
    return min(os.cpu_count() or 1, 8)
