"""What L1 costs in a worker: time of a hit, memory and collector pause with many devices known.

The time of a hit is compared with that of a plain dictionary look-up in the same run, because that is the limit.
"""

import argparse
import asyncio
import datetime
import gc
import hashlib
import os
import resource
import statistics
import sys
import time
import timeit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.record import save
from benchmarks.row import at_most
from gateway.clock import SystemClock
from gateway.config.registry import Registry
from gateway.demo.pki import issue, make_authority
from gateway.model import Algorithm, Certificate, KeyType, Status
from gateway.registry.cache import Cache
from gateway.registry.directory import Directory
from gateway.registry.link import Link
from gateway.registry.records import Record, StoredCertificate, decode, encode
from gateway.registry.store_url import Endpoint
from gateway.signature.keys import KeyPool

SPKI_P256_BYTES = 91

KEYS = 20_000
"""How many are pooled, to find what one takes."""


def _template() -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    device = issue(make_authority("Fleet CA", now), "device", Algorithm.ECDSA_P256_SHA256, now)
    return x509.load_pem_x509_certificate(device.certificate_pem).public_bytes(Encoding.DER)


_TEMPLATE = _template()


def record(number: int) -> Record:
    """A device with one P-256 certificate, whose values are its own as real ones are."""
    spki = os.urandom(SPKI_P256_BYTES)
    der = _TEMPLATE[:-32] + os.urandom(32)  # another signature, and so another hash
    begins = 1_700_000_000 + number
    certificate = StoredCertificate(
        der=der,
        sha256=hashlib.sha256(der).hexdigest(),
        spki=spki,
        spki_sha256=hashlib.sha256(spki).hexdigest(),
        key_type=KeyType.P256,
        bits=256,
        not_before=begins,
        not_after=begins + 31_536_000,
        added=begins,
    )
    name = f"{number:08x}-0b0a-4d2b-9c3e-1f2a3b4c5d6e"
    return Record(
        realm="default",
        id=name,
        status=Status.ACTIVE,
        since=begins,
        certs=(certificate,),
        labels={"site": f"plant-{number % 20}"},
        tenant="acme",
    )


def resident_bytes() -> int:
    """Memory of this process at the moment (Linux), or its peak elsewhere."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fill(cache: Cache, count: int) -> None:
    """Put devices in as they come from the store."""
    for number in range(count):
        device = record(number)
        cache.put(decode(encode(device), device.realm, device.id))


def pause_ms() -> float:
    """CPU time of a full collection."""
    before = time.process_time()
    gc.collect()
    return (time.process_time() - before) * 1e3


def pooled_bytes() -> float:
    """Resident bytes of one parsed P-256 key in a pool."""
    certificates = [certificate(number) for number in range(KEYS)]
    pool = KeyPool(KEYS)
    pool.get(certificates[0])
    before = resident_bytes()
    for one in certificates[1:]:
        pool.get(one)
    return (resident_bytes() - before) / (KEYS - 1)


def certificate(number: int) -> Certificate:
    """One with a real key."""
    public = ec.derive_private_key(number + 1, ec.SECP256R1()).public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Certificate("", spki, hashlib.sha256(spki).hexdigest(), KeyType.P256, 256, 0, 4_000_000_000)


def hit_ns(directory: Directory, names: list[str], rounds: int) -> tuple[float, float]:
    """Median nanoseconds of a hit, and of a look-up in a dictionary of the same keys."""
    plain = {("default", name): name for name in names}
    ours, limit = [], []
    clock = time.process_time
    for _ in range(rounds):
        directory.changes.last_good_s = time.monotonic() + 60  # as after a good poll
        ours.append(timeit.timeit(lambda: [directory.find("default", name) for name in names], timer=clock, number=1))
        limit.append(timeit.timeit(lambda: [plain["default", name] for name in names], timer=clock, number=1))
    return tuple(statistics.median(times) / len(names) * 1e9 for times in (ours, limit))  # type: ignore[return-value]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: python -m benchmarks.micro.l1"
    )
    parser.add_argument("--devices", type=int, default=100_000, help="how many clients to know (default 100000)")
    parser.add_argument("--rounds", type=int, default=31, help="rounds of look-ups (default 31)")
    arguments = parser.parse_args()
    loop = asyncio.new_event_loop()
    link = Link(Endpoint(path="/none"), SystemClock(), loop)
    directory = Directory(link, entries=arguments.devices)
    fill(Cache(1), 1_000)  # what the first records load is not theirs
    gc.collect()
    gc.freeze()  # as a worker does before it serves
    pause_before = min(pause_ms() for _ in range(5))
    before = resident_bytes()
    fill(directory.cache, arguments.devices)
    per_client = (resident_bytes() - before) / arguments.devices
    pauses = [pause_ms() for _ in range(5)]
    pause_after = min(pauses)
    per_key = pooled_bytes()
    stride = max(1, arguments.devices // 5_000)
    names = [f"{number:08x}-0b0a-4d2b-9c3e-1f2a3b4c5d6e" for number in range(0, arguments.devices, stride)]
    ours, limit = hit_ns(directory, names, arguments.rounds)
    loop.close()
    rows = [
        {
            "devices": arguments.devices,
            "bytes each": round(per_client),
            "bytes of a pooled P-256 key": round(per_key),
            "full collection, ms": f"{pause_after:.1f} (empty: {pause_before:.1f})",
            "hit, ns": round(ours),
            "dictionary look-up, ns": round(limit),
            "ratio": f"{ours / limit:.1f}",
        }
    ]
    says = [
        f"Each device has one P-256 certificate; a hit is `Directory.find` over {len(names)} of them in turn, CPU "
        f"time, median of {arguments.rounds} rounds; bytes are resident memory of the process.",
        f"The table says {directory.cache.octets / arguments.devices:.0f} octets each of itself, which is what "
        "`registry.l1_bytes` bounds.",
        "A hit is of a device that is not among the few that are kept as objects too: it is read from its octets.",
        "What was there at the start is frozen, as a worker does it before it serves.",
        "Not shown: the first look-up of a device, which asks the store.",
    ]
    bars = [
        at_most("L1, memory per record", 1024, [per_client], " B", 0),
        at_most("L1, memory per pooled P-256 key", 2560, [per_key], " B", 0),
        at_most("L1, default bound per worker (`registry.l1_bytes`)", 64, [Registry().l1_bytes / (1 << 20)], " MiB", 0),
        at_most(f"longest collector pause with {arguments.devices:,} entries", 5, [max(pauses)], " ms", 1),
    ]
    path = save("micro-l1", "Known devices in a worker's memory", rows, says, ("msgspec",), bars=bars)
    print("\n".join(" | ".join(f"{name}: {value}" for name, value in row.items()) for row in rows))
    print("\n".join(says))
    print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
