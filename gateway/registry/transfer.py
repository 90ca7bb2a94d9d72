"""Takes a whole registry out of a store and puts it into one: clients, tombstones of keys, pins and the history."""

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Final, TypeAlias

import msgspec

from gateway.reasons import ConfigError, Reason
from gateway.registry import keys
from gateway.registry.damaged import Damaged
from gateway.registry.operations import Restoration
from gateway.registry.records import Record
from gateway.registry.registration import TOMBSTONE
from gateway.registry.store import Store

FORMAT: Final = 1
_BATCH: Final = 500


class KeyTombstone(msgspec.Struct, frozen=True, tag="key"):
    """A key that was removed, revoked, retired or rotated away, by the client that had it (R22)."""

    realm: str
    spki_sha256: str
    client_id: str


class SavedPin(msgspec.Struct, frozen=True, tag="pin"):
    """One pin as the store holds it."""

    realm: str
    sha256: str
    value: str


class SavedClient(msgspec.Struct, frozen=True, tag="client"):
    """One client's record."""

    record: Record


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """First line of a file: its format, and when it was made, in seconds since 1970."""

    format: int
    made: int


class End(msgspec.Struct, frozen=True, tag="end"):
    """Last line of a file: how many lines of each kind came before, so that a file that was cut off is noticed."""

    keys: int = 0
    pins: int = 0
    clients: int = 0


Saved: TypeAlias = KeyTombstone | SavedPin | SavedClient
Tally: TypeAlias = End
"""How many of each kind there are."""
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(KeyTombstone | SavedPin | SavedClient | Begin | End)
_LINE_LIMIT_BYTES: Final = 1 << 20


class Restored(msgspec.Struct, frozen=True):
    """What became of one thing that was put into a store: `kind` is key, pin or client, `name` its hash or id."""

    kind: str
    realm: str
    name: str
    outcome: str
    message: str
    refused: bool


def snapshot(store: Store) -> Iterator[Saved | Damaged]:
    """All that a registry holds, of every realm. Tombstones come first, so that whoever puts it elsewhere never lets a
    key in for a moment that was removed (R22)."""
    for name, value in store.scan(keys.SPKI_PREFIX):
        owner = value.decode(errors="replace")
        realm, spki = _parted(name, keys.SPKI_PREFIX)
        if owner.startswith(TOMBSTONE):
            yield KeyTombstone(realm, spki, owner.removeprefix(TOMBSTONE))
    for name, value in store.scan(keys.PIN_PREFIX):
        yield SavedPin(*_parted(name, keys.PIN_PREFIX), value.decode(errors="replace"))
    for record in store.iterate(None):
        yield record if isinstance(record, Damaged) else SavedClient(record)


def tally(store: Store) -> Tally:
    """How much there is of what `snapshot` yields."""
    removed = sum(1 for _, value in store.scan(keys.SPKI_PREFIX) if value.startswith(TOMBSTONE.encode()))
    return Tally(removed, store.count(keys.PIN_PREFIX), store.count(keys.CLIENT_PREFIX))


def total(counted: Tally) -> int:
    """All kinds together."""
    return counted.keys + counted.pins + counted.clients


def restore(store: Store, saved: Iterable[Saved], overwrite: bool = False) -> Iterator[Restored]:
    """Put what was saved into a store, in order and in few round trips. What is there already is unchanged.

    :param overwrite: also put clients in the place of those that differ (R20 and R22 hold all the same)
    :raises ConfigError: config.store_unreachable
    """
    for kind, group in groupby(saved, type):
        if kind is SavedClient:
            yield from _restore_clients(store, group, overwrite)
        else:
            yield from _restore_entries(store, group)


def lines(saved: Iterable[Saved], now_s: int) -> Iterator[bytes]:
    """The JSON lines of a file."""
    counts = {KeyTombstone: 0, SavedPin: 0, SavedClient: 0}
    yield _encoder.encode(Begin(FORMAT, now_s)) + b"\n"
    for thing in saved:
        counts[type(thing)] += 1
        yield _encoder.encode(thing) + b"\n"
    yield _encoder.encode(End(counts[KeyTombstone], counts[SavedPin], counts[SavedClient])) + b"\n"


