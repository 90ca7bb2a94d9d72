"""Reconciles the limits of clients and tenants through the store, so that all workers of all gateways keep to one rate.

Twice a second each worker adds to a counter per key and minute what it has let through since, and charges its own
bucket with what the others have added. So a request never waits for the store, and what passes between two
reconciliations is paid for afterwards. Without the store each worker keeps to the limits alone.
"""

import asyncio
from collections.abc import Hashable
from hashlib import blake2b
from typing import Final

import msgspec

from gateway.limiting.buckets import Buckets
from gateway.registry.answers import Unavailable
from gateway.registry.keys import rate_key
from gateway.registry.line import Asking
from gateway.registry.link import Report
from gateway.registry.resp import Reply

PERIOD_S: Final = 0.5
WINDOW_S: Final = 60
"""One counter counts for so long; it is kept for two of them."""
MOST_AT_ONCE: Final = 1_000
"""Keys that one reconciliation sends; the others wait for the next."""
SHARE: Final = 1 / 16
"""Who spent less than this part of what the rate gives in one period waits for more, so that rare keys of a high rate
cost nothing."""

_KEEP_S: Final = b"%d" % (2 * WINDOW_S)


class _Counter(msgspec.Struct, gc=False):
    """What is known of one key: the counter's `total` at the latest look, since when what was added counts against the
    bucket (`since`), what of ours may have been added, and whether the store will forget the counter."""

    since: float
    looked_s: float
    total: int = 0
    sent: int = 0
    expires: bool = False


class Shared:
    """The reconciliation of one worker.

    :param tables: buckets by the name of their kind
    :param report: told once when it begins to fail (`limits.alone`), once when it works again (`limits.shared`)
    """

    def __init__(self, link: Asking, tables: dict[str, Buckets], report: Report) -> None:
        self._link = link
        self._tables = tables
        self._report = report
        self._window = -1
        self._counters: dict[tuple[str, Hashable], _Counter] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._alone = False
        for table in tables.values():
            table.spent = {}

    def start(self) -> None:
        """Begin; call it on the loop's thread."""
        self._timer = self._link.loop.call_later(PERIOD_S, self._again)

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()

    def _again(self) -> None:
        self.start()
        self.reconcile()

    def reconcile(self) -> None:
        """Send what was spent."""
        clock = self._link.clock
        now_s = clock.now()
        window = int(now_s) // WINDOW_S
        turned = window != self._window
        began_s = clock.monotonic() - (now_s - window * WINDOW_S)
        if turned:
            self._window = window
            kept = ((key, known) for key, known in self._counters.items() if known.looked_s > began_s - WINDOW_S)
            self._counters = {key: _Counter(known.since, known.looked_s) for key, known in kept}
        room = MOST_AT_ONCE
        for kind, table in self._tables.items():
            least = table.rate * PERIOD_S * SHARE
            spent = table.spent
            assert spent is not None
            due = [key for key, count in spent.items() if count >= least][:room]
            room -= len(due)
            for key in due:
                known = self._counters.setdefault((kind, key), _Counter(began_s, began_s))
                name = rate_key(kind, blake2b(repr(key).encode(), digest_size=16).hexdigest(), window)
                self._add(table, key, name, spent.pop(key), known)
            if turned:
                spent.clear()  # too little to matter, or the table would fill up with it

    def _add(self, table: Buckets, key: Hashable, name: bytes, count: int, known: _Counter) -> None:
        known.sent += count

        def counted(total: Reply) -> None:
            if not isinstance(total, int):
                self._tell(True, total.detail if isinstance(total, Unavailable) else "the store returned no number")
                return
            self._tell(False, "all workers keep to one rate again")
            now = self._link.clock.monotonic()
            if total - known.total > known.sent:
                # As if all were spent right after the last look: what the rate gave since then has paid for it.
                known.since = table.settle(key, max(known.since, known.looked_s), total - known.total, now)
            else:
                known.since = table.full_at(key, now)
            known.total, known.sent, known.looked_s = total, 0, now

        def expires(reply: Reply) -> None:
            known.expires = reply == 1

        self._link.call((b"INCRBY", name, b"%d" % count), counted)
        if not known.expires:
            self._link.call((b"EXPIRE", name, _KEEP_S), expires)

    def _tell(self, alone: bool, detail: str) -> None:
        if alone is not self._alone:
            self._alone = alone
            self._report("limits.alone" if alone else "limits.shared", detail)


def shared_over(link: Asking, tables: dict[str, Buckets], report: Report) -> Shared | None:
    """The reconciliation of what there is, None if that is nothing."""
    return Shared(link, tables, report) if tables else None
