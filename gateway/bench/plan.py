"""How much is measured: the whole of it, and the quick form."""

import os
from typing import Final

import msgspec

from gateway.model import Algorithm


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a run. `rounds` and `calls` are of the pieces; `load_rounds` and `requests` of the loads, with `slow`
    for algorithms that take long to sign; `paced_s` is how long latency is measured."""

    rsa_bits: tuple[int, ...]
    bodies: tuple[int, ...]
    components: tuple[int, ...]
    rounds: int
    calls: int
    load_rounds: int
    requests: int
    slow: int
    paced_s: float
    workers: tuple[int, ...]


QUICK_ALGORITHMS: Final = (Algorithm.ECDSA_P256_SHA256, Algorithm.ED25519)
"""Those that sign as fast as they verify."""
LOADED: Final = (
    Algorithm.ECDSA_P256_SHA256,
    Algorithm.ECDSA_P384_SHA384,
    Algorithm.ED25519,
    Algorithm.RSA_PSS_SHA512,
)
"""What is sent through a gateway."""
USUAL_BODY: Final = 400
USUAL_COMPONENTS: Final = 4


def quick() -> Plan:
    """Less than half a minute on a machine that has nothing else to do."""
    return Plan(
        rsa_bits=(2048,),
        bodies=(0, USUAL_BODY, 65_536),
        components=(USUAL_COMPONENTS, 16),
        rounds=9,
        calls=8,
        load_rounds=3,
        requests=1200,
        slow=300,
        paced_s=2.0,
        workers=(1, 2) if _cores() > 1 else (1,),
    )


def whole() -> Plan:
    """Some minutes."""
    cores = _cores()
    return Plan(
        rsa_bits=(2048, 3072, 4096),
        bodies=(0, USUAL_BODY, 4096, 65_536, 1_048_576),
        components=(USUAL_COMPONENTS, 8, 16, 32),
        rounds=15,
        calls=10,
        load_rounds=9,
        requests=4000,
        slow=800,
        paced_s=10.0,
        workers=tuple(sorted({1, cores, *(count for count in (2, 4, 8, 16, 32) if count <= cores)})),
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
