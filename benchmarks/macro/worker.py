"""One worker's runtime in a process of its own: how long until it follows the registry, and how much memory it has.

Reads settings as one line of JSON on standard input; writes one line when it is ready, and one when it has met devices.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import uvloop

from benchmarks.micro.l1 import resident_bytes
from gateway.clock import SystemClock
from gateway.config.load import settle
from gateway.model import Client
from gateway.observe.log import Log
from gateway.proxy.runtime import Runtime
from gateway.registry.directory import Directory
from gateway.registry.store_url import Endpoint

AT_ONCE = 50
READY_S = 30.0


class Task(msgspec.Struct, frozen=True):
    """`meet` devices of the `devices` in the store at `store` become known to a worker with `l1_entries`."""

    store: Endpoint
    l1_entries: int
    devices: int
    meet: int


class Ready(msgspec.Struct, frozen=True):
    """The worker can find clients, so many seconds after its modules were imported; `resident_bytes` is its memory."""

    resident_bytes: int
    runtime_s: float


class Met(msgspec.Struct, frozen=True):
    """It has met devices; `known` of them are in L1."""

    resident_bytes: int
    known: int


def name(number: int) -> str:
    """Client id of the device of that number."""
    return f"{number:08x}-0b0a-4d2b-9c3e-1f2a3b4c5d6e"


async def find(directory: Directory, client_id: str) -> Client:
    """A device that is there, from wherever it comes."""
    found = directory.find("default", client_id)
    if not isinstance(found, Client):
        if not asyncio.isfuture(found):
            raise AssertionError(f"{client_id}: {found}")
        found = await found
    if not isinstance(found, Client):
        raise AssertionError(f"{client_id}: {found}")
    return found


async def meet(directory: Directory, numbers: Iterator[int]) -> None:
    """Find devices, `AT_ONCE` at a time."""
    while names := [name(number) for number in islice(numbers, AT_ONCE)]:
        await asyncio.gather(*[find(directory, one) for one in names])


def _tell(said: Ready | Met) -> None:
    sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
    sys.stdout.flush()


async def run(task: Task, base: Path) -> None:
    """Start as `serve` starts a worker, without a listener."""
    document = {
        "listen": {"public_url": "https://wfm.example.com"},
        "upstream": {"url": "http://127.0.0.1:9"},
        "registry": {"l1_entries": task.l1_entries},
        "store": {"timeout_ms": 5000},  # a busy machine must not look like a store that is away
    }
    began = time.perf_counter()
    runtime = Runtime(settle(document, base, ""), task.store, Log(2, "error"), SystemClock())
    await runtime.start(READY_S)
    await asyncio.wait_for(runtime.directory.changes.ready(), READY_S)
    _tell(Ready(resident_bytes(), time.perf_counter() - began))
    if task.meet:
        step = task.devices // task.meet
        await meet(runtime.directory, iter(range(0, step * task.meet, step)))
        _tell(Met(resident_bytes(), len(runtime.directory.cache)))
    await runtime.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        uvloop.run(run(msgspec.json.decode(sys.stdin.readline(), type=Task), Path(place)))
