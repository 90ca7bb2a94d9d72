"""Token buckets by key, in bounded memory: one number each, the time at which the bucket will be full again (GCRA)."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

KEYS: Final = 65_536
"""Most keys that one table holds, whatever names senders make up (R5)."""

_LOOKED_AT: Final = 8
_EPSILON_S: Final = 1e-9


class Buckets:
    """One bucket per key. A bucket that nobody knows is full.

    :param rate: tokens a second
    :param burst: tokens in a full bucket, at least 1
    :param keys: most keys to remember; of the eight that were used least recently a full one goes first, else the
        oldest
    """

    def __init__(self, rate: float, burst: float, keys: int = KEYS) -> None:
        self.rate = rate
        self.spent: dict[Hashable, int] | None = None
        """What was taken of each bucket, for whoever tells others of it; None: nobody does."""
        self._interval_s = 1 / rate
        self._room_s = (max(burst, 1.0) - 1) * self._interval_s
        self._keys = keys
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait_s(self, key: Hashable, now: float) -> float:
        """Seconds until there is a token; 0 if there is one. `now` is monotonic."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return 0.0
        missing_s = full_at - now - self._room_s
        return missing_s if missing_s > _EPSILON_S else 0.0

    def spend(self, key: Hashable, now: float, most_s: float | None = None) -> None:
        """Take a token, even if there is none: then the bucket owes it.

        :param most_s: a debt never makes anybody wait longer than this
        """
        full_at = max(self._full_at.get(key, now), now) + self._interval_s
        if most_s is not None:
            full_at = min(full_at, now + self._room_s + max(most_s, self._interval_s))
        self._put(key, full_at, now)
        spent = self.spent
        if spent is not None and (key in spent or len(spent) < self._keys):
            spent[key] = spent.get(key, 0) + 1

    def take(self, key: Hashable, now: float) -> float:
        """Take a token if there is one, and return 0; else the seconds until there is one."""
        wait_s = self.wait_s(key, now)
        if not wait_s:
            self.spend(key, now)
        return wait_s

    def full_at(self, key: Hashable, now: float) -> float:
        """When the bucket will be full; `now` if nobody knows it."""
        return self._full_at.get(key, now)

    def settle(self, key: Hashable, since: float, count: int, now: float) -> float:
        """`count` tokens were taken, by us and by others, after the bucket was to be full at `since`. Returns when it
        will be full."""
        # What we took is in `full_at` already, and what a full bucket could not hold must not be owed.
        full_at = max(self._full_at.get(key, now), since + count * self._interval_s)
        self._put(key, full_at, now)
        return full_at

    def _put(self, key: Hashable, full_at: float, now: float) -> None:
        table = self._full_at
        table[key] = full_at
        table.move_to_end(key)
        if len(table) > self._keys:
            self._evict(now)

    def _evict(self, now: float) -> None:
        table = self._full_at
        for _, (key, full_at) in zip(range(_LOOKED_AT), table.items(), strict=False):
            if full_at <= now:
                del table[key]
                return
        table.popitem(last=False)
