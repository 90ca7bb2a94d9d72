"""Slots of a cluster: where a key is, what the nodes say of it, and whom to believe; and the buckets of claims in them."""

import asyncio
from typing import Any

import pytest

from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.cluster import ClusterLink
from gateway.registry.keys import BUCKETS, CHANGES, STREAM_EPOCH, bucket_epoch, bucket_key, bucket_of, seen_key
from gateway.registry.resp import Redirected, refused
from gateway.registry.slots import SLOTS, SlotMap, read, slot_of, slot_of_command
from gateway.registry.store_url import ClusterStore
from gateway.registry.witness import Witness
from tests.fault.rig import StillClock, run

INFO = b"cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_current_epoch:7\r\n"
ROWS: list[Any] = [
    [0, 8000, [b"10.0.0.1", 6379, b"id", []], [b"10.0.0.3", 6379, b"id", []]],
    [8001, 16383, [b"", 6380]],
]


def test_the_slots_of_the_specification() -> None:
    assert slot_of(b"123456789") == 0x31C3
    assert slot_of(b"foo{hash_tag}") == slot_of(b"{hash_tag}bar") == slot_of(b"hash_tag")
    assert slot_of(b"foo{}{bar}") != slot_of(b"bar")  # an empty pair of braces is no tag, and the first one counts
    assert slot_of(b"foo{{bar}}zap") == slot_of(b"{bar")
    assert slot_of(b"foo{bar") != slot_of(b"bar")
    assert slot_of_command((b"EVAL", b"return 1", b"1", b"key")) == slot_of_command((b"GET", b"key")) == slot_of(b"key")


def test_r13_a_bucket_is_in_one_slot_and_the_buckets_are_spread_evenly() -> None:
    keys = [seen_key(bytes([number]) + b"}{" * 7 + b"{") for number in range(256)]
    assert {bucket_of(key) for key in keys} == set(range(BUCKETS))
    for key in keys:
        number = bucket_of(key)
        assert slot_of(bucket_key(number, key)) == slot_of(bucket_epoch(number))
        assert bucket_key(number, key).endswith(key[-16:])
    width = SLOTS // BUCKETS
    assert [slot_of(bucket_epoch(number)) // width for number in range(BUCKETS)] == list(range(BUCKETS))
    assert slot_of(STREAM_EPOCH) == slot_of(CHANGES)
    # What a fleet's gateways of different versions must agree on.
    assert (bucket_epoch(0), bucket_epoch(63)) == (b"wfmgw:seen:{10}:epoch", b"wfmgw:seen:{40}:epoch")


def test_what_a_node_says_is_read() -> None:
    found = read(INFO, ROWS, "10.0.0.2")
    assert isinstance(found, SlotMap)
    assert found.rank == (True, 7)
    assert found.masters == {("10.0.0.1", 6379): 1, ("10.0.0.2", 6380): 0}
    assert found.served == SLOTS
    gap = read(INFO.replace(b":ok", b":fail"), ROWS[:1], "10.0.0.2")
    assert isinstance(gap, SlotMap)
    assert (gap.served, gap.whole) == (8001, False)


@pytest.mark.parametrize(
    ("info", "rows"),
    [
        (None, ROWS),
        (b"", ROWS),
        (INFO, None),
        (INFO, b"OK"),
        (INFO, [[0]]),
        (INFO, [[0, 16384, [b"10.0.0.1", 6379]]]),
        (INFO, [[5, 4, [b"10.0.0.1", 6379]]]),
        (INFO, [[0, 5, [b"?", 6379]]]),
    ],
)
def test_what_cannot_be_read_is_no_map(info: Any, rows: Any) -> None:
    found = read(info, rows, "10.0.0.2")
    assert isinstance(found, Unavailable)
    assert found.reason is Reason.STORE_ANSWER


def test_a_redirection_is_our_trouble_and_says_where() -> None:
    moved = refused("MOVED 3999 fe80::1:6381")
    assert isinstance(moved, Redirected)
    assert (moved.reason, moved.host, moved.port, moved.asking) == (Reason.STORE_UNAVAILABLE, "fe80::1", 6381, False)
    asking = refused("ASK 3999 node-2:6381")
    assert isinstance(asking, Redirected)
    assert asking.asking
    assert not isinstance(refused("MOVED"), Redirected)


def test_the_node_that_knows_best_is_believed() -> None:
    async def body() -> None:
        store = ClusterStore(addresses=(("127.0.0.1", 1), ("127.0.0.1", 2)))
        link = ClusterLink(store, StillClock(), asyncio.get_running_loop())
        one, two = link._witnesses.values()

        def say(witness: Witness, whole: bool, epoch: int, port: int) -> None:
            witness.map = SlotMap(whole, epoch, ((0, SLOTS - 1, ("127.0.0.1", port), 1),))
            link._told(witness)

        def master() -> int:
            line = link.line_of(b"key")
            assert line.link is not None
            return line.link._endpoint.port

        say(one, True, 3, 11)
        assert master() == 11
        say(two, True, 2, 12)  # has not heard of the latest change
        assert master() == 11
        say(two, True, 4, 13)
        assert master() == 13
        say(one, False, 5, 14)  # cut off
        assert master() == 13
        say(two, False, 4, 13)
        say(one, False, 5, 15)
        assert master() == 15
        link.close()

    run(body())
