"""Revocation lists in a running gateway (R19): known devices are refused when their authority revoked them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.proxy import crl_fetch
from tests.fault.valkey import Valkey
from tests.integration.client import Answer, RawClient
from tests.integration.conftest import MakeGateway, register
from tests.integration.harness import Device, Gateway
from tests.integration.list_server import ListServer, answering, endless
from tests.support.openssl import Workshop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    shop = Workshop(tmp_path_factory.mktemp("pki"))
    shop.root("vendor", extensions=None)
    return shop


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer() as made:
        yield made


@pytest.fixture
def vendored(shop: Workshop, valkey: Valkey, request: pytest.FixtureRequest) -> Device:
    """A registered device with a default leaf of OpenSSL under the vendor's authority."""
    name = f"dev{abs(hash(request.node.name))}"
    pem = shop.issue(name, by="vendor").read_bytes()
    key = load_pem_private_key((shop.folder / f"{name}.key").read_bytes(), None)
    device = Device(name, key, pem)  # type: ignore[arg-type]
    register(valkey, device)
    return device


def watching(shop: Workshop, crl: str | Path, **options: Any) -> dict[str, Any]:
    """`[onboarding]` with the vendor's list, looked at every second."""
    entry = {"file": str(shop.path("vendor")), "crl": str(crl)}
    return {"ca": [entry], "crl_refresh_s": 1, **options}


def ask(gateway: Gateway, device: Device) -> Answer:
    with RawClient(gateway.address) as client:
        return client.ask(device.request())


def refused(gateway: Gateway, device: Device) -> str:
    """Wait until the device is refused; the reason."""
    return str(gateway.wait_for(lambda: (answer := ask(gateway, device)).status != 200 and answer).reason)


def test_r19_a_file_that_changes_revokes_a_known_device(
    shop: Workshop, make_gateway: MakeGateway, vendored: Device, device: Device, tmp_path: Path
) -> None:
    path = tmp_path / "vendor.crl"
    path.write_bytes(shop.crl("vendor"))
    gateway = make_gateway(onboarding=watching(shop, path))
    assert ask(gateway, vendored).status == 200
    newer = tmp_path / "newer.crl"
    newer.write_bytes(shop.crl("vendor", revoked=(vendored.client_id,)))
    began = time.monotonic()
    os.replace(newer, path)
    assert refused(gateway, vendored) == "key.revoked"
    assert time.monotonic() - began < 5
    assert ask(gateway, device).status == 200
    gateway.wait_for(lambda: len(gateway.lines("crl.loaded")) == 2)


def test_r19_a_url_is_asked_again_and_revokes_a_known_device(
    shop: Workshop, make_gateway: MakeGateway, vendored: Device, server: ListServer
) -> None:
    server.answer = answering(shop.crl("vendor"))
    gateway = make_gateway(onboarding=watching(shop, server.url))
    assert ask(gateway, vendored).status == 200
    server.answer = answering(shop.run("crl", "-in", _revoking(shop, vendored), "-outform", "DER"))
    assert refused(gateway, vendored) == "key.revoked"
    assert set(server.paths) == {"/vendor.crl"}


def _revoking(shop: Workshop, device: Device) -> str:
    shop.crl("vendor", revoked=(device.client_id,))
    return "vendor.crl"


def test_r19_without_a_list_the_policy_decides(
    shop: Workshop, make_gateway: MakeGateway, vendored: Device, device: Device, server: ListServer
) -> None:
    server.answer = answering(b"gone", 404)
    strict = make_gateway(onboarding=watching(shop, server.url))
    answer = ask(strict, vendored)
    assert (answer.status, answer.reason, answer.problem["retryable"]) == (403, "trust.stale_crl", True)
    assert answer.values(b"retry-after") == [b"60"]
    assert ask(strict, device).status == 200
    assert "answered 404" in strict.line("crl.failing")["detail"]
    assert strict.line("crl.stale")["level"] == "error"
    lenient = make_gateway(onboarding=watching(shop, server.url, stale_crl="accept"))
    assert ask(lenient, vendored).status == 200
    server.answer = answering(shop.crl("vendor"))
    strict.wait_for(lambda: ask(strict, vendored).status == 200)
    assert len(strict.lines("crl.failing")) == 1


def test_r19_a_fetch_is_bounded_and_follows_no_redirect(
    shop: Workshop, make_gateway: MakeGateway, server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crl_fetch, "SIZE_LIMIT_BYTES", 1 << 21)
    elsewhere = answering(b"", 302, Location="http://127.0.0.1:1/other.crl")
    for answer, told in ((elsewhere, "redirects are not followed"), (endless, "larger than"), (_cut, "cannot be")):
        server.answer = answer
        gateway = make_gateway(onboarding=watching(shop, server.url))
        assert told in gateway.line("crl.failing")["detail"]
        gateway.stop()


def _cut(handler: Any) -> None:
    answering(b"-----BEGIN", **{"Content-Length": "100"})(handler)
    handler.close_connection = True


def test_r19_a_fetch_is_bounded_in_time(
    shop: Workshop, make_gateway: MakeGateway, server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crl_fetch, "FETCH_S", 0.2)
    server.answer = lambda handler: time.sleep(1)
    gateway = make_gateway(onboarding=watching(shop, server.url))
    assert "took longer than 0.2 s" in gateway.line("crl.failing")["detail"]


def test_r19_fetched_lists_serve_a_start_without_their_server(
    shop: Workshop, make_gateway: MakeGateway, vendored: Device, server: ListServer, tmp_path: Path
) -> None:
    server.answer = answering(shop.crl("vendor", revoked=(vendored.client_id,)))
    section = watching(shop, server.url) | {"crl_refresh_s": 3600}
    assert ask(make_gateway(onboarding=section), vendored).reason == "key.revoked"
    assert len(server.paths) == 1
    server.answer = answering(b"", 500)
    # Another worker, and every later start, takes what is there and recent.
    second = make_gateway(onboarding=section)
    assert ask(second, vendored).reason == "key.revoked"
    assert len(server.paths) == 1
    assert not second.lines("crl.failing")
    (kept,) = (tmp_path / "data" / "crl").iterdir()
    # What is old is used as well, while its server is asked again.
    os.utime(kept, (time.time() - 4000, time.time() - 4000))
    third = make_gateway(onboarding=section)
    assert ask(third, vendored).reason == "key.revoked"
    assert len(server.paths) == 2
    third.line("crl.failing")
    # A file of somebody else's is not believed.
    shop.root("thief", subject="/CN=vendor")
    kept.write_bytes(shop.crl("thief"))
    fourth = make_gateway(onboarding=section)
    assert ask(fourth, vendored).reason == "trust.stale_crl"
