"""Replay claims (R13) against scripted replies: what is admitted, and what is taken back."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reasons import Reason
from gateway.registry.answers import Claim, ClaimAnswer, Unavailable
from gateway.registry.claims import Claims
from gateway.registry.keys import EPOCH, seen_key
from tests.fault.rig import run
from tests.unit.registry.scripted_link import ScriptedLink

EPOCH_VALUE = b"1700000000000"
TTL_MS = 360_000


class Memory:
    """The store's memory as the change follower would tell it."""

    def __init__(self) -> None:
        self.epoch: bytes | None = EPOCH_VALUE
        self.polls = 0

    def poll(self) -> None:
        self.polls += 1


class Bench:
    def __init__(self) -> None:
        self.link = ScriptedLink()
        self.memory = Memory()
        self.claims = Claims(self.link, self.memory)

    def claim(self, *numbers: int) -> "list[asyncio.Future[ClaimAnswer]]":
        """Claim keys in one tick, and end it."""
        futures = [self.claims.claim(key(number), TTL_MS) for number in numbers]
        self.link.flush()
        return futures

    def taken_back(self) -> list[bytes]:
        """Keys of the claims that are being deleted."""
        return [sent[0][1] for sent, _ in self.link.sent if sent[0][0] == b"SET" and sent[0][3] == b"IFEQ"]


def key(number: int) -> bytes:
    return seen_key(number.to_bytes(16, "big"))


def removal(number: int, token: bytes) -> list[bytes]:
    """What removes a claim only if it holds that token."""
    return [b"SET", key(number), token, b"IFEQ", token, b"PXAT", b"1"]


def store(commands: list[list[bytes]], kept: dict[bytes, bytes]) -> list[Any]:
    """What an honest store answers."""
    replies: list[Any] = []
    for command in commands:
        if command[0] == b"SET":
            replies.append(None if command[1] in kept else b"OK")
            kept.setdefault(command[1], command[2])
        elif command[1] == EPOCH:
            replies.append(EPOCH_VALUE)
        else:
            replies.append(kept.get(command[1]))
    return replies


def test_r13_the_first_claim_is_ours_and_the_second_was_seen() -> None:
    async def body() -> None:
        bench = Bench()
        kept: dict[bytes, bytes] = {}
        first, other, again = bench.claim(1, 2, 1)
        sent, exchange = bench.link.take()
        assert [command[0] for command in sent] == [b"SET", b"GET"] * 3 + [b"GET"]
        assert sent[0][1:2] + sent[0][3:] == [key(1), b"NX", b"PX", b"360000"]
        exchange.complete(store(sent, kept))
        assert [await first, await other, await again] == [Claim.CLAIMED, Claim.CLAIMED, Claim.SEEN]
        (later,) = bench.claim(1)
        sent, exchange = bench.link.take()
        exchange.complete(store(sent, kept))
        assert await later is Claim.SEEN
        assert bench.link.dropped == []
        assert bench.taken_back() == []

    run(body())


@given(data=st.data())
def test_r13_no_mix_up_of_replies_admits_a_replay(data: st.DataObject) -> None:
    """Whatever replies of a batch reach other requests, reordered, doubled or lost: only a new claim is ever admitted."""

    async def body() -> None:
        bench = Bench()
        kept: dict[bytes, bytes] = {}
        bench.claim(1, 2, 3)
        sent, exchange = bench.link.take()
        earlier = store(sent, kept)
        exchange.complete(earlier)
        futures = bench.claim(1, 4, 2, 5)
        sent, exchange = bench.link.take()
        honest = store(sent, kept)
        pool = [*honest, *earlier, None, b"OK", 1]
        replies = data.draw(st.lists(st.sampled_from(pool), min_size=len(honest), max_size=len(honest)))
        exchange.complete(replies)
        answers = [future.result() for future in futures]
        assert answers[0] is not Claim.CLAIMED
        assert answers[2] is not Claim.CLAIMED
        # Nor is an honest new request called a replay.
        assert answers[1] is not Claim.SEEN
        assert answers[3] is not Claim.SEEN

    run(body())


def test_r13_the_ok_of_another_claim_admits_nothing() -> None:
    async def body() -> None:
        bench = Bench()
        kept: dict[bytes, bytes] = {}
        bench.claim(1)
        sent, exchange = bench.link.take()
        exchange.complete(store(sent, kept))
        new, replay = bench.claim(2, 1)
        sent, exchange = bench.link.take()
        replies = store(sent, kept)
        replies[0], replies[2] = replies[2], replies[0]
        exchange.complete(replies)
        for future in (new, replay):
            answer = await future
            assert isinstance(answer, Unavailable)
            assert answer.reason is Reason.STORE_ANSWER
        assert [why.reason for why in bench.link.dropped] == [Reason.STORE_ANSWER]

    run(body())


@pytest.mark.parametrize("value", [None, b"1700000009999", 7])
def test_r13_a_claim_across_a_loss_of_memory_does_not_count(value: Any) -> None:
    async def body() -> None:
        bench = Bench()
        (future,) = bench.claim(1)
        sent, exchange = bench.link.take()
        exchange.complete([*store(sent, {})[:-1], value])
        answer = await future
        assert isinstance(answer, Unavailable)
        assert answer.reason is Reason.STORE_LOST_MEMORY
        assert bench.memory.polls == 1
        assert bench.taken_back() == [key(1)]

    run(body())


