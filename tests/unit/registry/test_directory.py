"""Finding clients (R25) and following changes, against scripted replies and a clock that stands still."""

import asyncio
from typing import Any

import pytest

from gateway.model import Client, Status
from gateway.reasons import Reason
from gateway.registry.answers import Missing, Unavailable
from gateway.registry.directory import Directory
from gateway.registry.records import Record, encode
from tests.fault.rig import StillClock, run
from tests.unit.registry.scripted_link import ScriptedLink

EPOCH = b"1699999999000"


def record(name: str, realm: str = "default", status: Status = Status.REVOKED) -> bytes:
    return encode(Record(realm=realm, id=name, status=status, since=0))


def entry(number: int, name: str = "dev1", realm: str = "default") -> list[Any]:
    return [b"%d-0" % number, [b"realm", realm.encode(), b"id", name.encode(), b"what", b"revoke"]]


class Bench:
    """A directory whose stream stands at entry 1."""

    def __init__(self, **options: Any) -> None:
        self.clock = StillClock()
        self.link = ScriptedLink(self.clock)
        self.events: list[str] = []
        self.directory = Directory(self.link, report=lambda event, _: self.events.append(event), **options)
        self.changes = self.directory.changes
        self.poll([entry(1)])

    def poll(self, stream: Any, epoch: Any = EPOCH) -> list[list[bytes]]:
        self.changes.poll()
        assert len(self.link.sent) == 1
        return self.link.answer(stream, epoch)

    def known(self, name: str, realm: str = "default") -> Client:
        """Bring a client into L1."""
        future = self.directory.find(realm, name)
        assert isinstance(future, asyncio.Future)
        self.link.answer(record(name, realm))
        client = future.result()
        assert isinstance(client, Client)
        return client


def test_a_client_is_read_once_and_then_known() -> None:
    async def body() -> None:
        bench = Bench()
        client = bench.known("dev1")
        assert bench.directory.find("default", "dev1") == client
        assert (bench.directory.misses, bench.directory.hits) == (1, 1)
        assert bench.link.sent == []

    run(body())


def test_r3_the_store_is_asked_for_the_id_of_that_realm() -> None:
    async def body() -> None:
        bench = Bench()
        bench.known("dev1", "one")
        bench.directory.find("two", "dev1")
        assert bench.link.answer(None) == [[b"GET", b"wfmgw:client:two:dev1"]]
        assert isinstance(bench.directory.find("two", "dev1"), Missing)
        assert isinstance(bench.directory.find("one", "dev1"), Client)

    run(body())


def test_many_who_ask_for_one_client_are_one_question() -> None:
    async def body() -> None:
        bench = Bench()
        waiters = [bench.directory.find("default", "dev1") for _ in range(5)]
        futures = [waiter for waiter in waiters if isinstance(waiter, asyncio.Future)]
        assert len(futures) == 5
        futures[0].cancel()
        futures[3].cancel()
        bench.link.answer(record("dev1"))
        assert bench.link.sent == []
        assert [future.cancelled() for future in futures] == [True, False, False, True, False]
        assert all(isinstance(futures[number].result(), Client) for number in (1, 2, 4))
        assert isinstance(bench.directory.find("default", "dev1"), Client)

    run(body())


def test_r5_an_unknown_id_asks_the_store_once_in_its_time() -> None:
    async def body() -> None:
        bench = Bench(negative_s=3.0)
        future = bench.directory.find("default", "nobody")
        bench.link.answer(None)
        assert isinstance(future, asyncio.Future)
        assert isinstance(future.result(), Missing)
        for _ in range(1000):
            assert isinstance(bench.directory.find("default", "nobody"), Missing)
        assert bench.directory.negative_hits == 1000
        assert bench.link.sent == []
        bench.clock.pass_(3.0)
        bench.poll([entry(1)])
        assert isinstance(bench.directory.find("default", "nobody"), asyncio.Future)

    run(body())


def test_r25_a_change_evicts_the_client_and_no_other() -> None:
    async def body() -> None:
        bench = Bench()
        bench.known("dev1")
        bench.known("dev2")
        bench.known("dev1", "other")
        sent = bench.poll([entry(1), entry(2, "dev1")])
        assert sent[0] == [b"XRANGE", b"wfmgw:changes", b"1-0", b"+", b"COUNT", b"1000"]
        assert isinstance(bench.directory.find("default", "dev2"), Client)
        assert isinstance(bench.directory.find("other", "dev1"), Client)
        assert isinstance(bench.directory.find("default", "dev1"), asyncio.Future)
        bench.link.answer(None)
        assert bench.poll([entry(2, "dev1")])[0][2] == b"2-0"

    run(body())


def test_r25_a_change_makes_an_unknown_id_a_question_again() -> None:
    async def body() -> None:
        bench = Bench()
        bench.directory.find("default", "dev1")
        bench.link.answer(None)
        assert isinstance(bench.directory.find("default", "dev1"), Missing)
        bench.poll([entry(1), entry(2, "dev1")])
        assert isinstance(bench.directory.find("default", "dev1"), asyncio.Future)

    run(body())


