"""How many clients are near their end: counted over the whole registry, as a metric and as one log line a day."""

import asyncio
import heapq
from typing import Final

import msgspec

from gateway.admin.desk import Desk
from gateway.clock import Clock
from gateway.observe.log import Log
from gateway.reasons import ConfigError
from gateway.registry.expiry import client_ends
from gateway.registry.records import Record
from gateway.registry.store import Store

SOON_S: Final = 30 * 86400
SOONEST: Final = 10
AGE_S: Final = 60.0
"""How long a count is told again before the registry is read anew."""
SHARE: Final = 10
"""A count that took long is told for this many times as long: reading never takes more than a tenth of the time."""
DAY_S: Final = 86400.0
RETRY_S: Final = 300.0


class Ending(msgspec.Struct, frozen=True, order=True):
    """An active client whose last certificate `ends`, in seconds since 1970."""

    ends: int
    realm: str
    client_id: str


class Count(msgspec.Struct, frozen=True):
    """Active clients of all realms whose last certificate ends within 30 days, and those whose last one ended; records
    that cannot be read. `at` is in seconds since 1970. `soonest` are those that end next."""

    expiring: int
    expired: int
    damaged: int
    at: float
    soonest: tuple[Ending, ...] = ()


class Survey:
    """Counts, at most once a minute, however many ask."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._one = asyncio.Lock()
        self._count: Count | None = None
        self._good_until = 0.0
        self._reading: asyncio.Task[None] | None = None

    def latest(self) -> Count | None:
        """The newest count there is, at once; a newer one is begun if it is old. None before the first."""
        if self._clock.monotonic() >= self._good_until and (self._reading is None or self._reading.done()):
            self._reading = asyncio.get_running_loop().create_task(self._renew())
        return self._count

    async def _renew(self) -> None:
        try:
            await self.count()
        except Exception:
            # Whoever tells of it daily says why; whoever looks sees how old the count is.
            self._good_until = self._clock.monotonic() + AGE_S

    async def count(self) -> Count:
        """The present count, or one of a minute ago.

        :raises ConfigError: config.store_unreachable
        """
        async with self._one:
            began = self._clock.monotonic()
            if self._count is None or began >= self._good_until:
                self._count = await self._desk.do(self._read)
                took = self._clock.monotonic() - began
                self._good_until = began + max(AGE_S, SHARE * took)
            return self._count

    def _read(self, store: Store) -> Count:
        now_s = self._clock.now()
        expiring = expired = damaged = 0
        soonest: list[Ending] = []
        for entry in self._desk.while_open(store.iterate()):
            if not isinstance(entry, Record):
                damaged += 1
                continue
            ends = client_ends(entry)
            if ends is not None and ends < now_s:
                expired += 1
            elif ends is not None and ends <= now_s + SOON_S:
                expiring += 1
                soonest.append(Ending(ends, entry.realm, entry.id))
                if len(soonest) > 10 * SOONEST:  # a fleet may end in one month
                    soonest = heapq.nsmallest(SOONEST, soonest)
        return Count(expiring, expired, damaged, now_s, tuple(heapq.nsmallest(SOONEST, soonest)))


async def tell_daily(survey: Survey, log: Log) -> None:
    """One line now, and one each day; until cancelled. Why it could not be counted is told once."""
    trouble = ""
    while True:
        try:
            found = await survey.count()
        except Exception as error:  # whatever one reading does, there is another day
            detail = error.message if isinstance(error, ConfigError) else repr(error)
            if detail != trouble:
                trouble = detail
                log.line("warning", "registry.uncounted", detail=detail)
            await asyncio.sleep(RETRY_S)
            continue
        trouble = ""
        level = "warning" if found.expiring or found.expired or found.damaged else "info"
        counts = {"expiring_30d": found.expiring, "expired": found.expired, "damaged": found.damaged}
        log.line(level, "registry.certificates", **counts)
        await asyncio.sleep(DAY_S)
