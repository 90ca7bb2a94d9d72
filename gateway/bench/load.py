"""Load on a gateway: requests that were signed before the clock starts, and the proof that it verified afterwards.

Signing takes as long as verifying, and it is the devices' work: it is done before, each request once, dated within the
gateway's window. Nothing is sent twice but for the proof.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from gateway.bench.processes import Family, cpu_s
from gateway.demo.device import Device
from gateway.demo.tally import ACCEPTED, Latencies
from gateway.demo.verdict import verdict
from gateway.fleet.pacing import until
from gateway.fleet.wire import Pool
from gateway.signing import SignedRequest, raw
from gateway.signing.sign import content_digest

POLL: Final = "poll"
REPORT: Final = "status report"
Tell: TypeAlias = Callable[[float, int], None]
"""Takes when a request was due, and the status of its answer."""


class Sent(msgspec.Struct, frozen=True):
    """One load: how many requests in how many seconds, CPU seconds of the workers, of the store and of the generator
    (None where unknown), answers that were no success."""

    requests: int
    seconds: float
    worker_s: float | None
    store_s: float | None
    generator_s: float
    failures: int


class Proof(msgspec.Struct, frozen=True):
    """What a tampered request got, and one that was sent twice: status and reason each."""

    tampered: str
    first: str
    repeated: str

    @property
    def holds(self) -> bool:
        """What had to be refused was, with 401, and what had to be let through was."""
        return self.tampered.startswith("401 ") and self.repeated.startswith("401 ") and self.first.endswith(ACCEPTED)


def presigned(devices: Sequence[Device], kind: str, count: int) -> list[bytes]:
    """Requests of the devices in turn, dated now."""
    now = int(time.time())
    octets = []
    for number in range(count):
        device = devices[number % len(devices)]
        if kind == POLL:
            octets.append(raw(device.poll(now))[:-2] + b'If-None-Match: "bench"\r\n\r\n')
        else:
            octets.append(raw(device.status_report(now)))
    return octets


async def saturate(pool: Pool, requests: list[bytes], at_once: int, processes: Family) -> Sent:
    """Send all, so many at a time, as fast as answers come (closed loop): for cost and throughput, not for latency."""
    left = iter(requests)
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    answered = failures = 0

    def heard(status: int, _etag: bytes | None, _content: bytes) -> None:
        nonlocal answered, failures
        answered += 1
        failures += not 200 <= status < 400
        octets = next(left, None)
        if octets is not None:
            pool.send(octets, heard)
        elif answered == len(requests):
            over.set_result(None)

    store = () if processes.store is None else (processes.store,)
    before = cpu_s(processes.workers), cpu_s(store), time.process_time(), loop.time()
    for octets in [next(left) for _ in range(min(at_once, len(requests)))]:
        pool.send(octets, heard)
    await over
    after = cpu_s(processes.workers), cpu_s(store), time.process_time(), loop.time()
    return Sent(
        requests=len(requests),
        seconds=after[3] - before[3],
        worker_s=_between(before[0], after[0]),
        store_s=_between(before[1], after[1]),
        generator_s=after[2] - before[2],
        failures=failures,
    )


async def paced(pool: Pool, requests: list[bytes], per_s: float, latencies: Latencies) -> int:
    """Send each when it is due, whatever the answers do (open loop); failures. Latency counts from when it was due."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    never = asyncio.Event()
    answered = failures = 0

    def heard(due: float, status: int) -> None:
        nonlocal answered, failures
        latencies.add(loop.time() - due)
        answered += 1
        failures += not 200 <= status < 400
        if answered == len(requests):
            over.set_result(None)

    started = loop.time() + 0.05
    for number, octets in enumerate(requests):
        due = started + number / per_s
        await until(due, never, precise=True)
        pool.send(octets, _Heard(due, heard))
    await over
    return failures


class _Heard:
    """A callback that knows when its request was due."""

    __slots__ = ("_due", "_tell")

    def __init__(self, due: float, tell: Tell) -> None:
        self._due = due
        self._tell = tell

    def __call__(self, status: int, _etag: bytes | None, _content: bytes) -> None:
        self._tell(self._due, status)


async def prove(pool: Pool, device: Device) -> Proof:
    """Send a tampered request, and one twice: a number without verification behind it is worth nothing."""
    now = int(time.time())
    tampered = await _judged(pool, _tampered(device.status_report(now)))
    request = raw(device.status_report(now))
    return Proof(tampered, await _judged(pool, request), await _judged(pool, request))


def _tampered(request: SignedRequest) -> bytes:
    """Another body with the digest that fits it, so that nothing but the signature can tell."""
    body = request.body.replace(b'"installed"', b'"removing!"')
    digest = content_digest(body)
    fields = tuple((name, digest if name == "Content-Digest" else value) for name, value in request.fields)
    return raw(msgspec.structs.replace(request, body=body, fields=fields))


async def _judged(pool: Pool, octets: bytes) -> str:
    reply = await pool.ask(octets)
    got = verdict(reply.status, reply.content) if reply.status else reply.content.decode(errors="replace")
    return f"{reply.status} {got}"


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
