"""Compares clients and the index of their keys (R20), which a change that broke off, or a failover, may leave apart.

Where a store has no transactions over several keys, what broke off gives nobody anything (`ordered_writes`); but a key
may be left to a client that does not have it, and can then be nobody else's.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from gateway.model import Status
from gateway.registry import keys
from gateway.registry.changeset import Entry
from gateway.registry.damaged import Damaged, read_or_damaged
from gateway.registry.records import Record
from gateway.registry.registration import LEASE, TOMBSTONE

if TYPE_CHECKING:
    from gateway.registry.store import Store

SECOND_LOOK_S: Final = 1.0
"""What is being changed at this moment agrees after so long."""
_BATCH: Final = 1000
_ALIVE: Final = (Status.ACTIVE, Status.PENDING)
_Suspect = tuple[str, str, str]
"""Realm, SPKI hash, client id."""
T = TypeVar("T")


class Apart(msgspec.Struct, frozen=True):
    """One key about which index and record do not agree. `repair` None: two clients have the key, and which of them
    may keep it is for an operator to say."""

    realm: str
    spki_sha256: str
    sentence: str
    repair: Entry | None


def examine(store: "Store") -> list[Apart]:
    """All keys about which index and records do not agree, at two looks.

    :raises ConfigError: config.store_unreachable
    """
    suspects = list(dict.fromkeys((*_by_records(store), *_by_index(store))))
    if not suspects:
        return []
    time.sleep(SECOND_LOOK_S)
    return [found for suspect in suspects if (found := _look(store, suspect)) is not None]


def _look(store: "Store", suspect: _Suspect) -> Apart | None:
    """One key, the index before the record: who writes does so in this order."""
    realm, spki, client_id = suspect
    (owner,) = store.values([keys.spki_key(realm, spki)])
    (data,) = store.values([keys.client_key(realm, client_id)])
    return _judge(suspect, owner.decode(errors="replace"), data)


def _judge(suspect: _Suspect, owner: str, data: bytes) -> Apart | None:
    """What is wrong with a key, given its index entry and the record of a client that has it or should."""
    realm, spki, client_id = suspect
    record: Record | Damaged | None = read_or_damaged(data, realm, client_id) if data else None
    if isinstance(record, Damaged) or owner.startswith(LEASE):
        return None
    has = record is not None and any(one.spki_sha256 == spki for one in record.certs)
    ended = record is not None and record.status not in _ALIVE
    buried = TOMBSTONE + client_id

    def apart(why: str, wanted: str | None) -> Apart:
        name = keys.spki_key(realm, spki)
        repair = None if wanted is None else Entry(name, owner.encode(), wanted.encode())
        return Apart(realm, spki, why, repair)

    if owner == client_id and record is None:
        return apart(f"the index gives a key to {client_id}, and there is no such client", "")
    if owner == client_id and not has:
        return apart(f"the index gives a key to client {client_id}, which does not have it", buried)
    if not has or (owner == client_id and not ended) or (ended and owner not in ("", client_id)):
        return None
    if ended:
        return apart(f"a key of client {client_id}, which was ended, is not blocked", buried)
    if owner == "":
        return apart(f"the index does not know a key of client {client_id}", client_id)
    if keys.is_client_id(owner):
        return apart(f"{client_id} has the key of {owner}, too, to whom the index gives it: revoke one of them", None)
    return apart(f"{client_id} has a key that is blocked in the index: revoke it, or `clients add --lift`", None)


def _by_records(store: "Store") -> Iterator[_Suspect]:
    """Keys of clients that the index does not give to them."""
    for batch in _batches(_keys(store)):
        held = store.values([keys.spki_key(record.realm, spki) for record, spki in batch])
        for (record, spki), entry in zip(batch, held, strict=True):
            wanted = record.id if record.status in _ALIVE else TOMBSTONE + record.id
            if entry != wanted.encode():
                yield record.realm, spki, record.id


def _keys(store: "Store") -> Iterator[tuple[Record, str]]:
    for record in store.iterate():
        if isinstance(record, Record):
            yield from ((record, certificate.spki_sha256) for certificate in record.certs)


def _by_index(store: "Store") -> Iterator[_Suspect]:
    """Keys that lead to clients that do not have them."""
    for batch in _batches(_given(store)):
        records = store.values([keys.client_key(realm, owner) for realm, _, owner in batch])
        for suspect, data in zip(batch, records, strict=True):
            if _judge(suspect, suspect[2], data) is not None:
                yield suspect


def _given(store: "Store") -> Iterator[_Suspect]:
    for name, value in store.scan(keys.SPKI_PREFIX):
        realm, _, spki = name.removeprefix(keys.SPKI_PREFIX).decode(errors="replace").partition(":")
        owner = value.decode(errors="replace")
        if keys.is_client_id(owner):
            yield realm, spki, owner


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(items)
    while batch := list(islice(waiting, _BATCH)):
        yield batch
