"""Finds a client: in L1 while changes are followed, else in the store, else by the origin, with one question per id at
a time."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from gateway.reasons import Reason
from gateway.registry.answers import Found, Learned, Missing, OriginAnswer, Unavailable
from gateway.registry.cache import Cache, ClientKey
from gateway.registry.keys import client_key
from gateway.registry.link import Report
from gateway.registry.links import AnyLink, follow
from gateway.registry.records import RecordMismatch, decode
from gateway.registry.resp import Reply

FRESH_S = 0.75
"""L1 answers alone only while the last good poll is younger (R25)."""
_MISSING = Missing()
_OUTAGE = frozenset({Reason.STORE_UNAVAILABLE, Reason.STORE_TIMEOUT})


class Origin(Protocol):
    """Whoever may know clients that the store does not have; `gateway.proxy.origin` asks the WFM (R23)."""

    def ask(self, realm: str, client_id: str, answered: Callable[[OriginAnswer], None]) -> None:
        """Look one client up, and record it if there is one; `answered` is called once, perhaps before this returns."""
        ...


class Directory:
    """The registry as one worker sees it.

    :param entries: bound of L1 in clients
    :param octets: bound of L1 in memory
    :param max_stale_s: how long after the last good poll known clients still pass while the store is away
    :param negative_s: how long an unknown id is remembered
    :param report: see `Changes`
    :param origin: who is asked for ids that the store does not know
    """

    def __init__(
        self,
        link: AnyLink,
        *,
        entries: int = 100_000,
        octets: int = 64 << 20,
        max_stale_s: float = 30.0,
        negative_s: float = 3.0,
        report: Report | None = None,
        origin: Origin | None = None,
    ) -> None:
        self._link = link
        self._origin = origin
        self._max_stale_s = max_stale_s
        self._flights: dict[ClientKey, _Flight] = {}
        self.cache = Cache(entries, octets, missing_s=negative_s)
        self.changes = follow(link, self.changed, self._all_changed, report)
        self.hits = 0
        """Answered by L1 alone."""
        self.misses = 0
        """The store was asked."""
        self.negative_hits = 0
        """Answered by the memory of unknown ids alone."""
        self.stale_served = 0
        """Answered by L1 because the store was away."""
        self.learned = 0
        """Found by the origin, and recorded."""

    def start(self) -> None:
        """Begin to follow changes."""
        self.changes.start()

    def close(self) -> None:
        """Stop to follow changes."""
        self.changes.close()

    def find(self, realm: str, client_id: str) -> "Found | asyncio.Future[Found]":
        """The client, at once or in a future. Cancelling a future harms no other that waits for the same client."""
        key = (realm, client_id)
        now_s = self._link.clock.monotonic()
        if now_s - self.changes.last_good_s < FRESH_S:
            client = self.cache.get(key)
            if client is not None:
                self.hits += 1
                return client
            if self.cache.is_missing(key, now_s):
                self.negative_hits += 1
                return _MISSING if self._origin is None else self._begin(key, self._ask_origin)
        return self._begin(key, self._ask_store)

    def _begin(self, key: ClientKey, ask: "Callable[[ClientKey, _Flight], None]") -> "Found | asyncio.Future[Found]":
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight()
            self._flights[key] = flight
            ask(key, flight)
            if flight.found is not None:
                return flight.found
        waiter: asyncio.Future[Found] = self._link.loop.create_future()
        flight.waiters.append(waiter)
        return waiter

    def _ask_store(self, key: ClientKey, flight: "_Flight") -> None:
        self.misses += 1
        self._link.call((b"GET", client_key(*key)), lambda reply: self._landed(key, flight, reply))

    def _ask_origin(self, key: ClientKey, flight: "_Flight") -> None:
        assert self._origin is not None
        self._origin.ask(*key, lambda answer: self._told(key, flight, answer))

    def _landed(self, key: ClientKey, flight: "_Flight", reply: Reply) -> None:
        found = self._read(key, flight, reply)
        if not isinstance(found, Missing) or self._origin is None:
            self._end(key, flight, found)
        elif flight.taught:
            self.cache.evict(key)
            self._end(key, flight, Unavailable(Reason.STORE_ANSWER, "a record that was just written is not there"))
        else:
            self._ask_origin(key, flight)

    def _told(self, key: ClientKey, flight: "_Flight", answer: OriginAnswer) -> None:
        if not isinstance(answer, Learned):
            self._end(key, flight, answer)
            return
        # What counts is the record, and nothing that was not read from the store (R25).
        self.learned += 1
        self.cache.evict(key)
        flight.taught = True
        flight.outdated = False
        self._ask_store(key, flight)

    def _end(self, key: ClientKey, flight: "_Flight", found: Found) -> None:
        del self._flights[key]
        flight.found = found
        for waiter in flight.waiters:
            if not waiter.done():
                waiter.set_result(found)

    def _read(self, key: ClientKey, flight: "_Flight", reply: Reply) -> Found:
        now_s = self._link.clock.monotonic()
        if isinstance(reply, Unavailable):
            return self._stale(key, now_s, reply)
        if reply is None:
            if not flight.outdated:
                self.cache.put_missing(key, now_s)
            return _MISSING
        try:
            if not isinstance(reply, bytes):
                raise RecordMismatch(f"the store returned no record for {key[1]} in realm {key[0]}")
            client = decode(reply, *key)
        except RecordMismatch as error:
            self.cache.evict(key)
            self._link.probe()
            return Unavailable(Reason.STORE_ANSWER, str(error))
        if not flight.outdated:
            self.cache.put(client)
        return client

    def _stale(self, key: ClientKey, now_s: float, why: Unavailable) -> Found:
        """While the store is away, what is known is good for a bounded time (R25)."""
        if why.reason in _OUTAGE and now_s - self.changes.last_good_s <= self._max_stale_s:
            client = self.cache.get(key)
            if client is not None:
                self.stale_served += 1
                return client
        return why

    def changed(self, realm: str, client_id: str) -> None:
        """What is known of a client is not so any more."""
        key = (realm, client_id)
        self.cache.evict(key)
        flight = self._flights.get(key)
        if flight is not None:
            flight.outdated = True

    def _all_changed(self) -> None:
        self.cache.clear()
        for flight in self._flights.values():
            flight.outdated = True


class _Flight:
    """One question to the store and those who wait for its answer. `outdated`: the client changed meanwhile, so the
    answer may be older than the notice and must not be remembered. `taught`: the origin was asked already."""

    __slots__ = ("found", "outdated", "taught", "waiters")

    def __init__(self) -> None:
        self.found: Found | None = None
        self.outdated = False
        self.taught = False
        self.waiters: list[asyncio.Future[Found]] = []
