"""A device's signature survives real load balancers with the files of `deploy/` (R6, R7)."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.backend import RecordingBackend
from tests.integration.balancers import DEPLOY, Balancer, gateway_sections
from tests.integration.client import RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device
from tests.integration.test_tls_listener import write_identity

PROGRAMS = ("nginx", "haproxy")
FILES = sorted(file for program in PROGRAMS for file in (DEPLOY / program).iterdir())


def installed(file: Path) -> list[pytest.MarkDecorator]:
    program = file.parent.name
    return [pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")]


def cases(*names: str) -> list[object]:
    files = [file for file in FILES if not names or file.stem in names]
    return [pytest.param(file, marks=installed(file), id=f"{file.parent.name}-{file.stem}") for file in files]


class Site:
    """A balancer in front of a gateway with the settings that the balancer's file asks for."""

    def __init__(self, balancer: Balancer, name: str, prefix: str) -> None:
        self.balancer = balancer
        self.name = name
        """What devices call."""
        self._prefix = prefix

    def request(self, device: Device, method: str = "POST", **options: object) -> bytes:
        """A signed request to this site."""
        options.setdefault("authority", self.name)
        return device.request(method, prefix=self._prefix, **options)  # type: ignore[arg-type]

    def ask(self, octets: bytes) -> tuple[int, str]:
        """Status and reason of the answer to one request."""
        with RawClient(self.balancer.connect(self.name)) as client:
            client.send(octets)
            answer = client.answer()
        return answer.status, answer.reason if answer.status >= 400 else ""


@pytest.fixture
def site(request: pytest.FixtureRequest, make_gateway: MakeGateway, device: Device, tmp_path: Path) -> Iterator[Site]:
    file: Path = request.param
    sections = gateway_sections(file)
    if "tls_cert" in sections["listen"]:
        sections["listen"] |= write_identity(tmp_path)
    prefix = sections.get("policy", {}).get("base_path", "")
    sections["policy"] = {**sections.get("policy", {}), "replay": "all"}
    gateway = make_gateway(fresh=True, **sections)
    folder = tmp_path / "balancer"
    folder.mkdir()
    with ExitStack() as stack:
        balancer = stack.enter_context(Balancer(file, gateway.port, folder))
        yield Site(balancer, "apps.example.com" if prefix else "wfm.example.com", prefix)


@pytest.mark.parametrize("site", cases(), indirect=True)
def test_signatures_survive_the_balancer(site: Site, backend: RecordingBackend, device: Device) -> None:
    assert site.ask(site.request(device, body=b'{"large":"' + b"x" * 100_000 + b'"}')) == (200, "")
    assert site.ask(site.request(device, "GET", rest="deployments?a=%2B&b=~")) == (200, "")
    assert site.ask(site.request(device, chunks=[b"abc", b"def"])) == (200, "")
    for seen in backend.requests:
        assert seen.values(b"host") == [site.name.encode()]
        assert seen.values(b"x-forwarded-for") == [site.balancer.client_address.encode()]
        assert seen.values(b"x-forwarded-proto") == [b"https"]
    assert len(backend.requests) == 3


HTTP2 = sorted({file.stem for file in FILES} - {"passthrough"})


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("site", cases(*HTTP2), indirect=True)
def test_signatures_survive_http2(site: Site, backend: RecordingBackend, device: Device) -> None:
    good = site.request(device, body=b'{"http":2}')
    assert site.balancer.ask_http2(good)[0] == 200
    assert site.balancer.ask_http2(site.request(device, "GET", rest="deployments"))[0] == 200
    status, body = site.balancer.ask_http2(good)
    assert (status, json.loads(body)["reason"]) == (401, "replay.seen")
    assert len(backend.requests) == 2


@pytest.mark.parametrize("site", cases("x-forwarded", "forwarded"), indirect=True)
def test_r7_the_spelling_that_was_signed_reaches_the_backend(
    site: Site, backend: RecordingBackend, device: Device
) -> None:
    assert site.ask(site.request(device, authority="WFM.example.com:443")) == (200, "")
    assert b"Host: WFM.example.com:443\r\n" in backend.octets


@pytest.mark.parametrize("site", cases(), indirect=True)
def test_refusals_come_back_through_the_balancer(site: Site, backend: RecordingBackend, device: Device) -> None:
    good = site.request(device, body=b"0123456789")
    assert site.ask(good.replace(b"0123456789", b"0123456780")) == (400, "digest.mismatch")
    foreign = site.request(device, authority="other.example.org")
    assert site.ask(foreign.replace(b"Host: other.example.org", b"Host: " + site.name.encode())) == (
        401,
        "signature.wrong",
    )
    assert backend.octets == b""
    assert site.ask(good)[0] == 200
    assert site.ask(good) == (401, "replay.seen")
    assert len(backend.requests) == 1


FORGED = (
    ("X-Forwarded-For", "9.9.9.9"),
    ("X-Forwarded-Host", "evil.example.com"),
    ("X-Forwarded-Proto", "http"),
    ("Forwarded", "for=9.9.9.9;host=evil.example.com;proto=http"),
    ("X-Real-IP", "9.9.9.9"),
)


@pytest.mark.parametrize("site", cases(), indirect=True)
def test_r6_what_the_device_says_of_its_origin_counts_for_nothing(
    site: Site, backend: RecordingBackend, device: Device
) -> None:
    assert site.ask(site.request(device, fields=FORGED)) == (200, "")
    assert b"9.9.9.9" not in backend.octets
    assert b"evil" not in backend.octets
    assert b"X-Forwarded-Proto: https\r\n" in backend.octets


@pytest.mark.parametrize("site", cases("x-forwarded", "forwarded"), indirect=True)
def test_r6_a_device_cannot_end_the_host_that_the_balancer_forwards(
    site: Site, backend: RecordingBackend, device: Device
) -> None:
    good = site.request(device)
    host = b'Host: wfm.example.com";proto="http'
    with RawClient(site.balancer.connect()) as client:
        client.send(good.replace(b"Host: wfm.example.com", host))
        status = int(client.until(b"\r\n").split()[1])
    assert status in (400, 421)
    assert backend.octets == b""


def test_every_file_is_tried() -> None:
    assert {file.stem for file in FILES if file.parent.name == "nginx"} >= {"tls", "x-forwarded", "forwarded"}
    assert {file.stem for file in FILES if file.parent.name == "haproxy"} >= {"tls", "x-forwarded", "forwarded"}