@pytest.mark.parametrize("everything", [False, True])
def test_r25_an_answer_older_than_a_notice_is_not_remembered(everything: bool) -> None:
    async def body() -> None:
        bench = Bench()
        future = bench.directory.find("default", "dev1")
        question = bench.link.take()
        bench.poll([entry(1), entry(2, "dev1")] if not everything else [entry(1), [b"2-0", [b"what", b"import"]]])
        bench.link.sent.append(question)
        bench.link.answer(record("dev1"))
        assert isinstance(future, asyncio.Future)
        assert isinstance(future.result(), Client)
        assert len(bench.directory.cache) == 0
        assert isinstance(bench.directory.find("default", "dev1"), asyncio.Future)

    run(body())


def test_r25_an_unknown_id_that_is_added_meanwhile_is_not_remembered_as_unknown() -> None:
    async def body() -> None:
        bench = Bench()
        bench.directory.find("default", "dev1")
        question = bench.link.take()
        bench.poll([entry(1), entry(2, "dev1")])
        bench.link.sent.append(question)
        bench.link.answer(None)
        assert isinstance(bench.directory.find("default", "dev1"), asyncio.Future)

    run(body())


def test_r25_l1_answers_alone_only_for_750_ms_after_a_poll_was_sent() -> None:
    async def body() -> None:
        bench = Bench()
        bench.known("dev1")
        bench.changes.poll()
        sent_at_s = bench.clock.monotonic_s
        bench.clock.pass_(0.5)  # the reply takes half a second
        bench.link.answer([entry(1)], EPOCH)
        assert bench.changes.last_good_s == sent_at_s
        bench.clock.pass_(0.2499)
        assert isinstance(bench.directory.find("default", "dev1"), Client)
        bench.clock.pass_(0.0001)
        assert isinstance(bench.directory.find("default", "dev1"), asyncio.Future)
        bench.link.answer(None)
        assert isinstance(bench.directory.find("default", "dev1"), asyncio.Future)

    run(body())


def test_r25_while_the_store_is_away_known_clients_pass_for_max_stale_s_and_are_counted() -> None:
    async def body() -> None:
        bench = Bench(max_stale_s=30.0)
        client = bench.known("dev1")
        bench.link.up = False
        bench.clock.pass_(30.0)
        assert bench.directory.find("default", "dev1") == client
        assert isinstance(bench.directory.find("default", "dev2"), Unavailable)
        assert bench.directory.stale_served == 1
        bench.clock.pass_(0.001)
        found = bench.directory.find("default", "dev1")
        assert isinstance(found, Unavailable)
        assert found.reason is Reason.STORE_UNAVAILABLE
        assert bench.directory.stale_served == 1

    run(body())


def test_r25_an_unknown_id_is_not_called_unknown_while_the_store_is_away() -> None:
    async def body() -> None:
        bench = Bench(negative_s=60.0)
        bench.directory.find("default", "nobody")
        bench.link.answer(None)
        bench.link.up = False
        bench.clock.pass_(1.0)
        assert isinstance(bench.directory.find("default", "nobody"), Unavailable)

    run(body())


@pytest.mark.parametrize(
    "reply",
    [
        record("dev2"),
        record("dev1", "other"),
        b"{}",
        b"OK",
        b"\xff",
        [b"dev1"],
        7,
    ],
)
def test_r25_what_was_not_asked_for_is_a_bad_answer_and_never_a_client(reply: Any) -> None:
    async def body() -> None:
        bench = Bench()
        bench.known("dev1")
        bench.clock.pass_(1.0)
        future = bench.directory.find("default", "dev1")
        bench.link.answer(reply)
        assert isinstance(future, asyncio.Future)
        found = future.result()
        assert isinstance(found, Unavailable)
        assert found.reason is Reason.STORE_ANSWER
        assert len(bench.directory.cache) == 0
        assert bench.link.take()[0][0][0] == b"PING"  # are the replies still in step?

    run(body())


@pytest.mark.parametrize(
    "stream",
    [
        [],  # the stream is gone: FLUSHALL, failover to an empty store
        [entry(5, "dev9")],  # trimmed past our place
        [entry(1, "dev2")],  # another stream that has the same entry id
    ],
)
def test_r25_a_lost_place_in_the_stream_forgets_everything(stream: Any) -> None:
    async def body() -> None:
        bench = Bench()
        bench.known("dev1")
        polls = bench.changes.polls
        bench.poll(stream)
        assert len(bench.directory.cache) == 0
        assert bench.changes.polls == polls
        assert bench.events == ["changes.restarted"]
        # It looks for the newest entry at once, and what was read before that is forgotten too.
        question = bench.link.take()
        assert question[0][0][0] == b"XREVRANGE"
        bench.known("dev2")
        bench.link.sent.append(question)
        bench.link.answer([entry(9, "dev2")], EPOCH)
        assert len(bench.directory.cache) == 0
        assert bench.changes.polls == polls + 1
        assert bench.poll([entry(9, "dev2")])[0][2] == b"9-0"

    run(body())


