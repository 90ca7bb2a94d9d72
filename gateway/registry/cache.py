"""What one worker remembers of the registry (L1): clients, least recently used out first, and unknown ids apart."""

from collections import OrderedDict
from typing import Final, TypeAlias

from gateway._native import PackedTable
from gateway.model import Client
from gateway.registry.packing import pack, unpack

ClientKey: TypeAlias = tuple[str, str]
"""Realm and client id (R3)."""

HOT_ENTRIES: Final = 4096
"""So many clients at most are kept as objects too; reading one from the table costs 2 µs more."""

_HOT_SHARE: Final = 8
"""At most one in eight, so that the table is what decides who is used least."""


class Cache:
    """Clients and, apart from them, ids that the store does not know: a flood of made-up ids evicts no real device.

    :param entries: how many clients; beyond, the least recently used goes
    :param octets: how much memory they may take; beyond, the least recently used goes as well
    :param missing_entries: how many unknown ids; beyond, the oldest goes
    :param missing_s: how long an unknown id is remembered
    """

    def __init__(
        self, entries: int, octets: int = 1 << 62, missing_entries: int = 10_000, missing_s: float = 3.0
    ) -> None:
        self._entries = entries
        self._octets = octets
        self._missing_entries = missing_entries
        self._missing_s = missing_s
        self._table = PackedTable()
        # Two generations: what is not used while the younger one fills leaves with the older one.
        self._hot: dict[ClientKey, Client] = {}
        self._hot_before: dict[ClientKey, Client] = {}
        self._hot_entries = min(HOT_ENTRIES, entries // _HOT_SHARE) // 2
        self._missing: OrderedDict[ClientKey, float] = OrderedDict()
        self.evictions = 0
        """Clients that had to go for want of room."""

    def __len__(self) -> int:
        return len(self._table)

    @property
    def octets(self) -> int:
        """Memory of all that is known, but for the few that are kept as objects too."""
        return self._table.octets

    @property
    def missing_count(self) -> int:
        """How many unknown ids are remembered."""
        return len(self._missing)

    def get(self, key: ClientKey) -> Client | None:
        """The client, which counts as used now."""
        client = self._hot.get(key)
        if client is not None:
            return client
        client = self._hot_before.get(key)
        if client is None:
            packed = self._table.get(_packed_key(key))
            if packed is None:
                return None
            client = unpack(*key, packed)
        self._heat(key, client)
        return client

    def put(self, client: Client) -> None:
        """Remember what the store returned."""
        key = (client.realm, client.client_id)
        self._missing.pop(key, None)
        self._cool(key)
        table = self._table
        table.put(_packed_key(key), pack(client))
        while len(table) > self._entries or (table.octets > self._octets and len(table) > 1):
            self._evict_oldest()

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
        self._forget(key)
        self._missing[key] = now_s + self._missing_s
        self._missing.move_to_end(key)
        if len(self._missing) > self._missing_entries:
            self._missing.popitem(last=False)

    def evict(self, key: ClientKey) -> None:
        """Forget what is known of one id, also that it is unknown (R25)."""
        self._forget(key)
        self._missing.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._hot.clear()
        self._hot_before.clear()
        self._table.clear()
        self._missing.clear()

    def _forget(self, key: ClientKey) -> None:
        self._cool(key)
        self._table.remove(_packed_key(key))

    def _heat(self, key: ClientKey, client: Client) -> None:
        if not self._hot_entries:
            return
        if len(self._hot) >= self._hot_entries:
            self._hot_before = self._hot
            self._hot = {}
        self._hot[key] = client

    def _cool(self, key: ClientKey) -> None:
        self._hot.pop(key, None)
        self._hot_before.pop(key, None)

    def _evict_oldest(self) -> None:
        oldest = self._table.oldest_key()
        assert oldest is not None
        realm, _, client_id = oldest.decode().partition("\0")
        key = (realm, client_id)
        if key in self._hot:
            # Its uses were answered above the table, which has not seen them.
            self._table.get(oldest)
            del self._hot[key]
            return
        self._cool(key)
        self._table.remove(oldest)
        self.evictions += 1


def _packed_key(key: ClientKey) -> bytes:
    return f"{key[0]}\0{key[1]}".encode()
