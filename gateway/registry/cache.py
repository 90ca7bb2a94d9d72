"""What one worker remembers of the registry (L1): clients, least recently used out first, and unknown ids apart."""

from collections import OrderedDict
from sys import intern
from typing import TypeAlias

import msgspec

from gateway.model import Client

ClientKey: TypeAlias = tuple[str, str]
"""Realm and client id (R3)."""


class Cache:
    """Clients and, apart from them, ids that the store does not know: a flood of made-up ids evicts no real device.

    :param entries: how many clients; beyond, the least recently used goes
    :param missing_entries: how many unknown ids; beyond, the oldest goes
    :param missing_s: how long an unknown id is remembered
    """

    def __init__(self, entries: int, missing_entries: int = 10_000, missing_s: float = 3.0) -> None:
        self._entries = entries
        self._missing_entries = missing_entries
        self._missing_s = missing_s
        self._clients: OrderedDict[ClientKey, Client] = OrderedDict()
        self._missing: OrderedDict[ClientKey, float] = OrderedDict()
        self.evictions = 0
        """Clients that had to go for want of room."""

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def missing_count(self) -> int:
        """How many unknown ids are remembered."""
        return len(self._missing)

    def get(self, key: ClientKey) -> Client | None:
        """The client, which counts as used now."""
        client = self._clients.get(key)
        if client is not None:
            self._clients.move_to_end(key)
        return client

    def put(self, client: Client) -> None:
        """Remember what the store returned."""
        client = _compact(client)
        key = (client.realm, client.client_id)
        self._missing.pop(key, None)
        self._clients[key] = client
        self._clients.move_to_end(key)
        if len(self._clients) > self._entries:
            self._clients.popitem(last=False)
            self.evictions += 1

    def is_missing(self, key: ClientKey, now_s: float) -> bool:
        """Was the id unknown a moment ago? `now_s` is monotonic."""
        until_s = self._missing.get(key)
        if until_s is None:
            return False
        if now_s < until_s:
            return True
        del self._missing[key]
        return False

    def put_missing(self, key: ClientKey, now_s: float) -> None:
        """Remember that the store does not know this id."""
        self._clients.pop(key, None)
        self._missing[key] = now_s + self._missing_s
        self._missing.move_to_end(key)
        if len(self._missing) > self._missing_entries:
            self._missing.popitem(last=False)

    def evict(self, key: ClientKey) -> None:
        """Forget what is known of one id, also that it is unknown (R25)."""
        self._clients.pop(key, None)
        self._missing.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._clients.clear()
        self._missing.clear()


def _compact(client: Client) -> Client:
    """The same values; strings that many clients share are kept once."""
    return msgspec.structs.replace(
        client,
        realm=intern(client.realm),
        tenant=intern(client.tenant),
        labels=tuple([(intern(name), intern(value)) for name, value in client.labels]),
    )
