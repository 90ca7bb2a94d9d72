"""Replay claims through faults and outages of a real store: nothing is ever admitted twice (R13)."""

import asyncio
import random
import shutil
from pathlib import Path

import pytest
import redis

from gateway.clock import SystemClock
from gateway.model import Client, Status
from gateway.reasons import Reason
from gateway.registry.answers import Claim, Missing, Unavailable
from gateway.registry.embedded import Server
from gateway.registry.keys import CHANGES, EPOCH, client_key, seen_key
from gateway.registry.store_url import EmbeddedStore
from tests.fault.proxy import DOWN, UP, FaultProxy
from tests.fault.replies import Replies
from tests.fault.rig import StillClock, lose_data, record, run, until, worker, write
from tests.fault.valkey import Valkey

TTL_MS = 60_000


def key(number: int) -> bytes:
    return seen_key(number.to_bytes(16, "big"))


def test_r13_of_many_workers_one_gets_the_claim(valkey: Valkey) -> None:
    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock()) as one, worker(valkey.endpoint, SystemClock()) as two:
            answers = await asyncio.gather(
                *[made.claims.claim(key(number), TTL_MS) for number in range(100) for made in (one, two, one)]
            )
            for number in range(100):
                three = answers[3 * number : 3 * number + 3]
                assert (three.count(Claim.CLAIMED), three.count(Claim.SEEN)) == (1, 2)
            ttl_ms = valkey.client.pttl(key(1))
            assert 0 < ttl_ms <= TTL_MS

    run(body())


def test_r13_a_released_claim_can_be_made_again_and_one_of_another_worker_cannot_be_released(valkey: Valkey) -> None:
    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock()) as one, worker(valkey.endpoint, SystemClock()) as two:
            assert await one.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
            two.claims.release(key(1))
            assert await two.claims.claim(key(1), TTL_MS) is Claim.SEEN
            two.claims.release(key(1))
            assert await two.claims.claim(key(1), TTL_MS) is Claim.SEEN
            one.claims.release(key(1))
            assert await one.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
            # The store lost the claim, and another worker made it again: it is not ours to release.
            valkey.client.delete(key(1))
            assert await two.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
            one.claims.release(key(1))
            assert await one.claims.claim(key(1), TTL_MS) is Claim.SEEN

    run(body())


def test_r27_the_request_paths_user_can_do_all_that_a_worker_needs_and_no_more(tmp_path: Path) -> None:
    server = Server(EmbeddedStore(tmp_path))
    server.start()

    async def body() -> None:
        with redis.Redis(unix_socket_path=server.admin.path) as admin:
            write(admin, record("dev1"))
            async with worker(server.request, SystemClock()) as made:
                assert await made.status_of("dev1") is Status.PENDING
                assert await made.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
                assert await made.claims.claim(key(1), TTL_MS) is Claim.SEEN
                made.claims.release(key(1))
                await until(lambda: not admin.exists(key(1)))
                for forbidden in (
                    (b"SET", client_key("default", "dev1"), b"x"),
                    (b"XADD", CHANGES, b"*", b"a", b"b"),
                    (b"FLUSHALL",),
                    (b"CONFIG", b"GET", b"*"),
                    (b"KEYS", b"*"),
                ):
                    reply = await made.link.submit(*forbidden)
                    assert isinstance(reply, Unavailable)
                    assert "NOPERM" in reply.detail
                write(admin, record("dev1", Status.REVOKED))
                await made.polled()
                assert await made.status_of("dev1") is Status.REVOKED

    try:
        run(body())
    finally:
        server.stop()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_r13_r25_redis_serves_as_well_as_valkey(tmp_path: Path) -> None:
    async def body(server: Valkey) -> None:
        async with worker(server.endpoint, SystemClock()) as made:
            assert await made.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
            assert await made.claims.claim(key(1), TTL_MS) is Claim.SEEN
            made.claims.release(key(1))
            await until(lambda: not server.client.exists(key(1)))
            assert isinstance(await made.find("dev1"), Missing)
            write(server.client, record("dev1"))
            await made.polled()
            assert await made.status_of("dev1") is Status.PENDING
            server.client.flushall()
            await until(lambda: "store.memory_lost" in made.event_names)

    with Valkey(tmp_path, shutil.which("redis-server")) as server:
        run(body(server))


