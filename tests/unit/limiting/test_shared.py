"""Workers that share a store keep to one rate, and each to the whole one without it."""

import asyncio
from collections.abc import Callable

from gateway.limiting.buckets import Buckets
from gateway.limiting.shared import MOST_AT_ONCE, PERIOD_S, Shared
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.resp import Reply
from tests.support.clock import FakeClock

KEY = ("default", "dev-1")
AWAY = Unavailable(Reason.STORE_UNAVAILABLE, "away")


class Counting:
    """A store that counts at once."""

    def __init__(self) -> None:
        self.up = True
        self.counters: dict[bytes, int] = {}
        self.commands: list[tuple[bytes, ...]] = []

    def call(self, args: tuple[bytes, ...], callback: Callable[[Reply], None]) -> None:
        if not self.up:
            callback(AWAY)
            return
        self.commands.append(args)
        if args[0] == b"INCRBY":
            self.counters[args[1]] = self.counters.get(args[1], 0) + int(args[2])
            callback(self.counters[args[1]])
        else:
            callback(1)


class Link:
    """One worker's way to it."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, store: Counting, clock: FakeClock) -> None:
        self.clock = clock
        self.call = store.call

    def submit(self, *args: bytes) -> "asyncio.Future[Reply]":
        raise NotImplementedError

    def probe(self) -> None:
        raise NotImplementedError


class Workers:
    """Some workers with one store, one clock and one limit."""

    def __init__(self, count: int, rate: float, burst: int) -> None:
        self.clock = FakeClock(1_800_000_000.0)
        self.store = Counting()
        self.events: list[str] = []
        self.tables = [Buckets(rate, burst) for _ in range(count)]
        self.all = [
            Shared(Link(self.store, self.clock), {"client": table}, lambda event, _: self.events.append(event))
            for table in self.tables
        ]

    def take(self, worker: int, key: tuple[str, str] = KEY) -> bool:
        return self.tables[worker].take(key, self.clock.monotonic()) == 0.0

    def reconcile(self) -> None:
        for worker in self.all:
            worker.reconcile()

    def go_on(self, seconds: float, per_tick: int) -> int:
        """How many pass if each worker is asked so often per period."""
        passed = 0
        for _ in range(int(seconds / PERIOD_S)):
            for worker in range(len(self.all)):
                passed += sum(self.take(worker) for _ in range(per_tick))
            self.reconcile()
            self.clock.advance(PERIOD_S)
        return passed


def test_one_rate_for_all() -> None:
    workers = Workers(4, rate=10, burst=10)
    workers.go_on(30, per_tick=5)
    assert 280 <= workers.go_on(30, per_tick=5) <= 320  # alone they would let through 1200


def test_what_one_worker_may_not_let_through_another_may_not_either() -> None:
    workers = Workers(2, rate=0.001, burst=6)
    assert [workers.take(0) for _ in range(4)] == [True] * 4
    assert workers.take(1)
    workers.reconcile()
    assert [workers.take(1) for _ in range(2)] == [True, False]


def test_who_keeps_to_the_rate_over_several_workers_is_not_refused() -> None:
    workers = Workers(4, rate=10, burst=5)
    assert workers.go_on(300, per_tick=1) == 600 * 4  # 8 a second


def test_a_worker_that_sees_a_client_late_does_not_take_what_is_paid_for_as_debt() -> None:
    workers = Workers(2, rate=10, burst=5)
    for _ in range(100):
        assert workers.take(0)
        assert workers.take(0)
        workers.reconcile()
        workers.clock.advance(PERIOD_S)
    assert workers.take(1)
    workers.reconcile()
    assert workers.take(1)


def test_without_the_store_each_keeps_to_the_whole_rate_and_says_so_once() -> None:
    workers = Workers(2, rate=10, burst=10)
    workers.store.up = False
    assert 2 * 300 <= workers.go_on(30, per_tick=20) <= 2 * 310
    assert workers.events == ["limits.alone"] * 2
    workers.store.up = True
    workers.go_on(1, per_tick=20)
    assert workers.events == ["limits.alone"] * 2 + ["limits.shared"] * 2


def test_one_key_has_one_command_a_period_and_is_forgotten() -> None:
    workers = Workers(1, rate=10, burst=10)
    workers.go_on(3, per_tick=3)
    kinds = [command[0] for command in workers.store.commands]
    assert (kinds.count(b"INCRBY"), kinds.count(b"EXPIRE")) == (6, 1)
    assert all(name.startswith(b"wfmgw:rate:client:") for name in workers.store.counters)


def test_r5_reconciling_is_bounded() -> None:
    workers = Workers(1, rate=1, burst=5)
    for number in range(3 * MOST_AT_ONCE):
        workers.take(0, ("default", str(number)))
    workers.reconcile()
    assert len(workers.store.counters) == MOST_AT_ONCE


def test_rare_clients_of_a_high_rate_cost_nothing() -> None:
    workers = Workers(1, rate=1000, burst=1000)
    workers.go_on(10, per_tick=1)
    assert workers.store.commands == []
