"""A device's signature survives a real load balancer that ends TLS 1.3 and rewrites Host (R6, R7)."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.backend import RecordingBackend
from tests.integration.balancers import Balancer
from tests.integration.client import RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device

PROGRAMS = [
    pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed"))
    for name in ("nginx", "haproxy")
]


@pytest.fixture(params=PROGRAMS)
def balancer(
    request: pytest.FixtureRequest, make_gateway: MakeGateway, device: Device, tmp_path: Path
) -> Iterator[Balancer]:
    gateway = make_gateway(listen={"trusted_proxies": ["127.0.0.1/32"]}, policy={"replay": "all"})
    folder = tmp_path / "balancer"
    folder.mkdir()
    with Balancer(request.param, gateway.port, folder) as made:
        yield made


def ask(balancer: Balancer, octets: bytes) -> tuple[int, str]:
    """Status and reason of the answer to one request."""
    with RawClient(balancer.connect()) as client:
        client.send(octets)
        answer = client.answer()
    return answer.status, answer.reason if answer.status >= 400 else ""


def test_signatures_survive_the_balancer(balancer: Balancer, backend: RecordingBackend, device: Device) -> None:
    assert ask(balancer, device.request(body=b'{"large":"' + b"x" * 100_000 + b'"}'))[0] == 200
    assert ask(balancer, device.request("GET", "deployments"))[0] == 200
    assert ask(balancer, device.chunked([b"abc", b"def"]))[0] == 200
    assert b"Host: wfm.example.com\r\n" in backend.octets


def test_r7_the_spelling_that_was_signed_reaches_the_backend(
    balancer: Balancer, backend: RecordingBackend, device: Device
) -> None:
    assert ask(balancer, device.request(authority="WFM.example.com:443"))[0] == 200
    assert b"Host: WFM.example.com:443\r\n" in backend.octets


def test_refusals_come_back_through_the_balancer(balancer: Balancer, backend: RecordingBackend, device: Device) -> None:
    good = device.request(body=b"0123456789")
    assert ask(balancer, good.replace(b"0123456789", b"0123456780")) == (400, "digest.mismatch")
    assert ask(balancer, device.request(authority="other.example.com")) == (401, "signature.wrong")
    assert backend.octets == b""
    assert ask(balancer, good)[0] == 200
    assert ask(balancer, good) == (401, "replay.seen")
    assert len(backend.requests) == 1


def test_r6_what_the_device_says_of_itself_is_overwritten(
    balancer: Balancer, backend: RecordingBackend, device: Device
) -> None:
    forged = (("X-Forwarded-Proto", "http"), ("X-Real-IP", "9.9.9.9"))
    assert ask(balancer, device.request(fields=forged))[0] == 200
    assert b"9.9.9.9" not in backend.octets
    assert b"X-Forwarded-Proto: https\r\n" in backend.octets
