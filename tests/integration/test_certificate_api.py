"""The certificate API: served from a file, cacheable, followed when it changes; or passed through."""

import base64
from pathlib import Path

import pytest
from cryptography import x509

from gateway.reasons import ConfigError, Reason
from tests.integration.backend import RecordingBackend
from tests.integration.client import Answer, RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway, make_device

GET = "GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: wfm.example.com\r\n"


def get(gateway: Gateway, *fields: str, method: str = "GET") -> Answer:
    raw = GET.replace("GET", method, 1) + "".join(f"{field}\r\n" for field in fields) + "\r\n"
    with RawClient(gateway.address) as client:
        return client.ask(raw.encode(), head_only=method == "HEAD")


def certificate_in(answer: Answer) -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(answer.problem["certificate"], validate=True))


@pytest.fixture
def root(tmp_path: Path) -> Device:
    device = make_device("Root CA")
    (tmp_path / "root.pem").write_bytes(device.certificate)
    return device


@pytest.fixture
def serving(make_gateway: MakeGateway, root: Device) -> Gateway:
    return make_gateway(onboarding={"root_ca": "root.pem"})


def test_the_root_ca_comes_from_the_file(serving: Gateway, backend: RecordingBackend, root: Device) -> None:
    answer = get(serving)
    assert answer.status == 200
    assert answer.values(b"content-type") == [b"application/json"]
    assert list(answer.problem) == ["certificate"]
    assert certificate_in(answer) == x509.load_pem_x509_certificate(root.certificate)
    assert b"max-age=" in answer.values(b"cache-control")[0]
    assert backend.octets == b""


def test_who_has_it_is_told_so(serving: Gateway) -> None:
    (tag,) = get(serving).values(b"etag")
    for field in (tag.decode(), f"W/{tag.decode()}", f'"x", {tag.decode()}', "*"):
        answer = get(serving, f"If-None-Match: {field}")
        assert (answer.status, answer.body) == (304, b"")
        assert answer.values(b"etag") == [tag]
        assert answer.values(b"content-length") == []
    assert get(serving, 'If-None-Match: "x"').status == 200


def test_head_has_the_same_head(serving: Gateway) -> None:
    whole, head = get(serving), get(serving, method="HEAD")
    assert head.status == 200
    assert head.body == b""
    assert head.values(b"etag") == whole.values(b"etag")
    assert head.values(b"content-length") == [b"%d" % len(whole.body)]


def test_a_changed_file_is_picked_up(serving: Gateway, tmp_path: Path) -> None:
    before = get(serving)
    other = make_device("Another root")
    fresh = tmp_path / "fresh.pem"
    fresh.write_bytes(other.certificate)
    fresh.replace(tmp_path / "root.pem")
    serving.wait_for(lambda: get(serving).body != before.body)
    after = get(serving, "If-None-Match: " + before.values(b"etag")[0].decode())
    assert after.status == 200
    assert certificate_in(after) == x509.load_pem_x509_certificate(other.certificate)


@pytest.mark.parametrize("damage", ["gone", "empty", "two"])
def test_a_file_that_cannot_be_used_leaves_the_one_before(
    serving: Gateway, tmp_path: Path, root: Device, damage: str
) -> None:
    file = tmp_path / "root.pem"
    before = get(serving)
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(b"" if damage == "empty" else root.certificate * 2)
    serving.wait_for(lambda: get(serving) and serving.lines("onboarding.root_ca"))
    assert get(serving).body == before.body
    assert len(serving.lines("onboarding.root_ca")) == 1


def test_without_a_file_the_wfm_answers(make_gateway: MakeGateway, backend: RecordingBackend) -> None:
    assert get(make_gateway()).body == b"{}"
    assert backend.requests[0].request_line == b"GET /api/v1/onboarding/certificate HTTP/1.1"


def test_a_file_without_a_certificate_keeps_the_gateway_from_starting(
    make_gateway: MakeGateway, tmp_path: Path
) -> None:
    (tmp_path / "root.pem").write_text("x")
    with pytest.raises(ConfigError, match=r"onboarding\.root_ca") as refused:
        make_gateway(onboarding={"root_ca": "root.pem"})
    assert refused.value.reason is Reason.CONFIG_UNREADABLE
