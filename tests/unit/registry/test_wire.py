"""One store connection at the level of octets: batching, order, late replies, and when it must not be trusted any more."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.resp import pack
from gateway.registry.wire import Exchange, Wire
from tests.fault.rig import StillClock, run, until

# Fractions of two, so that sums of times are exact.
TIMEOUT_S = 1 / 64
DROP_S = 1.0


class Recorder(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.aborted = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


class Asked(Exchange):
    """Remembers what became of it."""

    def __init__(self, expects: int = 1, fails: bool = False) -> None:
        super().__init__(expects)
        self.log: list[Any] = []
        self._fails = fails

    def complete(self, replies: list[Any]) -> None:
        self.log.append(list(replies))
        if self._fails:
            raise RuntimeError("a mistake of the caller")

    def give_up(self, why: Unavailable) -> None:
        self.log.append(why.reason)

    def late(self, replies: list[Any]) -> None:
        self.log.append(("late", list(replies)))

    def lost(self) -> None:
        self.log.append("lost")


class WatchedClock(StillClock):
    """Tells once when somebody looks at it."""

    when_read: Callable[[], object] | None = None

    def monotonic(self) -> float:
        told, self.when_read = self.when_read, None
        if told is not None:
            told()
        return super().monotonic()


class Bench:
    """A wire with everything around it."""

    def __init__(self) -> None:
        self.clock = WatchedClock()
        self.transport = Recorder()
        self.ends: list[Unavailable] = []
        self.wire = Wire(
            asyncio.get_running_loop(),
            self.clock,
            TIMEOUT_S,
            DROP_S,
            lambda _: None,
            lambda _, why: self.ends.append(why),
        )
        self.wire.connection_made(self.transport)

    async def ask(self, *exchanges: Asked) -> None:
        """Send one PING for each reply that is expected, and let the tick end."""
        for exchange in exchanges:
            self.wire.send(pack(b"PING") * exchange.expects, exchange)
        await asyncio.sleep(0)


def test_commands_of_one_tick_leave_as_one_write() -> None:
    async def body() -> None:
        bench = Bench()
        for text in (b"a", b"b", b"c"):
            bench.wire.send(pack(b"PING", text), Asked())
        bench.wire.before_flush(lambda: bench.wire.send(pack(b"PING", b"last"), Asked()))
        assert bench.transport.writes == []
        await asyncio.sleep(0)
        assert bench.transport.writes == [b"".join(pack(b"PING", text) for text in (b"a", b"b", b"c", b"last"))]
        bench.wire.send(pack(b"PING", b"next"), Asked())
        await asyncio.sleep(0)
        assert bench.transport.writes[1:] == [pack(b"PING", b"next")]
        bench.wire.drop(Unavailable(Reason.STORE_UNAVAILABLE, "end"))

    run(body())


@given(cuts=st.lists(st.integers(1, 80), max_size=12))
def test_replies_are_matched_in_order_however_they_are_cut(cuts: list[int]) -> None:
    async def body() -> None:
        bench = Bench()
        first, second, third, fourth = Asked(), Asked(2), Asked(), Asked()
        await bench.ask(first, second, third, fourth)
        stream = b"+OK\r\n$-1\r\n$5\r\nhello\r\n*2\r\n:1\r\n$0\r\n\r\n-OOM no room\r\n"
        edges = [0, *sorted({cut % len(stream) for cut in cuts}), len(stream)]
        for start, end in pairwise(edges):
            if end > start:
                bench.wire.data_received(stream[start:end])
        assert first.log == [[b"OK"]]
        assert second.log == [[None, b"hello"]]
        assert third.log == [[[1, b""]]]
        assert fourth.log == [[Unavailable(Reason.STORE_FULL, "the store answered: OOM no room")]]
        assert bench.wire.owed == 0
        bench.wire.drop(Unavailable(Reason.STORE_UNAVAILABLE, "end"))

    run(body())


def test_a_late_reply_stays_with_its_own_caller() -> None:
    async def body() -> None:
        bench = Bench()
        slow, other = Asked(), Asked()
        await bench.ask(slow)
        bench.clock.pass_(TIMEOUT_S / 2)
        await bench.ask(other)
        bench.clock.pass_(TIMEOUT_S / 2)
        await until(lambda: slow.log)
        assert slow.log == [Reason.STORE_TIMEOUT]
        assert other.log == []
        bench.wire.data_received(b"+slow\r\n+other\r\n")
        assert slow.log == [Reason.STORE_TIMEOUT, ("late", [b"slow"])]
        assert other.log == [[b"other"]]
        third = Asked()
        await bench.ask(third)
        bench.clock.pass_(TIMEOUT_S)
        await until(lambda: third.log)
        assert third.log == [Reason.STORE_TIMEOUT]
        assert bench.ends == []
        bench.wire.drop(Unavailable(Reason.STORE_UNAVAILABLE, "end"))

    run(body())


def test_a_reply_that_waits_while_the_loop_was_busy_is_not_a_timeout() -> None:
    async def body() -> None:
        bench = Bench()
        asked = Asked()
        await bench.ask(asked)
        bench.clock.pass_(TIMEOUT_S * 10)
        # As after a long callback: the timer looks at the clock, and in the same turn the reply is read.
        bench.clock.when_read = lambda: asyncio.get_running_loop().call_soon(bench.wire.data_received, b"+here\r\n")
        await until(lambda: asked.log)
        assert asked.log == [[b"here"]]
        bench.wire.drop(Unavailable(Reason.STORE_UNAVAILABLE, "end"))

    run(body())


def test_a_connection_without_any_reply_is_dropped() -> None:
    async def body() -> None:
        bench = Bench()
        asked = Asked()
        await bench.ask(asked)
        bench.clock.pass_(TIMEOUT_S)
        await until(lambda: asked.log)
        later = Asked()
        bench.clock.pass_(DROP_S - 2 * TIMEOUT_S)
        await bench.ask(later)
        assert bench.ends == []
        bench.clock.pass_(TIMEOUT_S)
        await until(lambda: bench.ends)
        assert bench.ends[0].reason is Reason.STORE_UNAVAILABLE
        assert asked.log == [Reason.STORE_TIMEOUT, "lost"]
        assert later.log == [Reason.STORE_UNAVAILABLE, "lost"]
        assert bench.transport.aborted

    run(body())


@pytest.mark.parametrize(
    "octets",
    [b"HTTP/1.1 400\r\n", b"\r\n", b"$4\r\nhello\r\n", b"*2\r\n$x\r\n", b":1x\r\n", b"\x00", b"$-7\r\n"],
)
def test_a_reply_that_cannot_be_read_drops_the_connection(octets: bytes) -> None:
    async def body() -> None:
        bench = Bench()
        asked, after = Asked(), Asked()
        await bench.ask(asked, after)
        bench.wire.data_received(octets + b"+OK\r\n")
        assert after.log == [Reason.STORE_ANSWER, "lost"]
        assert [why.reason for why in bench.ends] == [Reason.STORE_ANSWER]
        assert bench.transport.aborted
        bench.wire.data_received(b"+OK\r\n")
        assert after.log == [Reason.STORE_ANSWER, "lost"]

    run(body())


def test_a_reply_that_nobody_asked_for_drops_the_connection() -> None:
    async def body() -> None:
        bench = Bench()
        bench.wire.data_received(b"+OK\r\n")
        assert [why.reason for why in bench.ends] == [Reason.STORE_ANSWER]

    run(body())


def test_a_reply_cannot_answer_a_command_that_has_not_left() -> None:
    async def body() -> None:
        bench = Bench()
        asked = Asked()
        bench.wire.send(pack(b"PING"), asked)
        bench.wire.data_received(b"+OK\r\n")
        assert asked.log == [Reason.STORE_ANSWER, "lost"]
        await asyncio.sleep(0)
        assert bench.transport.writes == []

    run(body())


def test_a_callers_mistake_shifts_nothing() -> None:
    async def body() -> None:
        bench = Bench()
        seen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        wrong, right = Asked(fails=True), Asked()
        await bench.ask(wrong, right)
        bench.wire.data_received(b"+1\r\n+2\r\n")
        assert right.log == [[b"2"]]
        assert len(seen) == 1
        bench.wire.drop(Unavailable(Reason.STORE_UNAVAILABLE, "end"))

    run(body())


@pytest.mark.parametrize("error", ["READONLY You can't write", "NOAUTH Authentication required.", "MASTERDOWN Link"])
def test_an_error_that_another_connection_may_cure_ends_this_one(error: str) -> None:
    async def body() -> None:
        bench = Bench()
        asked, other = Asked(), Asked()
        await bench.ask(asked, other)
        bench.wire.data_received(b"-" + error.encode() + b"\r\n")
        (said,) = asked.log[0]
        assert said == Unavailable(Reason.STORE_UNAVAILABLE, f"the store answered: {error}")
        assert other.log == [Reason.STORE_UNAVAILABLE, "lost"]
        assert bench.transport.aborted

    run(body())


@pytest.mark.parametrize("error", ["LOADING in memory", "NOPERM no", "MISCONF disk", "ERR what", "WRONGTYPE", "\xff"])
def test_any_other_error_reply_is_the_stores_fault_and_nobody_elses(error: str) -> None:
    async def body() -> None:
        bench = Bench()
        asked, other = Asked(), Asked()
        await bench.ask(asked, other)
        bench.wire.data_received(b"-" + error.encode("latin-1") + b"\r\n+fine\r\n")
        assert asked.log[0][0].reason is Reason.STORE_UNAVAILABLE
        assert other.log == [[b"fine"]]
        bench.wire.drop(Unavailable(Reason.STORE_UNAVAILABLE, "end"))

    run(body())


def test_what_did_not_leave_before_the_end_never_leaves() -> None:
    async def body() -> None:
        bench = Bench()
        queued = Asked()
        bench.wire.send(pack(b"PING"), queued)
        bench.wire.connection_lost(None)
        await asyncio.sleep(0)
        assert bench.transport.writes == []
        assert queued.log == [Reason.STORE_UNAVAILABLE, "lost"]
        assert bench.wire.owed == 0

    run(body())
