"""What a replay claim costs in the worker, beside an awaited redis-py `set(nx=True, px=...)` on the same server.

Both ways claim new keys from several coroutines at once, each of which awaits its claim before it makes the next. A
third way awaits nothing but a future that the loop resolves: what any awaited answer costs.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import redis.asyncio
import uvloop

from benchmarks.record import save
from benchmarks.row import at_most
from benchmarks.spread import spread
from gateway.clock import SystemClock
from gateway.registry.answers import Claim
from gateway.registry.claims import Claims
from gateway.registry.directory import Directory
from gateway.registry.embedded import Server
from gateway.registry.keys import seen_key
from gateway.registry.link import Link
from gateway.registry.store_url import EmbeddedStore, Endpoint

AT_ONCE = (1, 5, 20, 50)
TTL_MS = 360_000
BAR_US = 5.0
BAR_AT_ONCE = 5
LOOP, OURS, THEIRS = "bare awaited future", "gateway, batched claim", "redis-py, awaited set"

Way = Callable[[], Awaitable[object]]


async def bare() -> None:
    loop = asyncio.get_running_loop()
    os.urandom(16)
    future = loop.create_future()
    loop.call_soon(future.set_result, None)
    await future


def gateway(claims: Claims) -> Way:
    """A claim as a request makes it."""

    async def claim() -> None:
        if await claims.claim(seen_key(os.urandom(16)), TTL_MS) is not Claim.CLAIMED:
            raise AssertionError("a new key must be claimed")

    return claim


def library(client: redis.asyncio.Redis) -> Way:
    """The same with redis-py; it gets no proof that the reply is that of its own request."""

    async def claim() -> None:
        if not await client.set(seen_key(os.urandom(16)), b"1", nx=True, px=TTL_MS):
            raise AssertionError("a new key must be set")

    return claim


async def cpu_us(way: Way, at_once: int, calls: int) -> float:
    """Microseconds of this process's CPU per call."""

    async def many() -> None:
        for _ in range(calls // at_once):
            await way()

    before = time.process_time()
    await asyncio.gather(*[many() for _ in range(at_once)])
    return (time.process_time() - before) / (calls // at_once * at_once) * 1e6


async def measure(endpoint: Endpoint, rounds: int, calls: int) -> dict[int, dict[str, list[float]]]:
    """Times of each way for each number at once; the ways take turns so that drift meets all of them alike."""
    link = Link(endpoint, SystemClock(), asyncio.get_running_loop())
    directory = Directory(link)
    claims = Claims(link, directory.changes)
    link.start()
    directory.start()
    await link.ready()
    while directory.changes.epoch is None:
        await asyncio.sleep(0.01)
    client = redis.asyncio.Redis(unix_socket_path=endpoint.path, username=endpoint.user, password=endpoint.password)
    ways = {LOOP: bare, OURS: gateway(claims), THEIRS: library(client)}
    times: dict[int, dict[str, list[float]]] = {at_once: {name: [] for name in ways} for at_once in AT_ONCE}
    for index in range(rounds + 1):
        for at_once in AT_ONCE:
            for name, way in ways.items():
                took = await cpu_us(way, at_once, calls)
                if index:  # the first round warms up
                    times[at_once][name].append(took)
        if sys.stderr.isatty():
            print(f"\rround {index} of {rounds}", end="", file=sys.stderr)
    await client.aclose()
    directory.close()
    link.close()
    return times


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: python -m benchmarks.micro.store"
    )
    parser.add_argument("--rounds", type=int, default=31, help="rounds that each way takes part in (default 31)")
    parser.add_argument("--calls", type=int, default=1000, help="calls per way and round (default 1000)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = Server(EmbeddedStore(Path(name)))
        server.start()
        try:
            times = uvloop.run(measure(server.request, arguments.rounds, arguments.calls))
        finally:
            server.stop()
    rows = []
    above: dict[int, float] = {}
    extra_at: dict[int, list[float]] = {}
    for at_once, by_way in times.items():
        extra = [own - loop for own, loop in zip(by_way[OURS], by_way[LOOP], strict=True)]
        extra_at[at_once] = extra
        above[at_once] = statistics.median(extra)
        rows.append(
            {
                "claims at once": at_once,
                "gateway, µs": spread(by_way[OURS], 1),
                "of that above a bare future, µs": spread(extra, 1),
                "redis-py, µs": spread(by_way[THEIRS], 1),
                "redis-py ÷ gateway": spread([b / a for a, b in zip(by_way[OURS], by_way[THEIRS], strict=True)], 1),
            }
        )
    says = [
        f"{arguments.rounds} interleaved rounds of {arguments.calls} claims each; CPU time of the worker's process, "
        "uvloop, embedded Valkey on its unix socket; median, and the middle half in brackets.",
        f"Bar: at most {BAR_US:g} µs above a bare awaited future with {BAR_AT_ONCE} claims at once. "
        f"Reached: {above[BAR_AT_ONCE]:.1f} µs.",
        "Each of our claims is SET NX and GET, and a batch ends with a GET of the epoch; redis-py sends the SET alone.",
        "Not shown: CPU of the server, latency, a store across a network.",
    ]
    what = f"replay claim, CPU above a bare awaited future, {BAR_AT_ONCE} at once"
    bars = [at_most(what, BAR_US, extra_at[BAR_AT_ONCE], " µs", 1)]
    path = save("micro-store", "One replay claim on the store", rows, says, ("redis", "hiredis", "uvloop"), bars=bars)
    print("\n".join(" | ".join(str(value) for value in row.values()) for row in rows))
    print("\n".join(says))
    print(f"wrote {path.name}")
    return 0 if above[BAR_AT_ONCE] <= BAR_US else 1


if __name__ == "__main__":
    raise SystemExit(main())
