"""What a replay claim costs a worker: on an embedded store of its own, batched as requests of one moment are."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

import uvloop

from gateway.bench.stages import Spread, spread
from gateway.clock import SystemClock
from gateway.registry.answers import Claim
from gateway.registry.claims import Claims
from gateway.registry.directory import Directory
from gateway.registry.embedded import Server
from gateway.registry.keys import seen_key
from gateway.registry.link import Link
from gateway.registry.store_url import EmbeddedStore, Endpoint

AT_ONCE: Final = 16
_TTL_MS: Final = 360_000
_READY_S: Final = 30.0


def measure_claims(folder: Path, rounds: int, calls: int) -> Spread:
    """µs of CPU of this process for one claim, `AT_ONCE` under way.

    :raises ConfigError: the embedded store does not start
    :raises AssertionError: a claim of something new is refused
    """
    server = Server(EmbeddedStore(folder))
    server.start()
    try:
        return uvloop.run(_measure(server.request, rounds, calls))
    finally:
        server.stop()


async def _measure(endpoint: Endpoint, rounds: int, calls: int) -> Spread:
    link = Link(endpoint, SystemClock(), asyncio.get_running_loop(), timeout_s=5.0)
    directory = Directory(link)
    claims = Claims(link, directory.changes)
    link.start()
    directory.start()
    try:
        async with asyncio.timeout(_READY_S):
            await directory.changes.ready()
            while directory.changes.epoch is None:
                await asyncio.sleep(0.01)
        times = [await _round(claims, calls) for _ in range(rounds + 1)]
        return spread(times[1:])  # the first round warms up
    finally:
        directory.close()
        link.close()


async def _round(claims: Claims, calls: int) -> float:
    async def some() -> None:
        for _ in range(calls):
            if await claims.claim(seen_key(os.urandom(16)), _TTL_MS) is not Claim.CLAIMED:
                raise AssertionError("something new must be claimed")

    before = time.process_time_ns()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())
    return (time.process_time_ns() - before) / (calls * AT_ONCE) / 1000
