"""Sends the traffic at a fixed rate, whether answers come or not (open loop), and judges each answer."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.demo.tally import Tally
from gateway.demo.traffic import Shot, Step, Traffic
from gateway.demo.verdict import verdict
from gateway.fleet.pacing import until
from gateway.fleet.wire import Pool, Target

CONNECTIONS: Final = 256
IN_FLIGHT: Final = 4096
"""More shots than that under way, and the gateway is simply too slow for the rate: the run ends early and says so."""
LATE_S: Final = 1.0
"""A load generator that is later than that at the end of the run leaves the rest out."""


class Sent(msgspec.Struct, frozen=True):
    """How long requests were sent, and whether the gateway kept up with the rate."""

    seconds: float
    kept_up: bool


class Load:
    """The load generator. Latency runs from the moment a request was due, so that a stall counts for all it delays."""

    def __init__(self, connect_to: str, traffic: Traffic, tally: Tally, now: Callable[[], float] = time.time) -> None:
        self._connect_to = connect_to
        self._traffic = traffic
        self._tally = tally
        self._now = now
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, rate_per_s: float, duration_s: float, stop: asyncio.Event) -> Sent:
        """Send until `duration_s` has passed, `stop` is set or the gateway falls far behind."""
        loop = asyncio.get_running_loop()
        with connected(self._connect_to) as pool:
            started = loop.time()
            try:
                sent = 0
                while sent < round(rate_per_s * duration_s):
                    # Signed before it is due: the device's own work is not the gateway's latency.
                    shot = self._traffic.next(int(self._now()))
                    due = started + sent / rate_per_s
                    sent += len(shot.steps)
                    if await until(due, stop) or loop.time() > started + duration_s + LATE_S:
                        break
                    self._tally.lagged(loop.time() - due)
                    if len(self._under_way) >= IN_FLIGHT:
                        return Sent(loop.time() - started, kept_up=False)
                    task = loop.create_task(self._fire(pool, shot, due))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
                return Sent(loop.time() - started, kept_up=True)
            finally:
                if self._under_way:
                    await asyncio.wait(self._under_way)

    async def _fire(self, pool: Pool, shot: Shot, due: float) -> None:
        loop = asyncio.get_running_loop()
        for step in shot.steps:
            got = await send(pool, step)
            self._tally.add(shot.kind, shot.algorithm, step.expected, got, loop.time() - due)
            due = loop.time()


async def send(pool: Pool, step: Step) -> str:
    """Send one message; what its answer means, as `verdict` says it."""
    reply = await pool.ask(step.message.octets())
    if reply.status == 0:
        return f"no answer ({reply.content.decode(errors='replace')})"
    if step.heard is not None and reply.status < 400:
        step.heard(reply.status, None if reply.etag is None else reply.etag.decode(), reply.content)
    return verdict(reply.status, reply.content)


@contextlib.contextmanager
def connected(url: str) -> Iterator[Pool]:
    """Connections to `http://host:port`, as devices have them."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    pool = Pool(Target(parts.hostname, parts.port), CONNECTIONS)
    try:
        yield pool
    finally:
        pool.close()
