"""What a registry of a million devices costs: the store's memory, a first look-up, start and memory of a worker.

Records are written as the gateway writes them, but straight into the store: each has a certificate of its own, which is
one real P-256 certificate with another key in it. Every figure stands beside that of a small registry of the same run.
"""

import argparse
import asyncio
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import redis
import uvloop

from benchmarks.macro.worker import Met, Ready, Task, find, meet, name
from benchmarks.record import save
from gateway.clock import SystemClock
from gateway.demo.pki import issue, make_authority
from gateway.model import Algorithm, Status
from gateway.registry.certificates import describe, read_certificate
from gateway.registry.directory import Directory
from gateway.registry.embedded import Server
from gateway.registry.keys import client_key, spki_key
from gateway.registry.link import Link
from gateway.registry.records import Record, StoredCertificate, encode
from gateway.registry.store_url import EmbeddedStore, Endpoint

SMALL = 1_000
BATCH = 500
POINT_BYTES = 64
BOUNDS = (1_000, 100_000)
"""Of L1, in clients."""
MEETINGS = (100_000, 300_000)
"""How many devices a worker meets, if there are so many."""
STARTS = 7
ROOM_BYTES = 6 << 30
MIB = 1 << 20


class Maker:
    """Makes records whose certificates differ in their keys, and so in both hashes."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        identity = issue(make_authority("Vendor CA", now), name(0), Algorithm.ECDSA_P256_SHA256, now)
        _, self._der = read_certificate(identity.certificate_pem)
        self._known = describe(self._der)
        self._at = self._der.index(self._known.spki)

    def record(self, number: int) -> Record:
        """The device of that number."""
        known, at = self._known, self._at
        point = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=POINT_BYTES).digest()
        spki = known.spki[:-POINT_BYTES] + point
        der = self._der[:at] + spki + self._der[at + len(spki) :]
        certificate = StoredCertificate(
            der=der,
            sha256=hashlib.sha256(der).hexdigest(),
            spki=spki,
            spki_sha256=hashlib.sha256(spki).hexdigest(),
            key_type=known.key_type,
            bits=known.bits,
            not_before=known.not_before,
            not_after=known.not_after,
            added=known.not_before,
        )
        return Record(
            realm="default",
            id=name(number),
            status=Status.ACTIVE,
            since=known.not_before,
            certs=(certificate,),
            labels={"site": f"plant-{number % 20}"},
            tenant="acme",
        )

    def entries(self, numbers: range) -> Iterator[bytes]:
        """Key and value in turn: of the record, and of the index entry of its key."""
        for number in numbers:
            record = self.record(number)
            identity = record.id.encode()
            yield client_key(record.realm, record.id)
            yield encode(record)
            yield spki_key(record.realm, record.certs[0].spki_sha256)
            yield identity


def load(client: Any, maker: Maker, numbers: range) -> float:
    """Write devices; seconds."""
    began = time.perf_counter()
    for at in range(numbers.start, numbers.stop, BATCH):
        client.execute_command("MSET", *maker.entries(range(at, min(at + BATCH, numbers.stop))))
        if sys.stderr.isatty():
            print(f"\r{at:,} devices", end="", file=sys.stderr)
    return time.perf_counter() - began


async def misses(endpoint: Endpoint, devices: int, samples: int) -> tuple[list[float], list[float]]:
    """Microseconds of look-ups one after the other, each of a device that was not known; and of a bare PING each."""
    link = Link(endpoint, SystemClock(), asyncio.get_running_loop(), timeout_s=5.0)
    directory = Directory(link, entries=1)
    link.start()
    directory.start()
    await directory.changes.ready()
    chosen = Random(4)
    await meet(directory, iter(range(min(200, devices))))
    found, bare = [], []
    for _ in range(samples):
        client_id = name(chosen.randrange(1, devices))
        directory.cache.clear()
        began = time.perf_counter()
        await find(directory, client_id)
        between = time.perf_counter()
        await link.submit(b"PING")
        found.append((between - began) * 1e6)
        bare.append((time.perf_counter() - between) * 1e6)
    directory.close()
    link.close()
    return found, bare


def worker(task: Task) -> tuple[float, Ready, Met | None]:
    """Run a worker; seconds from its process's start until it can find clients, and what it said."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.macro.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(task) + b"\n")
        process.stdin.flush()
        ready = msgspec.json.decode(process.stdout.readline(), type=Ready)
        took_s = time.perf_counter() - began
        met = msgspec.json.decode(process.stdout.readline(), type=Met) if task.meet else None
    return took_s, ready, met