def test_r25_a_full_page_is_followed_by_the_next_before_l1_is_trusted() -> None:
    async def body() -> None:
        bench = Bench()
        bench.known("dev1999")
        polls = bench.changes.polls
        bench.poll([entry(1), *[entry(number, f"dev{number}") for number in range(2, 1001)]])
        assert bench.changes.polls == polls
        assert len(bench.directory.cache) == 1
        bench.link.answer([entry(number, f"dev{number}") for number in range(1000, 2000)], EPOCH)
        assert len(bench.directory.cache) == 0
        bench.link.answer([entry(1999, "dev1999")], EPOCH)
        assert bench.changes.polls == polls + 1
        assert bench.link.sent == []

    run(body())


def test_an_empty_stream_that_gets_its_first_entry_forgets_everything() -> None:
    async def body() -> None:
        bench = Bench()
        bench.poll([])
        bench.link.answer([], EPOCH)
        bench.known("dev1")
        bench.poll([])
        assert len(bench.directory.cache) == 1
        bench.poll([entry(1, "dev1")])
        assert len(bench.directory.cache) == 0

    run(body())


@pytest.mark.parametrize("stream", [None, b"OK", [1], [[b"1-0"]], [[b"1-0", 3]], Unavailable(Reason.STORE_FULL, "x")])
def test_r25_a_poll_that_cannot_be_read_is_no_good_poll(stream: Any) -> None:
    async def body() -> None:
        bench = Bench()
        before_s = bench.changes.last_good_s
        bench.clock.pass_(0.2)
        bench.poll(stream)
        assert bench.changes.last_good_s == before_s
        bench.link.sent.clear()
        bench.poll(stream)
        assert bench.events == ["changes.failing"]
        bench.link.sent.clear()
        bench.poll([entry(1)])
        assert bench.events == ["changes.failing", "changes.following"]

    run(body())


def test_one_poll_at_a_time_and_a_late_one_still_counts() -> None:
    async def body() -> None:
        bench = Bench()
        bench.known("dev1")
        bench.changes.poll()
        bench.link.time_out()
        bench.changes.poll()
        assert len(bench.link.sent) == 1
        sent_at_s = bench.clock.monotonic_s
        bench.clock.pass_(0.3)
        bench.link.answer([entry(1), entry(2, "dev1")], EPOCH)
        assert len(bench.directory.cache) == 0
        assert bench.changes.last_good_s == sent_at_s
        assert len(bench.link.sent) == 1  # the one that was asked for meanwhile

    run(body())


def test_after_a_lost_connection_the_next_one_polls_at_once() -> None:
    async def body() -> None:
        bench = Bench()
        bench.changes.poll()
        bench.link.lose_connection()
        bench.changes.poll()
        assert bench.link.sent == []
        bench.link.connect()
        assert [sent[0][0] for sent, _ in bench.link.sent] == [b"XRANGE"]

    run(body())


def test_r13_an_absent_epoch_is_set_by_whoever_sees_it_and_read_back() -> None:
    async def body() -> None:
        bench = Bench()
        bench.known("dev1")
        assert bench.changes.epoch_s == 1_699_999_999.0
        bench.poll([entry(1)], None)
        assert bench.changes.epoch is None
        assert len(bench.directory.cache) == 0
        assert bench.events == ["store.memory_lost"]
        mine = b"%d" % int(bench.clock.now_s * 1000)
        sent = bench.link.answer(None, b"1699999999500")  # somebody else was first
        assert sent == [[b"SET", b"wfmgw:seen:epoch", mine, b"NX"], [b"GET", b"wfmgw:seen:epoch"]]
        assert bench.changes.epoch == b"1699999999500"
        assert bench.changes.epoch_s == 1_699_999_999.5

    run(body())


def test_r13_a_worker_is_ready_once_the_store_can_keep_claims() -> None:
    async def body() -> None:
        bench = Bench()
        assert bench.changes.ready().done()
        bench.poll([entry(1)], None)
        ready, closed = bench.changes.ready(), bench.changes.ready()
        assert not ready.done()
        closed.cancel()
        bench.link.answer(b"OK", b"1699999999500")
        assert ready.done()
        bench.poll([entry(1)], None)
        never = bench.changes.ready()
        bench.directory.close()
        assert never.cancelled()

    run(body())


def test_r13_an_epoch_from_a_clock_that_runs_fast_is_not_in_the_future() -> None:
    async def body() -> None:
        bench = Bench()
        bench.poll([entry(1)], b"9999999999999")
        assert bench.changes.epoch_s == bench.clock.now_s

    run(body())


def test_r13_a_store_that_cannot_keep_the_epoch_is_reported_once() -> None:
    async def body() -> None:
        bench = Bench()
        for _ in range(3):
            bench.poll([entry(1)], None)
            bench.link.answer(Unavailable(Reason.STORE_FULL, "OOM"), None)
        bench.poll([entry(1)], None)
        assert bench.events == ["store.memory_lost", "changes.failing"]
        assert bench.changes.epoch is None

    run(body())
