"""A cluster: the worker's end of the registry finds each key's node, also while slots move and masters die (R13, R25)."""

import asyncio
import shutil
import time
from pathlib import Path

import msgspec
import pytest

from gateway.clock import SystemClock
from gateway.model import Status
from gateway.proxy.probe import check_store
from gateway.reasons import ConfigError, Reason
from gateway.registry.answers import Claim, Unavailable
from gateway.registry.keys import BUCKETS, CHANGES, bucket_epoch, bucket_key, bucket_of, client_key, seen_key
from gateway.registry.operations import Action, StateChange
from gateway.registry.records import Record, encode
from gateway.registry.registration import prepare
from gateway.registry.slots import slot_of
from gateway.registry.store import Store
from gateway.registry.store_url import ClusterStore, parse
from tests.fault.rig import Worker, record, run, until, worker
from tests.integration.harness import make_device
from tests.topology import servers
from tests.topology.cluster import Cluster
from tests.topology.servers import Node, free_port, running

TTL_MS = 60_000
OPTIONS = {"timeout_s": 0.5, "drop_after_s": 2.0}


def store_of(cluster: Cluster) -> ClusterStore:
    store = parse(cluster.url)
    assert isinstance(store, ClusterStore)
    return store


def key(number: int) -> bytes:
    """A claim of bucket `number`."""
    return seen_key(number.to_bytes(1, "big") * 16)


def epoch_of(made: Worker, number: int) -> float | None:
    return made.claims.since_s([key(number)])


def test_r13_claims_are_made_once_wherever_they_are(steady: Cluster) -> None:
    async def body() -> None:
        store = store_of(steady)
        async with (
            worker(store, SystemClock(), link_options=OPTIONS) as one,
            worker(store, SystemClock(), link_options=OPTIONS) as two,
        ):
            keys = [key(number) for number in range(200)]
            first = await asyncio.gather(*[one.claims.claim(each, TTL_MS) for each in keys])
            second = await asyncio.gather(*[two.claims.claim(each, TTL_MS) for each in keys])
            assert set(first) == {Claim.CLAIMED}
            assert set(second) == {Claim.SEEN}
            for node in steady.nodes[:3]:  # each has its share
                held = [name for name in node.client.scan_iter("wfmgw:seen:*", count=1000) if b"epoch" not in name]
                assert 50 < len(held) < 90
            one.claims.release(keys[0])
            while await two.claims.claim(keys[0], TTL_MS) is not Claim.CLAIMED:
                await asyncio.sleep(0.002)

    run(body())


def test_r25_a_change_is_in_force_in_every_worker_within_a_second(steady: Cluster) -> None:
    device = make_device("r25")

    async def body() -> None:
        store = store_of(steady)
        async with (
            worker(store, SystemClock(), link_options=OPTIONS) as one,
            worker(store, SystemClock(), link_options=OPTIONS) as two,
        ):
            with Store.connect(store, "cli:x") as registry:
                change = prepare("default", "r25", device.certificate, "test", int(time.time()))
                await asyncio.to_thread(registry.add, change)
                for made in (one, two):
                    await made.polled()
                    assert await made.status_of("r25") is Status.ACTIVE
                    assert len(made.cache) == 1
                revoke = StateChange("default", "r25", Action.REVOKE, "stolen")
                assert not (await asyncio.to_thread(registry.apply, revoke)).outcome.refused
                done_s = time.monotonic()
                for made in (one, two):
                    while await made.status_of("r25") is not Status.REVOKED:
                        await asyncio.sleep(0.01)
                assert time.monotonic() - done_s < 1.0
                notices = registry.history("default", "r25").notices
                assert [notice.what for notice in notices] == ["added", "revoked"]

    run(body())


def test_a_key_that_is_being_moved_is_found(steady: Cluster) -> None:
    """The node says ASK, and later MOVED."""
    name = client_key("default", "moving")
    slot, source = slot_of(name), steady.owner(name)
    target = next(node for node in steady.nodes[:3] if node is not source)

    async def body() -> None:
        async with worker(store_of(steady), SystemClock(), link_options=OPTIONS) as made:
            source.client.set(name, encode(record("moving")))
            steady.begin_move(slot, source, target)
            steady.move_keys(slot, source, target)
            assert source.client.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot) == 0
            assert await made.status_of("moving") is Status.PENDING
            with Store.connect(store_of(steady), "cli:x") as registry:
                assert isinstance(registry.get("default", "moving"), Record)
                steady.end_move(slot, source, target)
                assert isinstance(registry.get("default", "moving"), Record)
            made.cache.clear()
            assert await made.status_of("moving") is Status.PENDING

    run(body())


