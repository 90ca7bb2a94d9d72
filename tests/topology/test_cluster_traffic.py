"""Signed requests through a gateway whose store is a cluster, while a master dies and slots move (R13)."""

import time
from pathlib import Path

from gateway.reasons import Reason
from gateway.registry.keys import BUCKETS, bucket_epoch
from gateway.registry.slots import slot_of
from gateway.registry.store_url import ClusterStore, parse
from tests.topology import servers
from tests.topology.cluster import Cluster
from tests.topology.traffic import Traffic, register

STORE_TROUBLE = {f"503 {reason.value}" for reason in Reason if reason.value.startswith("store.")}


def store_of(cluster: Cluster) -> ClusterStore:
    store = parse(cluster.url)
    assert isinstance(store, ClusterStore)
    return store


def test_r13_a_failover_under_traffic_costs_a_moment_and_no_replay_passes(cluster: Cluster, tmp_path: Path) -> None:
    store = store_of(cluster)
    with Traffic(store, tmp_path, register(store, 4)) as traffic:
        # What was signed in the second in which the store began to remember is refused: that is not the failover.
        traffic.passes_again(60)
        old = cluster.nodes[1]
        replica = cluster.replica_of(old)
        killed_s = time.time()
        old.kill()
        servers.until(lambda: replica.replication()["role"] == "master")
        traffic.passes_again(40)
        servers.until(lambda: traffic.gateway.call(lambda: traffic.gateway.runtime.link.connected))
        traffic.passes_again(40)
        traffic.pause()
        assert {outcome for outcome in traffic.outcomes if outcome != "200"} <= STORE_TROUBLE
        assert traffic.without_retry_after == 0
        assert len(traffic.backend.requests) == traffic.outcomes["200"]
        early = [request for when_s, request in traffic.passed if when_s < killed_s]
        late = [request for when_s, request in traffic.passed if when_s > killed_s]
        again = traffic.replay(early)
        # What was claimed at the nodes that live is known to have been seen.
        assert set(again) <= {"401 replay.seen", "503 store.lost_memory"}
        assert again["401 replay.seen"] > len(early) / 3
        assert set(traffic.replay(late)) == {"401 replay.seen"}
        (line,) = traffic.gateway.lines("store.memory_lost")
        assert "of 64 parts of the replay window" in line["detail"]


def test_r13_slots_that_move_under_traffic_cost_a_retry_and_no_replay_passes(steady: Cluster, tmp_path: Path) -> None:
    store = store_of(steady)
    first, second = steady.nodes[:2]
    with Traffic(store, tmp_path, register(store, 4)) as traffic:
        traffic.passes_again(60)
        mine = [number for number in range(BUCKETS) if steady.owner(bucket_epoch(number)) is first][:8]
        for number in mine:
            slot = slot_of(bucket_epoch(number))
            steady.begin_move(slot, first, second)
            traffic.passes_again(10)
            steady.move_keys(slot, first, second)
            traffic.passes_again(10)
            steady.end_move(slot, first, second)
        traffic.passes_again(40)
        traffic.pause()
        assert {outcome for outcome in traffic.outcomes if outcome != "200"} <= STORE_TROUBLE
        assert traffic.outcomes["200"] > traffic.outcomes.total() / 2
        assert traffic.without_retry_after == 0
        assert len(traffic.backend.requests) == traffic.outcomes["200"]
        again = traffic.replay([request for _, request in traffic.passed])
        assert set(again) <= {"401 replay.seen"} | STORE_TROUBLE
        assert again["401 replay.seen"] > again.total() / 3
