"""A cluster: the worker's end of the registry finds each key's node, also while slots move and masters die (R13, R25)."""

import asyncio

from gateway.clock import SystemClock
from gateway.registry.answers import Claim
from gateway.registry.keys import seen_key
from gateway.registry.store_url import ClusterStore, parse
from tests.fault.rig import run, worker
from tests.topology.cluster import Cluster

TTL_MS = 60_000
OPTIONS = {"timeout_s": 0.5, "drop_after_s": 2.0}


def store_of(cluster: Cluster) -> ClusterStore:
    store = parse(cluster.url)
    assert isinstance(store, ClusterStore)
    return store


def key(number: int) -> bytes:
    return seen_key(number.to_bytes(1, "big") * 16)


def test_r13_claims_are_made_once_wherever_they_are(steady: Cluster) -> None:
    async def body() -> None:
        store = store_of(steady)
        both = (worker(store, SystemClock(), link_options=OPTIONS) for _ in range(2))
        async with next(both) as one, next(both) as two:
            if True:
                keys = [key(number) for number in range(200)]
                first = await asyncio.gather(*[one.claims.claim(each, TTL_MS) for each in keys])
                second = await asyncio.gather(*[two.claims.claim(each, TTL_MS) for each in keys])
                assert set(first) == {Claim.CLAIMED}
                assert set(second) == {Claim.SEEN}
                one.claims.release(keys[0])
                while await two.claims.claim(keys[0], TTL_MS) is not Claim.CLAIMED:
                    await asyncio.sleep(0.002)

    run(body())
