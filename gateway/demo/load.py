"""Sends the traffic at a fixed rate, whether answers come or not (open loop), and judges each answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from gateway.demo.tally import Tally
from gateway.demo.traffic import Message, Shot, Step, Traffic
from gateway.demo.verdict import verdict

CONNECTIONS: Final = 256
IN_FLIGHT: Final = 4096
"""More shots than that under way, and the gateway is simply too slow for the rate: the run ends early and says so."""
TIMEOUT_S: Final = 10.0
LATE_S: Final = 1.0
"""A load generator that is later than that at the end of the run leaves the rest out."""
_NOT_OURS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


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
        async with session() as connection:
            started = loop.time()
            try:
                sent = 0
                while sent < round(rate_per_s * duration_s):
                    # Signed before it is due: the device's own work is not the gateway's latency.
                    shot = self._traffic.next(int(self._now()))
                    due = started + sent / rate_per_s
                    sent += len(shot.steps)
                    if await is_set_before(stop, due - loop.time()) or loop.time() > started + duration_s + LATE_S:
                        break
                    self._tally.lagged(loop.time() - due)
                    if len(self._under_way) >= IN_FLIGHT:
                        return Sent(loop.time() - started, kept_up=False)
                    task = loop.create_task(self._fire(connection, shot, due))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
                return Sent(loop.time() - started, kept_up=True)
            finally:
                if self._under_way:
                    await asyncio.wait(self._under_way)

    async def _fire(self, session: aiohttp.ClientSession, shot: Shot, due: float) -> None:
        loop = asyncio.get_running_loop()
        for step in shot.steps:
            got = await send(session, self._connect_to, step)
            self._tally.add(shot.kind, shot.algorithm, step.expected, got, loop.time() - due)
            due = loop.time()


async def send(session: aiohttp.ClientSession, connect_to: str, step: Step) -> str:
    """Send one message; what its answer means, as `verdict` says it."""
    message = step.message
    try:
        async with session.request(
            message.method,
            # The target goes out byte for byte.
            URL(connect_to + message.target, encoded=True),
            headers=_fields(message),
            data=message.body or None,
            allow_redirects=False,
        ) as response:
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"no answer ({type(error).__name__})"
    if step.heard is not None and response.status < 400:
        step.heard(response.status, response.headers.get("ETag"), body)
    return verdict(response.status, body)


def _fields(message: Message) -> CIMultiDict[str]:
    return CIMultiDict(field for field in message.fields if field[0].lower() != "content-length")


def session() -> aiohttp.ClientSession:
    """As devices connect: nothing is added to what they signed."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_NOT_OURS,
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
    )


async def is_set_before(stop: asyncio.Event, delay_s: float) -> bool:
    """Wait `delay_s`, or until `stop` is set; true if it is."""
    if delay_s > 0:
        try:
            async with asyncio.timeout(delay_s):
                await stop.wait()
        except TimeoutError:
            return False
    elif not stop.is_set():
        await asyncio.sleep(0)  # behind schedule: let answers in, too
    return stop.is_set()
