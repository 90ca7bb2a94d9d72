"""The registry through changes and outages of a real store: what passes, what is refused, what comes back (R25)."""

import asyncio
import random

import pytest

from gateway.clock import SystemClock
from gateway.model import Client, Status
from gateway.reasons import Reason
from gateway.registry.answers import Missing, Unavailable
from gateway.registry.keys import CHANGES, client_key
from tests.fault.proxy import DOWN, FaultProxy
from tests.fault.replies import Replies
from tests.fault.rig import StillClock, lose_data, record, run, until, worker, write
from tests.fault.valkey import Valkey


def test_r25_a_change_reaches_a_worker_within_a_second(valkey: Valkey) -> None:
    write(valkey.client, record("dev1"))

    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock()) as made:
            assert await made.status_of("dev1") is Status.PENDING
            loop = asyncio.get_running_loop()
            for status in (Status.REVOKED, Status.PENDING, Status.RETIRED):
                await asyncio.to_thread(write, valkey.client, record("dev1", status))
                since_s = loop.time()
                while await made.status_of("dev1") is not status:
                    await asyncio.sleep(0.005)
                    assert loop.time() - since_s < 1.0
            assert made.directory.hits > 0

    run(body())


def test_r25_an_id_that_was_unknown_is_known_within_a_second_of_being_added(valkey: Valkey) -> None:
    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock(), negative_s=60.0) as made:
            assert isinstance(await made.find("dev1"), Missing)
            assert isinstance(await made.find("dev1"), Missing)
            assert (made.directory.misses, made.directory.negative_hits) == (1, 1)
            write(valkey.client, record("dev1"))
            loop = asyncio.get_running_loop()
            since_s = loop.time()
            while isinstance(await made.find("dev1"), Missing):
                await asyncio.sleep(0.005)
                assert loop.time() - since_s < 1.0

    run(body())


def test_r25_without_polls_every_answer_is_read_again(valkey: Valkey) -> None:
    write(valkey.client, record("dev1"))

    async def body() -> None:
        clock = StillClock()
        async with worker(valkey.endpoint, clock) as made:
            assert await made.status_of("dev1") is Status.PENDING
            made.directory.close()  # no more polls
            valkey.client.set(client_key("default", "dev1"), b"damaged")
            clock.pass_(0.74)
            assert await made.status_of("dev1") is Status.PENDING
            clock.pass_(0.02)
            found = await made.find("dev1")
            assert isinstance(found, Unavailable)
            assert found.reason is Reason.STORE_ANSWER

    run(body())


def test_r25_a_dead_store_leaves_known_clients_for_max_stale_s(own_valkey: Valkey) -> None:
    write(own_valkey.client, record("dev1"))

    async def body() -> None:
        clock = StillClock()
        async with worker(own_valkey.endpoint, clock, max_stale_s=30.0) as made:
            assert await made.status_of("dev1") is Status.PENDING
            own_valkey.kill()
            await until(lambda: not made.link.connected)
            clock.pass_(1.0)
            assert await made.status_of("dev1") is Status.PENDING
            assert isinstance(await made.find("dev2"), Unavailable)
            assert made.directory.stale_served == 1
            clock.pass_(30.0)
            assert isinstance(await made.find("dev1"), Unavailable)
            await asyncio.to_thread(own_valkey.start)
            await until(lambda: made.link.connected)
            await made.polled()
            assert await made.status_of("dev1") is Status.PENDING
            assert made.directory.stale_served == 1

    run(body())


def test_r25_a_restart_with_data_keeps_the_place_in_the_stream(own_valkey: Valkey) -> None:
    write(own_valkey.client, record("dev1"))
    write(own_valkey.client, record("dev2"))

    async def body() -> None:
        async with worker(own_valkey.endpoint, SystemClock()) as made:
            for name in ("dev1", "dev2"):
                await made.find(name)
            own_valkey.kill()
            await until(lambda: not made.link.connected)
            await asyncio.to_thread(own_valkey.start)
            write(own_valkey.client, record("dev2", Status.REVOKED))
            await until(lambda: made.link.connected)
            await made.polled()
            assert len(made.cache) == 1
            assert await made.status_of("dev2") is Status.REVOKED
            assert "changes.restarted" not in made.event_names
            assert "store.memory_lost" not in made.event_names

    run(body())


@pytest.mark.parametrize("how", ["restart", "flushall"])
def test_r25_a_store_that_lost_its_data_leaves_nothing_in_l1(own_valkey: Valkey, how: str) -> None:
    write(own_valkey.client, record("dev1"))

    async def body() -> None:
        async with worker(own_valkey.endpoint, SystemClock()) as made:
            assert await made.status_of("dev1") is Status.PENDING
            await lose_data(own_valkey, made, how)
            await until(lambda: "store.memory_lost" in made.event_names)
            assert isinstance(await made.find("dev1"), Missing)

    run(body())


def test_r25_a_stream_trimmed_past_the_worker_forgets_everything(valkey: Valkey) -> None:
    write(valkey.client, record("dev1"))

    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock()) as made:
            assert await made.status_of("dev1") is Status.PENDING
            pipeline = valkey.client.pipeline()
            pipeline.set(client_key("default", "dev1"), b"damaged")
            pipeline.xtrim(CHANGES, maxlen=0)
            pipeline.execute()
            await until(lambda: "changes.restarted" in made.event_names)
            assert isinstance(await made.find("dev1"), Unavailable)

    run(body())


def test_r25_thousands_of_changes_at_once_are_all_followed(valkey: Valkey) -> None:
    for number in range(20):
        write(valkey.client, record(f"dev{number}"))

    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock()) as made:
            for number in range(20):
                await made.find(f"dev{number}")
            pipeline = valkey.client.pipeline()
            for number in range(3000):
                pipeline.xadd(CHANGES, {"realm": "default", "id": f"dev{number}", "what": "x", "who": "", "when": "0"})
            pipeline.execute()
            await made.polled()
            assert made.changes.notices == 3000
            assert len(made.cache) == 0

    run(body())


def test_r25_records_of_others_never_pass_for_the_one_asked_for(proxy: FaultProxy, valkey: Valkey) -> None:
    """A proxy in front of the store that mixes up its clients' replies."""
    for number in range(8):
        write(valkey.client, record(f"dev{number}", realm="one"))
        write(valkey.client, record(f"dev{number}", realm="two"))
    chance = random.Random(7)

    def mix(replies: list[bytes]) -> list[bytes]:
        chance.shuffle(replies)
        return replies

    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock(), entries=1) as made:
            proxy.alter(DOWN, Replies(mix))
            reasons = set()
            for _ in range(30):
                asked = [(realm, f"dev{number}") for number in range(8) for realm in ("one", "two")]
                found = await asyncio.gather(*[made.find(name, realm) for realm, name in asked])
                for (realm, name), what in zip(asked, found, strict=True):
                    if isinstance(what, Client):
                        assert (what.realm, what.client_id) == (realm, name)
                    else:
                        assert isinstance(what, Unavailable)
                        reasons.add(what.reason)
                await until(lambda: made.link.connected or "store.lost" in made.event_names)
            assert Reason.STORE_ANSWER in reasons
            proxy.resume()
            proxy.reset()
            await until(lambda: made.event_names[-1] in ("store.connected", "changes.following"))
            await until(lambda: made.link.connected)
            assert isinstance(await made.find("dev1", "one"), Client)

    run(body())
