"""Many connections: ten thousand that do nothing, five hundred new ones a second, and a worker before any traffic."""

import contextlib
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from typing import Final

from benchmarks import row
from benchmarks.load.generator import LoadFailed, send
from benchmarks.macro import process
from benchmarks.macro.gateway import Sections
from benchmarks.macro.rig import P256, Feed, Prover, Rig
from benchmarks.row import Row

IDLE: Final = 10_000
NEW_PER_S: Final = 500
SETTLE_S: Final = 1.0
MIB: Final = 1 << 20
ROOM: Final[Sections] = {"limits": {"connections": IDLE + 1000, "head_timeout_s": 60}}
STARTS: Final = 3


def fresh_memory(rig: Rig, sections: Sections) -> list[Row]:
    """What a worker has before traffic."""
    found = []
    for _ in range(STARTS):
        rig.say("memory of a new worker")
        with rig.gateway("gateway", P256, sections) as gateway:
            found.append(process.resident_bytes(gateway.worker) / MIB)
    return [row.at_most("worker memory before traffic", 80, found, " MiB", 1)]


def idle(rig: Rig, sections: Sections) -> list[Row]:
    """Ten thousand connections that say nothing, and requests beside them."""
    measure = f"{IDLE:,} idle connections"
    with rig.gateway("gateway", P256, sections, ROOM) as gateway:
        signed = Feed(rig.sign(P256, 2000))
        rig.load(gateway.running, signed, 1000, 16)
        before = process.resident_bytes(gateway.worker)
        rig.say(measure)
        try:
            with _open(gateway.port, IDLE) as sockets:
                time.sleep(SETTLE_S)
                grown = process.resident_bytes(gateway.worker) - before
                beside = send(gateway.port, signed.shots, 1000, first=signed.take(1000), core=rig.beside)
                alive = sum(_is_open(one) for one in sockets)
        except OSError as error:
            return [row.skipped(measure, "reported, refusals 0", f"not so many descriptors: {error.strerror}")]
        Prover(rig, P256).prove(gateway.running)
    text = f"{grown / MIB:.1f} MiB, {IDLE - alive} refused"
    note = f"{grown / IDLE / 1024:.1f} KiB each; 1,000 requests beside them, p99 {beside.per_mille(990) / 1e3:.1f} ms"
    return [row.reported(measure, [], text=text, note=note)]


def new(rig: Rig, sections: Sections, rounds: int, seconds: float) -> list[Row]:
    """Each request on a connection of its own."""
    measure = f"{NEW_PER_S} new connections a second"
    costs, latencies, refused = [], [], 0
    requests = int(NEW_PER_S * seconds)
    with rig.gateway("gateway", P256, sections) as gateway:
        signed = Feed(rig.sign(P256, requests * rounds))
        for _ in range(rounds):
            rig.say(measure)
            cpu = gateway.running.cpu_ns()
            first = signed.take(requests)
            try:
                done = send(
                    gateway.port,
                    signed.shots,
                    requests,
                    first=first,
                    rate=NEW_PER_S,
                    fresh=True,
                    connections=256,
                    core=rig.beside,
                )
            except LoadFailed:
                refused += 1
                continue
            costs.append((gateway.running.cpu_ns() - cpu) / requests / 1e3)
            latencies.append(done.per_mille(990) / 1e3)
        Prover(rig, P256).prove(gateway.running)
    if refused:
        return [row.Row(measure, "refusals 0", f"{refused} of {rounds} rounds with refusals", "-", "missed")]
    text = f"0 refused, {statistics.median(costs):.0f} µs CPU a request"
    note = f"CPU per request, connection and signature included; p99 {statistics.median(latencies):.1f} ms"
    return [row.reported(measure, costs, " µs", 0, note, text)]


@contextlib.contextmanager
def _open(port: int, count: int) -> Iterator[list[socket.socket]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(count)]


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
