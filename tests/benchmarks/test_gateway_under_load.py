"""The macro benchmark's fleet and signed requests against a real gateway: what it measures is a verified request."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load.backend import Backend
from benchmarks.load.generator import LoadFailed, Shots, send
from benchmarks.macro import process
from benchmarks.macro.fleet import Fleet
from benchmarks.macro.gateway import Gateway
from benchmarks.macro.presign import presign, status_body
from gateway.model import Algorithm

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the load generator is for Linux"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]

FLEET = Fleet(Algorithm.ECDSA_P384_SHA384, 5)
CORE = min(os.sched_getaffinity(0))


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with Backend(CORE) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("bench") / "gateway"
    with Gateway("gateway", folder, backend.port, FLEET, {"log": {"requests": "all"}}, core=CORE, beside=CORE) as it:
        yield it


def signed(folder: Path, count: int) -> Shots:
    return presign(folder, FLEET, [number % FLEET.count for number in range(count)], status_body())


def test_every_signed_request_verifies_and_reaches_the_backend(
    backend: Backend, gateway: Gateway, tmp_path: Path
) -> None:
    before, cpu_ns = backend.requests, process.cpu_ns(gateway.worker)
    assert send(gateway.port, signed(tmp_path, 60), 60, connections=4).answered == 60
    assert backend.requests - before == 60
    assert process.cpu_ns(gateway.worker) > cpu_ns


def test_no_request_counts_twice(backend: Backend, gateway: Gateway, tmp_path: Path) -> None:
    shots = signed(tmp_path, 8)
    before = backend.requests
    send(gateway.port, shots, 8, connections=2)
    with pytest.raises(LoadFailed, match="'401': 8"):
        send(gateway.port, shots, 8, connections=2)
    assert backend.requests - before == 8


def test_a_request_with_another_body_does_not_count(backend: Backend, gateway: Gateway, tmp_path: Path) -> None:
    shots = signed(tmp_path, 8)
    assert shots.body is not None
    shots.body.write_bytes(status_body().replace(b"installed", b"destroyed"))
    before = backend.requests
    with pytest.raises(LoadFailed, match="'400': 8"):
        send(gateway.port, shots, 8, connections=2)
    assert backend.requests == before


def test_a_gateway_that_does_not_start_says_so(backend: Backend, tmp_path: Path) -> None:
    wrong = {"policy": {"max_age_s": 0}}
    gateway = Gateway("gateway", tmp_path / "gateway", backend.port, FLEET, wrong, core=CORE, beside=CORE)
    with pytest.raises(RuntimeError, match=r"gateway did not start: .*max_age_s"), gateway:
        pass
