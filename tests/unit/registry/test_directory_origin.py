"""A client that the store does not know is asked for once, recorded, and read back from the store (R5, R23, R25)."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.model import Client
from gateway.reasons import Reason
from gateway.registry.answers import Denied, Learned, Missing, OriginAnswer, Unavailable
from gateway.registry.directory import Directory
from tests.fault.rig import StillClock, run
from tests.unit.registry.scripted_link import ScriptedLink
from tests.unit.registry.test_directory import EPOCH, entry, record


class ScriptedOrigin:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.at_once: OriginAnswer | None = None
        self._answered: list[Callable[[OriginAnswer], None]] = []

    def ask(self, realm: str, client_id: str, answered: Callable[[OriginAnswer], None]) -> None:
        self.asked.append((realm, client_id))
        if self.at_once is not None:
            answered(self.at_once)
        else:
            self._answered.append(answered)

    def answer(self, answer: OriginAnswer) -> None:
        self._answered.pop(0)(answer)


class Bench:
    def __init__(self) -> None:
        self.clock = StillClock()
        self.link = ScriptedLink(self.clock)
        self.origin = ScriptedOrigin()
        self.directory = Directory(self.link, origin=self.origin)
        self.poll(entry(1))

    def poll(self, *stream: Any) -> None:
        self.directory.changes.poll()
        self.link.answer(list(stream), EPOCH)

    def find(self) -> "asyncio.Future[Any]":
        found = self.directory.find("default", "dev1")
        assert isinstance(found, asyncio.Future)
        return found


def test_r23_what_the_origin_teaches_counts_as_the_store_has_it() -> None:
    async def body() -> None:
        bench = Bench()
        waiters = [bench.find() for _ in range(3)]
        bench.link.answer(None)
        assert bench.origin.asked == [("default", "dev1")]
        assert bench.link.sent == []
        bench.origin.answer(Learned())
        assert not waiters[0].done()
        assert bench.link.answer(record("dev1")) == [[b"GET", b"wfmgw:client:default:dev1"]]
        assert all(isinstance(waiter.result(), Client) for waiter in waiters)
        assert isinstance(bench.directory.find("default", "dev1"), Client)
        assert bench.directory.learned == 1

    run(body())


def test_r23_a_known_client_is_never_asked_for() -> None:
    async def body() -> None:
        bench = Bench()
        waiter = bench.find()
        bench.link.answer(record("dev1"))
        assert isinstance(waiter.result(), Client)
        assert bench.origin.asked == []

    run(body())


def test_r26_nobody_is_asked_while_the_store_is_away() -> None:
    async def body() -> None:
        bench = Bench()
        waiter = bench.find()
        bench.link.time_out()
        assert waiter.result() == Unavailable(Reason.STORE_TIMEOUT, "late")
        assert bench.origin.asked == []

    run(body())


def test_r5_an_unknown_id_does_not_reach_the_store_each_time() -> None:
    async def body() -> None:
        bench = Bench()
        waiter = bench.find()
        bench.link.answer(None)
        bench.origin.answer(Missing())
        assert waiter.result() == Missing()
        bench.origin.at_once = Missing()
        assert bench.directory.find("default", "dev1") == Missing()
        assert bench.link.sent == []

    run(body())


def test_r26_trouble_of_the_origin_is_told_and_not_remembered() -> None:
    async def body() -> None:
        bench = Bench()
        trouble = Unavailable(Reason.UPSTREAM_ORIGIN, "away")
        waiter = bench.find()
        bench.link.answer(None)
        bench.origin.answer(trouble)
        assert waiter.result() == trouble
        again = bench.find()
        bench.origin.answer(Denied(Reason.TRUST_WEAK_KEY, ""))
        assert again.result() == Denied(Reason.TRUST_WEAK_KEY, "")
        assert len(bench.origin.asked) == 2

    run(body())


def test_r25_a_notice_of_its_own_record_does_not_unsettle_a_client() -> None:
    async def body() -> None:
        bench = Bench()
        waiter = bench.find()
        bench.link.answer(None)
        bench.poll(entry(1), entry(2, "dev1"))
        bench.origin.answer(Learned())
        bench.link.answer(record("dev1"))
        assert isinstance(waiter.result(), Client)
        assert isinstance(bench.directory.find("default", "dev1"), Client)

    run(body())


def test_r25_a_change_while_it_is_read_back_is_not_forgotten() -> None:
    async def body() -> None:
        bench = Bench()
        waiter = bench.find()
        bench.link.answer(None)
        bench.origin.answer(Learned())
        bench.directory.changes.poll()
        get = bench.link.sent.pop(0)
        bench.link.answer([entry(1), entry(2, "dev1")], EPOCH)
        bench.link.sent.append(get)
        bench.link.answer(record("dev1"))
        assert isinstance(waiter.result(), Client)
        assert isinstance(bench.directory.find("default", "dev1"), asyncio.Future)

    run(body())


def test_r26_a_record_that_is_not_there_after_all_is_our_trouble() -> None:
    async def body() -> None:
        bench = Bench()
        waiter = bench.find()
        bench.link.answer(None)
        bench.origin.answer(Learned())
        bench.link.answer(None)
        found = waiter.result()
        assert isinstance(found, Unavailable)
        assert found.reason is Reason.STORE_ANSWER
        assert len(bench.origin.asked) == 1

    run(body())


def test_cancelling_one_who_waits_for_the_origin_harms_nobody() -> None:
    async def body() -> None:
        bench = Bench()
        first, second = bench.find(), bench.find()
        bench.link.answer(None)
        first.cancel()
        bench.origin.answer(Missing())
        assert second.result() == Missing()

    run(body())
