"""The registry as commands see it: changes, shows and lists clients, and tells every worker of each change."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from types import TracebackType
from typing import Any, Final, Self

import redis

from gateway.clock import Clock, SystemClock
from gateway.registry import history, keys, ordered_writes, paging, safety, store_check, store_client
from gateway.registry.changeset import Entry
from gateway.registry.damaged import Damaged, read_or_damaged
from gateway.registry.history import History
from gateway.registry.operations import Action, Change, StateChange
from gateway.registry.pins import Pins
from gateway.registry.records import Record
from gateway.registry.registration import Registration
from gateway.registry.store_report import Report
from gateway.registry.store_url import RemoteStore
from gateway.registry.writes import Result, Writer

_BATCH: Final = 500
_PAGE: Final = 1000


class Store:
    """A registry that is open for administration; close it, or use it in a `with` statement.

    Every method raises ConfigError (config.store_unreachable) when the store cannot be reached or used.
    """

    def __init__(self, client: "redis.Redis", endpoint: RemoteStore, who: str, clock: Clock) -> None:
        self._client: Any = client  # redis-py's answers are typed for text and octets at once
        self._endpoint = endpoint
        self._who = who
        self._clock = clock
        self._writer = Writer(client, endpoint, who, clock)

    @classmethod
    def connect(cls, endpoint: RemoteStore, who: str, clock: Clock | None = None) -> Self:
        """Open a registry.

        :param who: stands in the notice of each change, for example `cli:alice`
        """
        return cls(store_client.connect(endpoint), endpoint, who, clock or SystemClock())

    @property
    def endpoint(self) -> RemoteStore:
        """Where the store is."""
        return self._endpoint

    @property
    def pins(self) -> Pins:
        """Fingerprints that an operator vouches for (R19)."""
        return Pins(self._client, self._endpoint, self._who, self._clock)

    def version(self) -> str:
        """Product and version of the server; empty if it does not tell."""
        return store_client.version(self._client, self._endpoint)

    def apply(self, change: Change) -> Result:
        """Carry one change out: a registration (R20), an action or a rotation (R22)."""
        return self._writer.carry_out([change])[0]

    def apply_all(self, changes: Iterable[Change], rehearsal: bool = False) -> Iterator[Result]:
        """Carry many changes out, in few round trips; results come in the same order, batch by batch, when they are
        safe on disk.

        :param rehearsal: write nothing, but tell what would become of them, one after the other
        """
        writer = Writer(self._client, self._endpoint, self._who, self._clock, True) if rehearsal else self._writer
        for batch in _batches(changes):
            yield from writer.carry_out(batch)

    def add(self, registration: Registration) -> Result:
        """Bind one certificate to one client (R20)."""
        return self.apply(registration)

    def add_all(self, registrations: Iterable[Registration]) -> Iterator[Result]:
        """As `apply_all`."""
        return self.apply_all(registrations)

    def remove(self, realm: str, client_id: str, reason: str = "") -> Result:
        """Put a tombstone in the place of a client and of each of its keys (R22)."""
        return self.apply(StateChange(realm, client_id, Action.REMOVE, reason))

    def get(self, realm: str, client_id: str) -> Record | Damaged | None:
        """The record of one client; None if there is none."""
        with store_client.translated(self._endpoint):
            data: bytes | None = self._client.get(keys.client_key(realm, client_id))
        return None if data is None else read_or_damaged(data, realm, client_id)

    def iterate(self, realm: str | None = None) -> Iterator[Record | Damaged]:
        """All clients of a realm (None: of all), tombstones included, in no order. Those that come or go meanwhile may
        be missed."""
        # No realm holds a colon, nor what a SCAN pattern would read (R3).
        prefix = keys.CLIENT_PREFIX if realm is None else keys.client_key(realm, "")
        for name, data in self.scan(prefix):
            whose, _, client_id = name.removeprefix(keys.CLIENT_PREFIX).decode(errors="replace").partition(":")
            yield read_or_damaged(data, whose, client_id)

    def page(self, realm: str, mark: str, looked_at: int) -> tuple[list[Record | Damaged], str]:
        """Clients of a realm a piece at a time, in no order; see `paging.piece`."""
        prefix = keys.client_key(realm, "")
        found, following = paging.piece(self._client, self._endpoint, prefix, mark, looked_at)
        entries = [
            read_or_damaged(data, realm, name.removeprefix(prefix).decode(errors="replace")) for name, data in found
        ]
        return entries, following

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All keys that begin with `prefix`, which are strings, once each, with what they hold."""
        for names in self._pages(prefix):
            with store_client.translated(self._endpoint):
                values: list[bytes | None] = self._client.mget(names)
            for name, data in zip(names, values, strict=True):
                if data is not None:
                    yield name, data

    def values(self, names: Sequence[bytes]) -> list[bytes]:
        """What keys hold that are strings; empty for those that are not there."""
        if not names:
            return []
        with store_client.translated(self._endpoint):
            return [value or b"" for value in self._client.mget(names)]

    def repair(self, entries: Sequence[Entry]) -> list[bool]:
        """Set each key of the index if it still holds what it held; which did. No worker remembers those."""
        done = ordered_writes.put(self._client, self._endpoint, entries)
        safety.settle(self._client, self._endpoint)
        return done

    def count(self, prefix: bytes) -> int:
        """How many keys begin with `prefix`."""
        return sum(map(len, self._pages(prefix)))

    def names(self, prefix: bytes) -> Iterator[bytes]:
        """The names of all keys that begin with `prefix`, once each."""
        return chain.from_iterable(self._pages(prefix))

    def _pages(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Names of all keys that begin with `prefix`, once each, a page at a time."""
        seen: set[bytes] = set()
        for server in store_client.servers(self._client):
            cursor = None
            while cursor != 0:
                with store_client.translated(self._endpoint):
                    cursor, found = server.scan(cursor or 0, match=prefix + b"*", count=_PAGE)
                names = [name for name in dict.fromkeys(found) if name not in seen]
                seen.update(names)
                if names:
                    yield names

    def keep(self, entries: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
        """Set each key, unless it is there; for each, what it held (None: nothing, and it is set now). For entries that
        no worker remembers: the index, pins."""
        return self._writer.keep(entries)

    def copy_history(self, source: "Store") -> int | None:
        """Copy the change stream of another store with its entries' own times; how many were copied. None: this store
        has a stream of its own, which is left alone."""
        return history.copy(source._client, source._endpoint, self._client, self._endpoint)

    def examine(self, request: "Store | None" = None) -> Report:
        """Is this a store for a registry? See `store_check.examine`."""
        return store_check.examine(self, self._client, None if request is None else request._client)

    def history(self, realm: str, client_id: str) -> History:
        """What happened to one client: who did what, and when."""
        return history.read(self._client, self._endpoint, realm, client_id)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _batches(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Batches in which no client stands twice, so that each change finds what the one before it made of its client."""
    batch: list[Change] = []
    clients: set[tuple[str, str]] = set()
    for change in changes:
        client = (change.realm, change.client_id)
        if len(batch) == _BATCH or client in clients:
            yield batch
            batch, clients = [], set()
        batch.append(change)
        clients.add(client)
    if batch:
        yield batch
