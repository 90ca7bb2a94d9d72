"""Large bodies in both directions against nginx as a plain proxy, and what the worker holds of them in memory."""

import contextlib
from collections.abc import Iterator
from typing import Final

from benchmarks import row
from benchmarks.load.generator import Shots, send
from benchmarks.macro import process
from benchmarks.macro.gateway import Sections
from benchmarks.macro.presign import presign, status_body
from benchmarks.macro.rig import P256, Feed, Prover, Rig, median
from benchmarks.peers import nginx
from benchmarks.peers.peer import Running
from benchmarks.row import Row

MIB: Final = 1 << 20
AT_ONCE: Final = 4
SPOOL_BYTES: Final = 262_144
"""`limits.spool_bytes`, as it is without configuration."""
GENERIC: Final[Sections] = {"policy": {"profile": "generic"}, "route": [{"path": "/devices/{clientId}/**"}]}
DOWNLOAD: Final = 100 * MIB


def measure(rig: Rig, sections: Sections, rounds: int) -> list[Row]:
    """Uploads of 1 and 10 MiB, downloads of 100 MiB; verification on."""
    prover = Prover(rig, P256)
    found: list[Row] = []
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(rig.peer(nginx.PLAIN, P256))
        uploads = stack.enter_context(rig.gateway("gateway", P256, sections)).running
        downloads = stack.enter_context(rig.gateway("gateway", P256, sections, GENERIC)).running
        for size, each in ((MIB, 40), (10 * MIB, 8)):
            rig.say(f"signing uploads of {size // MIB} MiB")
            devices = [i % P256.count for i in range(each * (rounds + 1))]
            shots = presign(rig.folder, P256, devices, status_body(size))
            found += _compare(rig, proxy, uploads, shots, size, each, rounds, f"{size // MIB} MiB bodies")
            prover.prove(uploads)
        target = f"/devices/{{device}}/bytes/{DOWNLOAD}"
        shots = presign(rig.folder, P256, range(8), b"", target, "GET")
        found += _compare(rig, proxy, downloads, shots, DOWNLOAD, 4, rounds, "100 MiB downloads", once=False)
    return found


def _compare(
    rig: Rig,
    proxy: Running,
    gateway: Running,
    shots: Shots,
    size: int,
    each: int,
    rounds: int,
    what: str,
    once: bool = True,
) -> list[Row]:
    feeds = {proxy.name: Feed(shots, once=False), gateway.name: Feed(shots, once)}
    rates: dict[str, list[float]] = {proxy.name: [], gateway.name: []}
    grown: list[float] = []
    for index in range(rounds + 1):
        for subject in (proxy, gateway):
            rig.say(f"{subject.name}, {what}")
            feed = feeds[subject.name]
            with _growth(subject, grown if subject is gateway and index else []):
                done = send(
                    subject.port, shots, each, connections=AT_ONCE, first=feed.take(each), core=rig.beside, limit_s=120
                )
            if index:  # the first round warms up
                rates[subject.name].append(done.rate * size / MIB)
    values = row.ratios(rates[gateway.name], rates[proxy.name])
    note = f"{median(rates[gateway.name]):,.0f} against {median(rates[proxy.name]):,.0f} MiB/s, {AT_ONCE} at a time"
    return [
        row.reported(f"{what}: throughput against nginx plain proxy", values, " ×", note=note),
        _memory(what, size, grown),
    ]


def _memory(what: str, size: int, grown: list[float]) -> Row:
    """Bodies that are held whole would be there four at a time: not even half of one may be."""
    measure = f"{what}: growth of the worker's memory"
    note = f"{AT_ONCE} at a time, `spool_bytes` {SPOOL_BYTES // 1024} KiB, socket and file buffers beside it"
    if size < AT_ONCE * 2 * MIB:
        return row.reported(measure, grown, " MiB", 1, note)
    return row.at_most(measure, size / MIB / 2, grown, " MiB", 1, note)


@contextlib.contextmanager
def _growth(subject: Running, into: list[float]) -> Iterator[None]:
    """Adds how much the memory of a process grew at most, MiB."""
    (pid,) = subject.pids
    process.forget_peak(pid)
    before = process.resident_bytes(pid)
    yield
    into.append((process.peak_bytes(pid) - before) / MIB)
