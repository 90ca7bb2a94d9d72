"""A master with sentinels: the link follows it through failovers, and nothing counts twice or is lost (R13, R25)."""

import asyncio
import threading
import time
from pathlib import Path

import msgspec
import pytest
import redis

from gateway.clock import SystemClock
from gateway.model import Status
from gateway.proxy.probe import check_store
from gateway.reasons import ConfigError, Reason
from gateway.registry.answers import Claim, Unavailable
from gateway.registry.keys import CHANGES, EPOCH, client_key, seen_key
from gateway.registry.registration import prepare
from gateway.registry.sentinel import Master, Sentinels
from gateway.registry.store import Store
from gateway.registry.store_url import RemoteStore, SentinelStore, parse
from tests.fault.rig import record, run, until, worker, write
from tests.integration.harness import make_device
from tests.topology import servers
from tests.topology.servers import MASTER, Node, SentinelFleet, running
from tests.topology.traffic import Traffic, register

TTL_MS = 60_000
OPTIONS = {"timeout_s": 0.5, "drop_after_s": 2.0}
STORE_TROUBLE = {f"503 {reason.value}" for reason in Reason if reason.value.startswith("store.")}


def key(number: int) -> bytes:
    return seen_key(number.to_bytes(16, "big"))


def store_of(fleet: SentinelFleet) -> RemoteStore:
    store = parse(fleet.url)
    assert isinstance(store, SentinelStore)
    return store


def test_r13_a_failover_under_traffic_costs_a_moment_and_no_replay_passes(
    sentinels: SentinelFleet, tmp_path: Path
) -> None:
    store = store_of(sentinels)
    devices = register(store, 4)
    with Traffic(store, tmp_path, devices) as traffic:
        # What was signed in the second in which the store began to remember is refused: that is not the failover.
        traffic.passes_again(40)
        before = dict(traffic.outcomes)
        old = sentinels.master
        killed_s = time.time()
        old.kill()
        servers.until(lambda: sentinels.master is not old)
        traffic.passes_again(40)
        traffic.pause()
        refused = {outcome for outcome in traffic.outcomes if outcome != "200"}
        assert refused <= STORE_TROUBLE
        assert traffic.outcomes.total() > sum(before.values()) + 40
        assert traffic.without_retry_after == 0
        assert len(traffic.backend.requests) == traffic.outcomes["200"]
        early = [request for when_s, request in traffic.passed if when_s < killed_s]
        late = [request for when_s, request in traffic.passed if when_s > killed_s]
        # A claim that was replicated in time is still seen; one that was not would have to be refused.
        assert set(traffic.replay(early)) <= {"401 replay.seen", "503 store.lost_memory"}
        assert set(traffic.replay(late)) == {"401 replay.seen"}
        assert [line["event"] for line in traffic.gateway.lines("store.memory_lost")] == ["store.memory_lost"]


def test_r13_a_claim_that_a_failover_lost_is_refused_or_counted_by_policy(
    sentinels: SentinelFleet, tmp_path: Path
) -> None:
    store = store_of(sentinels)
    (device,) = register(store, 1)
    master, replica = sentinels.nodes
    with (
        Traffic(store, tmp_path, []) as strict,
        Traffic(store, tmp_path, [], policy={"lost_memory": "accept", "replay": "all"}) as lenient,
    ):
        epoch_s = int(master.client.get(EPOCH).partition(b"-")[0]) / 1000
        servers.until(lambda: time.time() > int(epoch_s) + 1)
        requests = [device.request() for _ in range(3)]
        assert strict.replay(requests) == {"200": 3}
        master.kill()
        # What a replica that lags behind would not have:
        servers.until(lambda: sentinels.master is replica)
        assert replica.client.delete(*replica.client.keys("wfmgw:seen:????????????????")) == 3
        for traffic in (strict, lenient):
            traffic.gateway.line("store.memory_lost")
            traffic.wait_for(lambda traffic=traffic: traffic.gateway.runtime.directory.changes.epoch is not None)
        assert set(strict.replay(requests)) == {"503 store.lost_memory"}
        assert set(lenient.replay(requests)) == {"200"}
        lenient.gateway.wait_for(
            lambda: "although the replay window was lost" in str(lenient.gateway.lines("request.forwarded"))
        )