def test_r13_nothing_is_claimed_before_the_epoch_is_known() -> None:
    async def body() -> None:
        bench = Bench()
        bench.memory.epoch = None
        (future,) = bench.claim(1)
        answer = await future
        assert isinstance(answer, Unavailable)
        assert answer.reason is Reason.STORE_UNAVAILABLE
        assert bench.link.sent == []

    run(body())


def test_r13_a_store_that_is_away_or_full_admits_nothing() -> None:
    async def body() -> None:
        bench = Bench()
        (future,) = bench.claim(1)
        full = Unavailable(Reason.STORE_FULL, "OOM")
        bench.link.answer(full, None, EPOCH_VALUE)
        assert await future == full
        bench.link.up = False
        (future,) = bench.claim(2)
        answer = await future
        assert isinstance(answer, Unavailable)
        assert answer.reason is Reason.STORE_UNAVAILABLE

    run(body())


def test_a_claim_that_expires_between_its_two_commands_drops_nothing() -> None:
    async def body() -> None:
        bench = Bench()
        (future,) = bench.claim(1)
        bench.link.answer(None, None, EPOCH_VALUE)
        answer = await future
        assert isinstance(answer, Unavailable)
        assert bench.link.dropped == []

    run(body())


def test_r13_a_claim_whose_answer_came_too_late_is_taken_back() -> None:
    async def body() -> None:
        bench = Bench()
        (future,) = bench.claim(1)
        bench.link.time_out()
        answer = await future
        assert isinstance(answer, Unavailable)
        assert answer.reason is Reason.STORE_TIMEOUT
        sent, exchange = bench.link.take()
        exchange.late(store(sent, {}))
        assert bench.link.take()[0] == [removal(1, sent[0][2])]

    run(body())


def test_r13_a_claim_that_nobody_waits_for_is_taken_back_and_the_others_are_not() -> None:
    async def body() -> None:
        bench = Bench()
        gone, stays = bench.claim(1, 2)
        gone.cancel()
        sent, exchange = bench.link.take()
        exchange.complete(store(sent, {}))
        assert await stays is Claim.CLAIMED
        assert bench.taken_back() == [key(1)]

    run(body())


def test_r13_claims_of_unknown_fate_are_taken_back_on_the_next_connection() -> None:
    async def body() -> None:
        bench = Bench()
        futures = bench.claim(1, 2)
        bench.link.lose_connection()
        assert all(isinstance(future.result(), Unavailable) for future in futures)
        bench.link.connect()
        assert bench.taken_back() == [key(1), key(2)]
        bench.link.sent.clear()
        bench.link.connect()
        assert bench.taken_back() == []

    run(body())


def test_r13_only_our_own_claim_is_released_and_only_once() -> None:
    async def body() -> None:
        bench = Bench()
        kept: dict[bytes, bytes] = {key(2): b"\x00\x00\x00\x02another.one."}
        ours, seen = bench.claim(1, 2)
        sent, exchange = bench.link.take()
        exchange.complete(store(sent, kept))
        assert [await ours, await seen] == [Claim.CLAIMED, Claim.SEEN]
        bench.claims.release(key(2))
        assert bench.link.sent == []
        bench.claims.release(key(1))
        bench.claims.release(key(1))
        assert [sent for sent, _ in bench.link.sent] == [[removal(1, kept[key(1)])]]

    run(body())


def test_a_store_that_cannot_compare_and_set_gets_a_script() -> None:
    async def body() -> None:
        bench = Bench()
        (future,) = bench.claim(1)
        sent, exchange = bench.link.take()
        exchange.complete(store(sent, {}))
        assert await future is Claim.CLAIMED
        bench.claims.release(key(1))
        bench.link.answer(Unavailable(Reason.STORE_UNAVAILABLE, "syntax error"))
        (script,) = bench.link.take()[0]
        assert script[0] == b"EVAL"
        assert script[2:] == [b"1", key(1), sent[0][2]]

    run(body())


def test_a_release_while_the_store_is_away_waits_for_it() -> None:
    async def body() -> None:
        bench = Bench()
        (future,) = bench.claim(1)
        sent, exchange = bench.link.take()
        exchange.complete(store(sent, {}))
        assert await future is Claim.CLAIMED
        bench.link.up = False
        bench.claims.release(key(1))
        bench.link.connect()
        assert bench.taken_back() == [key(1)]

    run(body())


def test_a_tick_with_very_many_claims_leaves_in_several_batches() -> None:
    async def body() -> None:
        bench = Bench()
        futures = bench.claim(*range(2_500))
        assert [exchange.expects for _, exchange in bench.link.sent] == [2001, 2001, 1001]
        kept: dict[bytes, bytes] = {}
        for sent, exchange in bench.link.sent:
            exchange.complete(store(sent, kept))
        assert {future.result() for future in futures} == {Claim.CLAIMED}

    run(body())