def test_r13_a_bucket_that_moves_admits_nothing_twice(steady: Cluster) -> None:
    number = 7
    slot = slot_of(bucket_epoch(number))
    source = steady.owner(bucket_epoch(number))
    target = next(node for node in steady.nodes[:3] if node is not source)
    claims = [seen_key(bytes([number]) + bytes([index]) * 15) for index in range(20)]

    async def body() -> None:
        async with worker(store_of(steady), SystemClock(), link_options=OPTIONS) as made:
            before_s = epoch_of(made, number)
            others = [epoch_of(made, other) for other in range(BUCKETS) if other != number]
            assert await made.claims.claim(claims[0], TTL_MS) is Claim.CLAIMED
            steady.begin_move(slot, source, target)
            # At the old node still:
            assert await made.claims.claim(claims[0], TTL_MS) is Claim.SEEN
            # Not there, and perhaps at the new one:
            refused = await made.claims.claim(claims[1], TTL_MS)
            assert isinstance(refused, Unavailable)
            assert refused.reason is Reason.STORE_UNAVAILABLE
            steady.move_keys(slot, source, target)
            assert isinstance(await made.claims.claim(claims[0], TTL_MS), Unavailable)
            steady.end_move(slot, source, target)
            while isinstance(answer := await made.claims.claim(claims[0], TTL_MS), Unavailable):
                await asyncio.sleep(0.005)
            assert answer is Claim.SEEN
            assert await made.claims.claim(claims[1], TTL_MS) is Claim.CLAIMED
            after_s = epoch_of(made, number)
            assert before_s is not None
            assert after_s is not None
            assert after_s > before_s
            assert [epoch_of(made, other) for other in range(BUCKETS) if other != number] == others
            (lost,) = [detail for event, detail in made.events if event == "store.memory_lost"]
            assert lost.startswith("1 of 64 parts")

    run(body())


def test_r13_a_failover_costs_the_memory_of_its_shard_alone(cluster: Cluster) -> None:
    async def body() -> None:
        async with worker(store_of(cluster), SystemClock(), link_options=OPTIONS) as made:
            before = {number: epoch_of(made, number) for number in range(BUCKETS)}
            old = cluster.owner(CHANGES)
            hit = {number for number in range(BUCKETS) if cluster.owner(bucket_epoch(number)) is old}
            assert 15 < len(hit) < 30
            one = min(hit)
            spared = min(set(before) - hit)
            for number in (one, spared):
                assert await made.claims.claim(key(number), TTL_MS) is Claim.CLAIMED
            await asyncio.to_thread(servers.until, lambda: old.client.wait(1, 100) == 1)
            old.kill()
            while isinstance(answer := await made.claims.claim(key(one), TTL_MS), Unavailable):
                assert answer.reason in (Reason.STORE_UNAVAILABLE, Reason.STORE_TIMEOUT, Reason.STORE_LOST_MEMORY)
                await asyncio.sleep(0.005)
            # It was replicated in time.
            assert answer is Claim.SEEN
            assert await made.claims.claim(key(spared), TTL_MS) is Claim.SEEN
            moved = {number for number in range(BUCKETS) if epoch_of(made, number) != before[number]}
            assert moved == hit
            await until(lambda: made.link.connected)
            await made.polled()
            lost = [detail for event, detail in made.events if event == "store.memory_lost"]
            assert [detail.partition(" ")[0] for detail in lost] == [str(len(hit))]
            assert "changes.restarted" in made.event_names
            value = cluster.get(bucket_epoch(one))
            lineage = cluster.owner(bucket_epoch(one)).replication()["master_replid"].encode()
            assert value.partition(b"-")[2] == lineage
            assert cluster.get(bucket_key(bucket_of(key(one)), key(one))) is not None

    run(body())


def test_what_cannot_be_reached_is_one_sentence(steady: Cluster) -> None:
    nobody = ClusterStore(addresses=(("127.0.0.1", free_port()),))
    with pytest.raises(ConfigError, match="cannot be reached") as caught:
        run(check_store(nobody))
    assert caught.value.reason is Reason.CONFIG_STORE
    with pytest.raises(ConfigError, match=r"the node .* cannot be asked"):
        Store.connect(nobody, "cli:x")
    run(check_store(store_of(steady)))
    one_is_enough = ClusterStore(addresses=(*nobody.addresses, steady.nodes[-1].address))
    run(check_store(one_is_enough))
    with Store.connect(one_is_enough, "cli:x") as registry:
        assert registry.get("default", "nobody") is None