def test_r13_the_epoch_belongs_to_the_lineage_and_moves_with_each_failover(sentinels: SentinelFleet) -> None:
    async def body() -> None:
        async with worker(store_of(sentinels), SystemClock(), link_options=OPTIONS) as made:
            first = made.changes.epoch
            assert first is not None
            old = sentinels.master
            assert first.partition(b"-")[2].decode() == old.replication()["master_replid"]
            assert await made.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
            await asyncio.to_thread(servers.until, lambda: old.client.wait(1, 100) == 1)
            lag = asyncio.create_task(_longest_pause_s())
            old.kill()
            while not made.link.connected or made.changes.epoch in (None, first):
                # Nothing is admitted on the strength of the epoch before.
                answer = await made.claims.claim(key(2), TTL_MS)
                assert isinstance(answer, Unavailable)
                assert answer.reason in (Reason.STORE_UNAVAILABLE, Reason.STORE_TIMEOUT, Reason.STORE_LOST_MEMORY)
                await asyncio.sleep(0.005)
            lag.cancel()
            second = made.changes.epoch
            new = sentinels.master
            assert new is not old
            assert second == new.client.get(EPOCH)
            assert second.partition(b"-")[2].decode() == new.replication()["master_replid"]
            assert made.changes.epoch_s is not None
            assert abs(made.changes.epoch_s - time.time()) < 5
            # The claim itself was replicated and is still there.
            assert await made.claims.claim(key(1), TTL_MS) is Claim.SEEN
            assert "store.memory_lost" in made.event_names

    run(body())


async def _longest_pause_s() -> None:
    """Fails the test's loop if anything blocks it for long."""
    loop = asyncio.get_running_loop()
    while True:
        since_s = loop.time()
        await asyncio.sleep(0.01)
        assert loop.time() - since_s < 1.0


def test_a_planned_failover_is_followed_while_the_old_master_lives(sentinels: SentinelFleet) -> None:
    async def body() -> None:
        async with worker(store_of(sentinels), SystemClock(), link_options=OPTIONS) as made:
            old, new = sentinels.nodes
            write(old.client, record("dev1"))
            await made.polled()
            assert await made.status_of("dev1") is Status.PENDING
            sentinels.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", MASTER)
            await until(lambda: _is_master(new) and made.link.connected and made.link.lineage in _lineage(new))
            await made.polled()
            write(new.client, record("dev1", Status.REVOKED))
            await made.polled()
            assert await made.status_of("dev1") is Status.REVOKED

    run(body())


def test_a_master_that_hangs_is_left_as_soon_as_the_sentinels_name_another(sentinels: SentinelFleet) -> None:
    async def body() -> None:
        # Without the sentinels' word it would take a minute to give the connection up.
        options = {"timeout_s": 0.2, "drop_after_s": 60.0}
        async with worker(store_of(sentinels), SystemClock(), link_options=options) as made:
            old, new = sentinels.nodes
            old.pause()
            await until(lambda: made.link.connected and made.link.lineage in _lineage(new))
            await until(lambda: made.changes.epoch is not None and made.changes.epoch == new.client.get(EPOCH))
            assert await made.claims.claim(key(1), TTL_MS) is Claim.CLAIMED
            old.resume()
            await asyncio.to_thread(servers.until, lambda: old.replication()["role"] == "slave")
            assert await made.claims.claim(key(1), TTL_MS) is Claim.SEEN

    run(body())


def test_r13_a_master_demoted_behind_the_sentinels_back_is_noticed_without_a_write(sentinels: SentinelFleet) -> None:
    for sentinel in sentinels.sentinels:
        sentinel.client.execute_command("SENTINEL", "SET", MASTER, "down-after-milliseconds", "60000")

    async def body() -> None:
        async with worker(store_of(sentinels), SystemClock(), link_options=OPTIONS) as made:
            for sentinel in sentinels.sentinels:
                sentinel.pause()
            master, replica = sentinels.nodes
            replica.client.replicaof("NO", "ONE")
            master.client.replicaof(*replica.address)
            await until(lambda: not made.link.connected)
            answer = await made.claims.claim(key(1), TTL_MS)
            assert isinstance(answer, Unavailable)
            (lost,) = [detail for event, detail in made.events if event == "store.lost"]
            assert "replica" in lost or "another lineage" in lost or "READONLY" in lost
            master.client.replicaof("NO", "ONE")
            await until(lambda: made.link.connected and made.changes.epoch is not None)
            assert made.changes.epoch is not None
            assert made.changes.epoch.partition(b"-")[2] in _lineage(master)
            assert "store.memory_lost" in made.event_names

    run(body())


def test_r25_notices_that_a_failover_lost_leave_nothing_in_l1(sentinels: SentinelFleet) -> None:
    async def body() -> None:
        async with worker(store_of(sentinels), SystemClock(), link_options=OPTIONS) as made:
            master, replica = sentinels.nodes
            write(master.client, record("dev1"))
            await made.polled()
            assert await made.status_of("dev1") is Status.PENDING
            assert len(made.cache) == 1
            master.kill()
            await until(lambda: made.link.connected and made.link.lineage in _lineage(replica))
            assert len(made.cache) == 0
            assert await made.status_of("dev1") is Status.PENDING
            assert replica.client.xlen(CHANGES) == 1

    run(body())