def quantiles(values: list[float]) -> str:
    """Median and 99th of a hundred."""
    return f"{statistics.median(values):.0f} / {statistics.quantiles(values, n=100)[98]:.0f}"


def measure(small: Server, large: Server, devices: int, samples: int) -> tuple[list[dict[str, str]], list[str]]:
    """Table and sentences."""
    maker = Maker()
    stores = {SMALL: small, devices: large}
    columns: dict[int, dict[str, str]] = {count: {} for count in stores}
    for count, server in stores.items():
        admin = server.admin
        client: Any = redis.Redis(unix_socket_path=admin.path, username=admin.user, password=admin.password)
        before = client.info("memory")["used_memory"]
        took_s = load(client, maker, range(count))
        used = client.info("memory")["used_memory"] - before
        client.close()
        columns[count] |= {
            "store, bytes for each device": f"{used / count:,.0f}",
            "store, MiB": f"{used / MIB:,.1f}",
            "time to write all records, s": f"{took_s:.1f}",
        }
    for count, server in stores.items():
        found, bare = uvloop.run(misses(server.request, count, samples))
        columns[count]["first look-up, median / p99, µs"] = quantiles(found)
        columns[count]["bare PING on that link, median / p99, µs"] = quantiles(bare)
    starts: dict[int, list[float]] = {count: [] for count in stores}
    runtimes: dict[int, list[float]] = {count: [] for count in stores}
    idle: dict[int, int] = {}
    for index in range(STARTS + 1):
        for count, server in stores.items():
            took_s, ready, _ = worker(Task(server.request, BOUNDS[0], count, 0))
            idle[count] = ready.resident_bytes
            if index:  # the first start warms up
                starts[count].append(took_s)
                runtimes[count].append(ready.runtime_s)
    for count, server in stores.items():
        columns[count]["start of a worker's process, median, s"] = f"{statistics.median(starts[count]):.2f}"
        columns[count]["of that after importing modules, ms"] = f"{statistics.median(runtimes[count]) * 1e3:.1f}"
        columns[count]["memory of a worker that just started, MiB"] = f"{idle[count] / MIB:.0f}"
        for bound in BOUNDS:
            for wanted in MEETINGS:
                _, _, met = worker(Task(server.request, bound, count, min(count, wanted)))
                assert met is not None
                label = f"L1 bound {bound:,}: memory after it met {wanted:,} devices (or all), MiB"
                columns[count][label] = f"{met.resident_bytes / MIB:.0f} ({met.known:,} known)"
    rows = [
        {"": label} | {f"{count:,} devices": column[label] for count, column in columns.items()}
        for label in columns[SMALL]
    ]
    length = len(encode(maker.record(1)))
    says = [
        f"Each device is a record of {length:,} octets (one P-256 certificate) and the index entry of its key, in the "
        "embedded Valkey on its unix socket with its append-only file on. Records are written in batches without the "
        "checks and notices of `clients import`.",
        f"A first look-up is `Directory.find` of a device that L1 does not know, wall time, {samples:,} one after the "
        "other, in turn with a PING.",
        f"A start lasts from the start of the process until clients can be found: median of {STARTS} in turn. "
        "No client is read at a start.",
        "Memory is what is resident in the worker's process. It depends on the bound of L1, not on how many devices "
        "there are or have been met.",
        "Not shown: a store across a network, the memory that Valkey needs to rewrite its append-only file.",
    ]
    return rows, says


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: python -m benchmarks.macro.registry --devices 100000"
    )
    parser.add_argument("--devices", type=int, default=1_000_000, help="how many devices (default 1000000)")
    parser.add_argument("--samples", type=int, default=10_000, help="how many first look-ups (default 10000)")
    arguments = parser.parse_args()
    if arguments.devices <= SMALL:
        parser.error(f"--devices must be more than {SMALL}")
    with tempfile.TemporaryDirectory() as place:
        small = Server(EmbeddedStore(Path(place, "small")))
        large = Server(EmbeddedStore(Path(place, "large"), maxmemory_bytes=ROOM_BYTES))
        small.start()
        try:
            large.start()
            try:
                rows, says = measure(small, large, arguments.devices, arguments.samples)
            finally:
                large.stop()
        finally:
            small.stop()
    path = save("macro-registry", "A registry of many devices", rows, says, ("redis", "hiredis", "msgspec", "uvloop"))
    print("\n".join(" | ".join(row.values()) for row in rows))
    print("\n".join(says))
    print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
