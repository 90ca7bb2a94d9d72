"""Verifications of one tick: together, in bounded rounds, each answer to whom it belongs."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import uvloop

from gateway._native import Refused
from gateway.config import Engine
from gateway.model import KeyType
from gateway.proxy.verifier import ROUND, Verifier
from gateway.reasons import Reason
from gateway.signature import engines as choosing
from tests.support.engines import ED25519, P256, P384, engines
from tests.unit.test_engines import job_of

GOOD = job_of(P256)
BAD = job_of(P256, good=False)
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


class Lanes:
    """A native function that counts: yes to every lane whose signature is GOOD's over its own base."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.failure: Exception | None = None

    def __call__(self, lanes: list[Any]) -> list[bool]:
        self.sizes.append(len(lanes))
        if self.failure is not None:
            raise self.failure
        return [False] * len(lanes)  # the oracle then says what is true


@pytest.fixture
def lanes() -> Lanes:
    return Lanes()


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Any:
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def verifier(lanes: Lanes, loop: asyncio.AbstractEventLoop) -> Verifier:
    return Verifier(engines(dict.fromkeys((P256, P384, ED25519), lanes)), loop)


def tick(loop: asyncio.AbstractEventLoop) -> None:
    """Run what is scheduled now (uvloop takes another turn after that)."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_without_a_batch_engine_the_answer_comes_at_once(loop: asyncio.AbstractEventLoop) -> None:
    verifier = Verifier(choosing.choose(Engine(p256="single", p384="single", ed25519="single")), loop)
    assert verifier.submit(GOOD, pytest.fail) is True
    assert verifier.ask(BAD) is False


def test_one_tick_is_one_batch(lanes: Lanes, loop: asyncio.AbstractEventLoop, verifier: Verifier) -> None:
    answers: list[tuple[int, Any]] = []
    for index in range(7):
        taken = verifier.submit(
            BAD if index == 4 else GOOD, lambda answer, index=index: answers.append((index, answer))
        )
        assert taken is None
    assert answers == []  # never from within submit
    tick(loop)
    assert lanes.sizes == [7]
    assert answers == [(index, index != 4) for index in range(7)]


def test_the_next_tick_is_another_batch(lanes: Lanes, loop: asyncio.AbstractEventLoop, verifier: Verifier) -> None:
    for _ in range(2):
        for _ in range(3):
            verifier.submit(GOOD, lambda answer: None)
        tick(loop)
    assert lanes.sizes == [3, 3]


def test_algorithms_do_not_mix(lanes: Lanes, loop: asyncio.AbstractEventLoop, verifier: Verifier) -> None:
    answers: list[Any] = []
    for algorithm in (P256, P384, ED25519, P256):
        verifier.submit(job_of(algorithm), answers.append)
    tick(loop)
    assert sorted(lanes.sizes) == [1, 1, 2]
    assert answers == [True] * 4


def test_a_crowd_is_answered_in_rounds(lanes: Lanes, loop: asyncio.AbstractEventLoop, verifier: Verifier) -> None:
    answers: list[Any] = []
    for _ in range(2 * ROUND + 3):
        verifier.submit(GOOD, answers.append)
    seen: list[int] = []

    def others() -> None:
        seen.append(len(answers))
        if len(seen) < 3:
            loop.call_soon(others)
        else:
            loop.stop()

    loop.call_soon(others)
    loop.run_forever()
    assert seen == [ROUND, 2 * ROUND, 2 * ROUND + 3]  # whatever else is scheduled has its turn in between
    assert set(lanes.sizes[:-1]) == {8}


def test_an_answer_may_submit_again(loop: asyncio.AbstractEventLoop, verifier: Verifier) -> None:
    events: list[Any] = []

    def once_more(answer: bool | Exception) -> None:
        events.append(answer)
        assert verifier.submit(GOOD, events.append) is None
        events.append("submitted")

    verifier.submit(BAD, once_more)
    tick(loop)
    tick(loop)
    assert events == [False, "submitted", True]


def test_r25_a_misstated_key_is_refused_alone(loop: asyncio.AbstractEventLoop, verifier: Verifier) -> None:
    answers: list[Any] = []
    verifier.submit(GOOD, answers.append)
    wrong = msgspec.structs.replace(GOOD.certificate, key_type=KeyType.P384, bits=384)
    with pytest.raises(Refused) as refused:
        verifier.submit(msgspec.structs.replace(GOOD, certificate=wrong), pytest.fail)
    assert refused.value.reason == Reason.STORE_ANSWER
    verifier.submit(BAD, answers.append)
    tick(loop)
    assert answers == [True, False]


def test_a_defect_leaves_nobody_waiting(lanes: Lanes, loop: asyncio.AbstractEventLoop, verifier: Verifier) -> None:
    answers: list[Any] = []
    lanes.failure = RuntimeError("broken")
    verifier.submit(GOOD, answers.append)
    future = verifier.ask(GOOD)
    tick(loop)
    assert answers == [lanes.failure]
    assert isinstance(future, asyncio.Future)
    assert future.exception() is lanes.failure
    lanes.failure = None
    verifier.submit(GOOD, answers.append)
    tick(loop)
    assert answers[1:] == [True]


def test_whoever_fails_to_take_an_answer_fails_alone(loop: asyncio.AbstractEventLoop, verifier: Verifier) -> None:
    answers: list[Any] = []
    told: list[Any] = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))

    def fails(answer: bool | Exception) -> None:
        raise KeyError("mine")

    verifier.submit(GOOD, fails)
    verifier.submit(GOOD, answers.append)
    tick(loop)
    assert answers == [True]
    assert [repr(error) for error in told] == ["KeyError('mine')"]


def test_a_cancelled_request_is_forgotten(loop: asyncio.AbstractEventLoop, verifier: Verifier) -> None:
    gone, stays = verifier.ask(GOOD), verifier.ask(BAD)
    assert isinstance(gone, asyncio.Future)
    assert isinstance(stays, asyncio.Future)
    told: list[Any] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    gone.cancel()
    tick(loop)
    assert told == []
    assert gone.cancelled()
    assert stays.result() is False


@pytest.mark.parametrize("count", [3, 24])
def test_what_uvloop_read_in_one_tick_is_one_round(lanes: Lanes, count: int) -> None:
    # The order that the wait relies on: callbacks of sockets first, then what they scheduled.
    async def read_at_once() -> list[Any]:
        loop = asyncio.get_running_loop()
        verifier = Verifier(engines(dict.fromkeys((P256,), lanes)), loop)
        answers: list[Any] = []
        everyone = loop.create_future()

        class Reader(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                assert lanes.sizes == []
                verifier.submit(GOOD, self.done)

            def done(self, answer: bool | Exception) -> None:
                answers.append(answer)
                if len(answers) == count:
                    everyone.set_result(answers)

        pairs = [socket.socketpair() for _ in range(count)]
        for ours, _ in pairs:
            ours.setblocking(False)
            await loop.create_connection(Reader, sock=ours)
        for _, theirs in pairs:
            theirs.send(b"request")
        try:
            return list(await asyncio.wait_for(everyone, 10))
        finally:
            for ours, theirs in pairs:
                ours.close()
                theirs.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(read_at_once()) == [True] * count
    assert sum(lanes.sizes) == count