def test_passwords_of_servers_and_sentinels_are_offered_where_they_are_asked_for(tmp_path: Path) -> None:
    async def body(fleet: SentinelFleet) -> None:
        async with worker(store_of(fleet), SystemClock(), link_options=OPTIONS) as made:
            assert await made.claims.claim(key(1), TTL_MS) is Claim.CLAIMED

    with running(SentinelFleet(tmp_path, password="sesame")) as fleet:
        run(body(fleet))
        with Store.connect(store_of(fleet), "cli:x") as store:
            assert store.get("default", "dev1") is None
        bare = parse(fleet.url.replace(":sesame@", ""))
        assert isinstance(bare, SentinelStore)
        with pytest.raises(ConfigError, match=r"sentinel .* cannot be asked"):
            Store.connect(bare, "cli:x")


def test_what_the_sentinels_do_not_know_is_one_sentence(tmp_path: Path) -> None:
    nobody = SentinelStore(addresses=(("127.0.0.1", servers.free_port()),), master=MASTER)
    with pytest.raises(ConfigError, match=r"the sentinel at .* cannot be reached") as caught:
        run(check_store(nobody))
    assert caught.value.reason is Reason.CONFIG_STORE
    with pytest.raises(ConfigError, match=r"the sentinel .* cannot be asked"):
        Store.connect(nobody, "cli:x")
    sentinel = Node(tmp_path / "alone", sentinel=True)
    sentinel.start()
    try:
        lonely = SentinelStore(addresses=(sentinel.address,), master="other")
        with pytest.raises(ConfigError, match="No such master"):
            run(check_store(lonely))
        with pytest.raises(ConfigError, match="No such master"):
            Store.connect(lonely, "cli:x")
    finally:
        sentinel.kill()


def test_a_sentinel_that_is_down_stops_no_start(sentinels: SentinelFleet) -> None:
    known = store_of(sentinels)
    assert isinstance(known, SentinelStore)
    store = msgspec.structs.replace(known, addresses=(("127.0.0.1", servers.free_port()), *known.addresses))
    for sentinel in sentinels.sentinels:  # the one that is down is heard of first
        sentinel.pause()
    for sentinel in sentinels.sentinels:
        threading.Timer(0.3, sentinel.resume).start()
    run(check_store(store))


def test_the_sentinel_with_the_highest_configuration_epoch_is_believed() -> None:
    async def body() -> None:
        named: list[str] = []
        store = SentinelStore(addresses=(("127.0.0.1", 1), ("127.0.0.1", 2)), master=MASTER)
        made = Sentinels(store, asyncio.get_running_loop(), lambda: named.append(str(made.master)), named.append)
        one, two = made.watches
        one.heard(Master(3, "new", 7))
        two.heard(Master(2, "old", 7))
        two.heard(Master(2, "old", 7))
        assert named == ["redis://new:7/0"]
        two.heard(Master(4, "newer", 7))
        one.heard(Master(3, "new", 7))
        assert named == ["redis://new:7/0", "redis://newer:7/0"]
        # Set up anew, with epochs that begin anew: believed when all of them say so.
        one.heard(Master(0, "reborn", 7))
        assert len(named) == 2
        two.heard(Master(0, "reborn", 7))
        assert named[2:] == ["redis://reborn:7/0"]

    run(body())


def test_what_a_command_was_told_is_written_survives_a_failover(sentinels: SentinelFleet) -> None:
    store = store_of(sentinels)
    old = sentinels.master
    with Store.connect(store, "cli:x") as registry:
        for number in range(20):
            device = make_device(f"dev{number}")
            registry.add(prepare("default", device.client_id, device.certificate, "test", int(time.time())))
    old.kill()
    servers.until(lambda: sentinels.master is not old)
    servers.until(lambda: _named(sentinels) != old.port)
    with Store.connect(store, "cli:x") as registry:
        assert len(list(registry.iterate("default"))) == 20


def test_a_command_says_that_a_change_has_no_second_copy(
    sentinels: SentinelFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.registry.safety._REPLICA_TIMEOUT_MS", 100)
    device = make_device("dev1")
    with Store.connect(store_of(sentinels), "cli:x") as registry:
        sentinels.nodes[1].pause()
        with pytest.raises(ConfigError, match="a failover would lose it"):
            registry.add(prepare("default", device.client_id, device.certificate, "test", int(time.time())))
        sentinels.nodes[1].resume()
        assert sentinels.nodes[0].client.exists(client_key("default", "dev1"))


def _is_master(node: Node) -> bool:
    try:
        return bool(node.replication()["role"] == "master")
    except redis.exceptions.RedisError:
        return False


def _lineage(node: Node) -> tuple[bytes, ...]:
    """Its lineage if it is a master."""
    try:
        facts = node.replication()
    except redis.exceptions.RedisError:
        return ()
    return (facts["master_replid"].encode(),) if facts["role"] == "master" else ()


def _named(fleet: SentinelFleet) -> int:
    said = fleet.sentinels[0].client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
    return int(said[1])
