"""What nobody can avoid: one verification in OpenSSL, on the measured core, while the other core is as busy as it is
when the gateway is measured."""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.load.generator import Shots, send
from benchmarks.macro.fleet import Fleet

WARM_S: Final = 0.05
_HASHES: Final = {256: hashes.SHA256(), 384: hashes.SHA384()}


def verifier(fleet: Fleet) -> Callable[[], None]:
    """Verifies one signature of the first device over a base of usual length."""
    key = fleet.key(0)
    public, algorithm = key.public_key(), ec.ECDSA(_HASHES[key.key_size])
    base = b"b" * 420
    der = key.sign(base, algorithm)

    def run() -> None:
        public.verify(der, base, algorithm)

    return run


def bare_us(
    run: Callable[[], None], core: int, beside: int, port: int, shots: Shots, rate: float, seconds: float
) -> float:
    """CPU microseconds of one verification.

    :param port: of the backend: load goes straight to it, at `rate`, from the other core
    """
    requests = max(1, int(rate * (seconds + 2 * WARM_S)))
    load = threading.Thread(target=send, args=(port, shots, requests), kwargs={"rate": rate, "core": beside})
    load.start()
    os.sched_setaffinity(0, {core})
    try:
        end = time.perf_counter() + WARM_S
        while time.perf_counter() < end:
            run()
        calls = 0
        end = time.perf_counter() + seconds
        began = time.thread_time_ns()
        while calls == 0 or time.perf_counter() < end:
            for _ in range(10):
                run()
            calls += 10
        took_ns = time.thread_time_ns() - began
    finally:
        os.sched_setaffinity(0, {beside})
        load.join()
    return took_ns / calls / 1e3
