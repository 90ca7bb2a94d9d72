"""Balancers that break signatures: the log line says which component differs and what to configure; nothing passes."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.backend import RecordingBackend
from tests.integration.balancers import DEPLOY, Balancer, gateway_sections
from tests.integration.client import RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway
from tests.integration.served import COMMAND, ROOT

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")

DIGEST = "sha256:" + "ab" * 32
BUNDLE = f"bundles/{DIGEST}".replace(":", "%3A")


class Break:
    """One mistake in a file of ours: what is replaced in it, what the device does, and what the log must say."""

    def __init__(self, file: str, change: tuple[str, str], says: list[str], **request: Any) -> None:
        self.file = DEPLOY / "nginx" / file
        self.change = change
        self.says = says
        self.request = request


BREAKS = {
    "host": Break(
        "x-forwarded.conf",
        (
            "X-Forwarded-Host $http_host",
            "X-Forwarded-Host gateway.internal;\n    proxy_set_header X-Original-Host $host",
        ),
        ['"@target-uri"', "wfm.example.com", "X-Forwarded-Host", "listen.public_url"],
    ),
    "scheme": Break(
        "x-forwarded.conf",
        ("X-Forwarded-Proto $scheme", "X-Forwarded-Proto http"),
        ['"@target-uri"', "https", "X-Forwarded-Proto"],
    ),
    "port": Break(
        "x-forwarded.conf",
        ("X-Forwarded-Host $http_host", "X-Forwarded-Host $host"),
        ['"@target-uri"', "wfm.example.com:8443", "listen.public_url"],
        authority="wfm.example.com:8443",
    ),
    "prefix": Break(
        "path-prefix.conf",
        ("http://wfm_gateway;", "http://wfm_gateway/;"),
        ["policy.base_path", "/wfm", "let the load balancer not remove"],
        authority="apps.example.com",
        prefix="/wfm",
    ),
    "path": Break(
        "tls.conf",
        ("http://wfm_gateway;", "http://wfm_gateway$uri$is_args$args;"),
        ['"@target-uri"', "%3A", "normalisation"],
        method="GET",
        rest=BUNDLE,
    ),
}


@pytest.fixture(params=BREAKS)
def broken(
    request: pytest.FixtureRequest, make_gateway: MakeGateway, device: Device, tmp_path: Path
) -> Iterator[tuple[Break, Gateway, Balancer]]:
    one = BREAKS[request.param]
    gateway = make_gateway(fresh=True, **gateway_sections(one.file))
    folder = tmp_path / "balancer"
    folder.mkdir()
    with ExitStack() as stack:
        balancer = stack.enter_context(Balancer(one.file, gateway.port, folder, dict([one.change])))
        yield one, gateway, balancer


def test_the_log_line_says_what_to_configure(
    broken: tuple[Break, Gateway, Balancer], backend: RecordingBackend, device: Device
) -> None:
    one, gateway, balancer = broken
    with RawClient(balancer.connect(one.request.get("authority", "wfm.example.com").partition(":")[0])) as client:
        answer = client.ask(device.request(**one.request))
    assert answer.status in (401, 404)
    assert backend.octets == b""
    line = gateway.line("request.refused")
    for text in one.says:
        assert text in line["hint"]
    assert "hint" not in answer.problem


def test_a_body_that_a_hop_recoded(make_gateway: MakeGateway, backend: RecordingBackend, device: Device) -> None:
    gateway = make_gateway()
    good = device.request(body=b'{"a": 1}', fields=(("Content-Encoding", "identity"),))
    with RawClient(gateway.address) as client:
        assert client.ask(good.replace(b'{"a": 1}', b'{"a":01}')).reason == "digest.mismatch"
    assert "recode" in gateway.line("request.refused")["hint"]
    assert backend.octets == b""


def test_explain_says_the_same_of_a_capture_behind_the_balancer(device: Device, tmp_path: Path) -> None:
    """Each way to break it, as the gateway receives it."""
    certificate = tmp_path / "device.pem"
    certificate.write_bytes(device.certificate)
    good = device.request(body=b'{"a": 1}')
    cases = {
        "host-changed": ("https://wfm.internal", good.replace(b"Host: wfm.example.com", b"Host: wfm.internal\r\nX-Forwarded-Host: wfm.example.com")),
        "scheme-changed": ("http://wfm.example.com", good),
        "path-rewritten": ("https://wfm.example.com", device.request(prefix="/wfm").replace(b"POST /wfm/", b"POST /")),
        "path-respelled": ("https://wfm.example.com", device.request("GET", BUNDLE).replace(b"%3A", b":")),
        "digest": ("https://wfm.example.com", good.replace(b'{"a": 1}', b'{"a":1}')),
    }  # fmt: skip
    for code, (public_url, raw) in cases.items():
        capture = tmp_path / "capture.txt"
        capture.write_bytes(raw.replace(b"Content-Length: 8", b"Content-Length: 7") if code == "digest" else raw)
        done = subprocess.run(
            [*COMMAND, "explain", "--json", str(capture), "--cert", str(certificate), "--public-url", public_url],
            capture_output=True,
            check=False,
            cwd=ROOT,
        )
        hints = {hint["code"]: hint for hint in json.loads(done.stdout)["hints"]}
        found = [hint for name, hint in hints.items() if code in name]
        assert found, (code, list(hints))
        assert found[0]["gateway"] or code == "digest"