def read_lines(file: Iterable[bytes], source: str) -> Iterator[Saved]:
    """What a file of `lines` holds.

    :param source: what to call it in messages
    :raises ConfigError: config.unreadable for what is no such file, or one that was cut off
    """
    counts = {KeyTombstone: 0, SavedPin: 0, SavedClient: 0}
    begun = False
    for number, line in enumerate(file, 1):
        thing = _read_line(line, f"{source}, line {number},")
        if isinstance(thing, Begin):
            begun = True
            if thing.format != FORMAT:
                raise _unreadable(f"{source} is of format {thing.format}, and this gateway reads format {FORMAT}")
        elif not begun:
            raise _unreadable(f"{source} does not begin as an export does")
        elif isinstance(thing, End):
            if thing != End(counts[KeyTombstone], counts[SavedPin], counts[SavedClient]):
                raise _unreadable(f"{source} does not hold as many lines as were written: some are missing")
            return
        else:
            counts[type(thing)] += 1
            yield thing
    raise _unreadable(f"{source} was cut off: its last line is missing")


def _read_line(line: bytes, where: str) -> Saved | Begin | End:
    if len(line) > _LINE_LIMIT_BYTES:
        raise _unreadable(f"{where} is too long")
    try:
        thing: Saved | Begin | End = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(f"{where} is not a line of an export: {error}") from error
    if isinstance(thing, SavedClient):
        names: tuple[str, ...] = (thing.record.realm, thing.record.id)
    elif isinstance(thing, KeyTombstone):
        names = (thing.realm, thing.client_id, thing.spki_sha256)
    elif isinstance(thing, SavedPin):
        names = (thing.realm, thing.sha256)
    else:
        return thing
    if not all(map(keys.is_realm, names)):  # the grammar of ids, too; a hash fits it
        raise _unreadable(f"{where} holds a realm, id or hash outside of the grammar")
    return thing


def _restore_clients(store: Store, saved: Iterable[Saved], overwrite: bool) -> Iterator[Restored]:
    changes = (Restoration(thing.record, overwrite) for thing in saved if isinstance(thing, SavedClient))
    for result in store.apply_all(changes):
        refused = result.outcome.refused
        yield Restored("client", result.realm, result.client_id, result.outcome.value, result.sentence, refused)


def _restore_entries(store: Store, saved: Iterable[Saved]) -> Iterator[Restored]:
    waiting = iter(saved)
    while batch := list(islice(waiting, _BATCH)):
        entries = [_entry(thing) for thing in batch]
        for thing, (_, value), found in zip(batch, entries, store.keep(entries), strict=True):
            kind, realm, what = _described(thing)
            if found is None:
                yield Restored(kind, realm, what, "restored", "restored", False)
            elif found == value or isinstance(thing, SavedPin):
                yield Restored(kind, realm, what, "unchanged", "there already", False)
            else:
                owner = found.decode(errors="replace")
                why = f"the store has it as the key of {owner.removeprefix(TOMBSTONE)}"
                # Buried is buried, whoever had it; and what its own client has now, that client's record decides.
                refused = not owner.startswith(TOMBSTONE) and owner != getattr(thing, "client_id", "")
                yield Restored(kind, realm, what, "differs" if refused else "unchanged", why, refused)


def _entry(thing: Saved) -> tuple[bytes, bytes]:
    """The key and the value in the store."""
    if isinstance(thing, KeyTombstone):
        return keys.spki_key(thing.realm, thing.spki_sha256), (TOMBSTONE + thing.client_id).encode()
    if isinstance(thing, SavedPin):
        return keys.pin_key(thing.realm, thing.sha256), thing.value.encode()
    raise TypeError("clients are not restored key by key")


def _described(thing: Saved) -> tuple[str, str, str]:
    if isinstance(thing, KeyTombstone):
        return "key", thing.realm, thing.spki_sha256
    if isinstance(thing, SavedPin):
        return "pin", thing.realm, thing.sha256
    return "client", thing.record.realm, thing.record.id


def _parted(name: bytes, prefix: bytes) -> tuple[str, str]:
    realm, _, rest = name.removeprefix(prefix).decode(errors="replace").partition(":")
    return realm, rest


def _unreadable(message: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_UNREADABLE, message)