def test_a_server_that_is_no_cluster_is_one_sentence(tmp_path: Path) -> None:
    alone = Node(tmp_path / "alone")
    alone.start()
    try:
        store = ClusterStore(addresses=(alone.address,))
        with pytest.raises(ConfigError, match="cluster support disabled"):
            run(check_store(store))
        with pytest.raises(ConfigError, match="cluster support disabled"):
            Store.connect(store, "cli:x")
    finally:
        alone.kill()


RIGHTS = (
    *("resetkeys", "%R~wfmgw:client:*", "%R~wfmgw:spki:*", "%R~wfmgw:pin:*", "%R~wfmgw:changes", "%RW~wfmgw:seen:*"),
    *("%RW~wfmgw:rate:*", "+incrby", "+expire"),
    *("-@all", "+get", "+set", "+xrange", "+xrevrange", "+ping", "+hello", "+auth", "+select", "+client|setname"),
    *("+info", "+cluster|info", "+cluster|slots", "+asking"),
)
"""Those of the README."""


def test_r27_the_request_path_needs_the_rights_of_the_readme_and_no_more(steady: Cluster) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert all(right in readme for right in RIGHTS if right != "resetkeys")
    for node in steady.nodes:
        node.client.execute_command("ACL", "SETUSER", "wfmgw", "on", ">sesame", *RIGHTS)
    store = msgspec.structs.replace(store_of(steady), user="wfmgw", password="sesame")

    async def body() -> None:
        async with worker(store, SystemClock(), link_options=OPTIONS) as made:
            claims = [key(number) for number in range(200, 256)]
            assert set(await asyncio.gather(*[made.claims.claim(each, TTL_MS) for each in claims])) == {Claim.CLAIMED}
            made.claims.release(claims[0])
            while await made.claims.claim(claims[0], TTL_MS) is not Claim.CLAIMED:
                await asyncio.sleep(0.002)
            assert await made.status_of("nobody") is None
            denied = await made.link.submit(b"SET", client_key("default", "dev1"), b"{}")
            assert isinstance(denied, Unavailable)
            assert "NOPERM" in denied.detail

    run(body())
    with Store.connect(store_of(steady), "cli:x") as registry, Store.connect(store, "check") as request:
        report = registry.examine(request)
        assert report.fine
        assert not [finding for finding in report.findings if "rights" in finding.message]


def test_without_the_right_to_see_the_slots_it_says_so(steady: Cluster) -> None:
    for node in steady.nodes:
        rights = [right for right in RIGHTS if right != "+cluster|slots"]
        node.client.execute_command("ACL", "SETUSER", "blind", "on", ">sesame", *rights)
    store = msgspec.structs.replace(store_of(steady), user="blind", password="sesame")
    with pytest.raises(ConfigError, match=r"cluster\|slots"):
        run(check_store(store))
    with pytest.raises(ConfigError, match=r"cluster\|slots"):
        Store.connect(store, "cli:x")


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_a_redis_cluster_with_tls_and_a_password(tmp_path: Path) -> None:
    program = str(shutil.which("redis-server"))
    device = make_device("tls")
    with running(Cluster(tmp_path, replicas=0, password="sesame", program=program, tls=True)) as made:
        store = msgspec.structs.replace(store_of(made), ca=made.ca)

        async def body() -> None:
            async with worker(store, SystemClock(), link_options=OPTIONS) as one:
                keys = [key(number) for number in range(64)]
                assert set(await asyncio.gather(*[one.claims.claim(each, TTL_MS) for each in keys])) == {Claim.CLAIMED}
                assert set(await asyncio.gather(*[one.claims.claim(each, TTL_MS) for each in keys])) == {Claim.SEEN}
                one.claims.release(keys[0])  # a Redis takes a script for that
                while await one.claims.claim(keys[0], TTL_MS) is not Claim.CLAIMED:
                    await asyncio.sleep(0.002)
                assert await one.status_of("tls") is Status.ACTIVE

        with Store.connect(store, "cli:x") as registry:
            registry.add(prepare("default", "tls", device.certificate, "test", int(time.time())))
            warnings = [finding.message for finding in registry.examine().findings]
            assert len([each for each in warnings if "this master has no replica" in each]) == 3
        run(body())
        bare = msgspec.structs.replace(store, ca=None)
        with pytest.raises(ConfigError, match="CERTIFICATE_VERIFY_FAILED"):
            Store.connect(bare, "cli:x")
        with pytest.raises(ConfigError, match="CERTIFICATE_VERIFY_FAILED"):
            run(check_store(bare))