def test_r13_mixed_up_replies_never_admit_a_replay(proxy: FaultProxy, valkey: Valkey) -> None:
    chance = random.Random(11)

    def mix(replies: list[bytes]) -> list[bytes]:
        for _ in range(2):
            if len(replies) > 1:
                one, two = chance.sample(range(len(replies)), 2)
                replies[one], replies[two] = replies[two], replies[one]
        return replies

    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock()) as made:
            for number in range(40):
                assert await made.claims.claim(key(number), TTL_MS) is Claim.CLAIMED
            outcomes: set[Claim | Reason] = set()
            new = 1000
            for _ in range(40):
                await until(lambda: made.link.connected)
                proxy.alter(DOWN, Replies(mix))
                seen = [made.claims.claim(key(number), TTL_MS) for number in chance.sample(range(40), 3)]
                fresh = [made.claims.claim(key(new + number), TTL_MS) for number in range(3)]
                new += 3
                for answer in await asyncio.gather(*seen):
                    assert answer is not Claim.CLAIMED
                    outcomes.add(answer if isinstance(answer, Claim) else answer.reason)
                for answer in await asyncio.gather(*fresh):
                    assert answer is not Claim.SEEN
                    outcomes.add(answer if isinstance(answer, Claim) else answer.reason)
                proxy.alter(DOWN, None)
            assert Reason.STORE_ANSWER in outcomes

    run(body())


def test_r13_altered_octets_never_admit_a_replay(proxy: FaultProxy) -> None:
    chance = random.Random(13)

    def spoil(data: bytes) -> bytes:
        spoilt = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            spoilt[chance.randrange(len(spoilt))] = chance.choice(b"+-:$*0123456789OK\r\n")
        return bytes(spoilt)

    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock()) as made:
            for number in range(20):
                assert await made.claims.claim(key(number), TTL_MS) is Claim.CLAIMED
        options = {"timeout_s": 0.03, "drop_after_s": 0.1}
        async with worker(proxy.endpoint, SystemClock(), link_options=options) as made:
            refused = 0
            for _ in range(60):
                await until(lambda: made.link.connected)
                proxy.alter(DOWN, spoil)
                futures = [made.claims.claim(key(number), TTL_MS) for number in chance.sample(range(20), 5)]
                answers = await asyncio.gather(*futures)
                assert Claim.CLAIMED not in answers
                refused += sum(isinstance(answer, Unavailable) for answer in answers)
                proxy.alter(DOWN, None)
            assert refused > 60

    run(body())


@pytest.mark.parametrize("fault", ["refuse", "stall", "deaf"])
def test_r13_while_the_store_is_away_nothing_is_claimed(proxy: FaultProxy, fault: str) -> None:
    async def body() -> None:
        options = {"timeout_s": 0.03, "drop_after_s": 0.1}
        async with worker(proxy.endpoint, SystemClock(), link_options=options) as made:
            {"refuse": proxy.refuse, "stall": proxy.stall, "deaf": proxy.deafen}[fault]()
            for number in range(5):
                answer = await made.claims.claim(key(number), TTL_MS)
                assert isinstance(answer, Unavailable)
                assert answer.reason in (Reason.STORE_UNAVAILABLE, Reason.STORE_TIMEOUT)
            proxy.resume()
            await until(lambda: made.link.connected)
            await until(lambda: made.changes.age_s() < 0.2)
            for number in range(100, 200):  # a busy machine may be late a few times
                if await made.claims.claim(key(number), TTL_MS) is Claim.CLAIMED:
                    return
            raise AssertionError("no claim is made though the store is there again")

    run(body())


def test_r13_a_claim_that_timed_out_but_was_made_is_taken_back(proxy: FaultProxy, valkey: Valkey) -> None:
    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock(), link_options={"timeout_s": 0.5}) as made:
            proxy.stall(DOWN)
            answer = await made.claims.claim(key(1), TTL_MS)
            assert isinstance(answer, Unavailable)
            assert answer.reason is Reason.STORE_TIMEOUT
            await until(lambda: valkey.client.exists(key(1)))
            proxy.resume()
            await until(lambda: not valkey.client.exists(key(1)))
            assert await made.claims.claim(key(1), TTL_MS) is Claim.CLAIMED

    run(body())


def test_r13_a_claim_whose_connection_was_lost_is_taken_back(proxy: FaultProxy, valkey: Valkey) -> None:
    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock()) as made:
            proxy.stall(DOWN)
            future = made.claims.claim(key(1), TTL_MS)
            await until(lambda: valkey.client.exists(key(1)))
            proxy.reset()
            answer = await future
            assert isinstance(answer, Unavailable)
            assert answer.reason is Reason.STORE_UNAVAILABLE
            proxy.resume()
            await until(lambda: not valkey.client.exists(key(1)))

    run(body())


def test_r13_a_full_store_refuses_claims_and_still_answers(valkey: Valkey) -> None:
    write(valkey.client, record("dev1"))

    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock()) as made:
            valkey.client.config_set("maxmemory", 1)
            answer = await made.claims.claim(key(1), TTL_MS)
            assert isinstance(answer, Unavailable)
            assert answer.reason is Reason.STORE_FULL
            assert isinstance(await made.find("dev1"), Client)
            assert made.event_names == ["store.connected"]
            valkey.client.config_set("maxmemory", 0)
            assert await made.claims.claim(key(1), TTL_MS) is Claim.CLAIMED

    run(body())


@pytest.mark.parametrize("how", ["restart", "flushall"])
def test_r13_claims_do_not_count_across_a_loss_of_memory(own_valkey: Valkey, how: str) -> None:
    async def body() -> None:
        clock = StillClock()
        async with worker(own_valkey.endpoint, clock) as made:
            before_s = made.changes.epoch_s
            assert before_s == clock.now_s
            assert await made.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
            clock.pass_(100.0)
            made.directory.close()  # no poll tells us: the claim itself must find out
            await lose_data(own_valkey, made, how)
            replay = await made.claims.claim(key(1), TTL_MS)
            assert isinstance(replay, Unavailable)
            assert replay.reason is Reason.STORE_LOST_MEMORY

    run(body())


def test_r13_after_a_loss_of_memory_the_epoch_moves_for_every_worker(valkey: Valkey) -> None:
    async def body() -> None:
        early, late = StillClock(1_700_000_000.0), StillClock(1_700_000_500.0)
        async with worker(valkey.endpoint, early) as one, worker(valkey.endpoint, late) as two:
            assert one.changes.epoch == two.changes.epoch == b"1700000000000"
            early.pass_(200.0)
            late.pass_(200.0)
            valkey.client.flushall()
            await until(lambda: one.changes.epoch not in (None, b"1700000000000"))
            await until(lambda: one.changes.epoch == two.changes.epoch == valkey.client.get(EPOCH))
            assert one.changes.epoch in (b"1700000200000", b"1700000700000")
            assert one.changes.epoch_s == 1_700_000_200.0
            assert "store.memory_lost" in one.event_names
            assert "store.memory_lost" in two.event_names
            assert await one.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
            assert await two.claims.claim(key(1), TTL_MS) is Claim.SEEN

    run(body())


def test_r13_a_restart_with_data_keeps_claims_and_epoch(own_valkey: Valkey) -> None:
    async def body() -> None:
        async with worker(own_valkey.endpoint, SystemClock()) as made:
            epoch_s = made.changes.epoch_s
            assert await made.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
            own_valkey.kill()
            await until(lambda: not made.link.connected)
            await asyncio.to_thread(own_valkey.start)
            await until(lambda: made.link.connected)
            assert await made.claims.claim(key(1), TTL_MS) is Claim.SEEN
            assert made.changes.epoch_s == epoch_s

    run(body())


def test_a_proxy_that_stalls_only_requests_loses_none_of_them(proxy: FaultProxy) -> None:
    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock()) as made:
            proxy.stall(UP)
            futures = [made.claims.claim(key(number), TTL_MS) for number in range(10)]
            await asyncio.sleep(0)
            proxy.resume()
            assert set(await asyncio.gather(*futures)) == {Claim.CLAIMED}

    run(body())
