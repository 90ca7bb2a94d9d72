"""A device that only the WFM knows sends its first request through a running gateway (R23, R26, R27)."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.reasons import Reason
from gateway.registry.embedded import Server
from gateway.registry.keys import client_key
from gateway.registry.link import Link
from gateway.registry.recorder import Recorder
from gateway.registry.registration import Decision, Outcome, prepare
from gateway.registry.store import Store
from gateway.registry.store_url import EmbeddedStore
from tests.fault.rig import PATIENT, run
from tests.fault.valkey import Valkey
from tests.integration.backend import OK, Peer, RecordingBackend, Seen
from tests.integration.client import RawClient
from tests.integration.conftest import MakeGateway, register
from tests.integration.harness import Device, make_device
from tests.support.certificates import certificate, p256_spki


@pytest.fixture
def wfm(backend: RecordingBackend) -> dict[str, bytes]:
    """Certificates by client id, as the backend's own API tells them; change it in the test."""
    known: dict[str, bytes] = {}

    def script(peer: Peer, seen: Seen) -> bool:
        _, path, _ = seen.request_line.decode().split(" ")
        if not path.startswith("/admin/"):
            peer.sock.sendall(OK)
            return True
        found = known.get(path.split("/")[3])
        body = b"" if found is None else json.dumps({"certificate": base64.b64encode(found).decode()}).encode()
        status = b"404 Not Found" if found is None else b"200 OK"
        peer.sock.sendall(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        return True

    backend.script = script
    return known


@pytest.fixture
def client(make_gateway: MakeGateway, backend: RecordingBackend) -> Iterator[RawClient]:
    gateway = make_gateway(registry={"origin": backend.url + "/admin/clients/{clientId}/certificate"})
    with RawClient(gateway.address) as made:
        yield made


def lookups(backend: RecordingBackend) -> int:
    return len([seen for seen in backend.requests if b"/admin/" in seen.request_line])


def test_r23_a_device_of_the_wfm_is_served_at_its_first_request(
    client: RawClient, wfm: dict[str, bytes], backend: RecordingBackend, valkey: Valkey
) -> None:
    device = make_device("dev-9")
    wfm["dev-9"] = device.certificate
    for _ in range(3):
        assert client.ask(device.request()).status == 200
    assert lookups(backend) == 1
    assert valkey.client.exists(client_key("default", "dev-9"))


def test_r23_a_stranger_is_refused_and_asked_for_once(
    client: RawClient, wfm: dict[str, bytes], backend: RecordingBackend
) -> None:
    device = make_device("nobody")
    for _ in range(3):
        answer = client.ask(device.request())
        assert (answer.status, answer.reason) == (404, Reason.KEY_UNKNOWN)
    assert lookups(backend) == 1


def test_r23_what_the_origin_says_proves_nothing_by_itself(client: RawClient, wfm: dict[str, bytes]) -> None:
    wfm["dev-9"] = make_device("dev-9").certificate
    assert client.ask(make_device("dev-9").request()).reason == Reason.SIGNATURE_WRONG


def test_r26_an_origin_in_trouble_is_503_never_401(
    client: RawClient, wfm: dict[str, bytes], backend: RecordingBackend
) -> None:
    wfm["dev-9"] = b"nonsense"
    answer = client.ask(make_device("dev-9").request())
    assert (answer.status, answer.reason) == (503, Reason.UPSTREAM_ORIGIN)
    assert answer.values(b"retry-after") == [b"5"]


def test_r20_the_key_of_another_client_is_409(
    client: RawClient, wfm: dict[str, bytes], device: Device, valkey: Valkey
) -> None:
    wfm["dev-9"] = device.certificate
    answer = client.ask(make_device("dev-9").request())
    assert (answer.status, answer.reason) == (409, Reason.KEY_TAKEN)
    assert not valkey.client.exists(client_key("default", "dev-9"))


def test_r22_a_removed_key_is_403(client: RawClient, wfm: dict[str, bytes], valkey: Valkey) -> None:
    other = make_device("other")
    register(valkey, other)
    with Store.connect(valkey.endpoint, "test") as store:
        store.remove("default", "other")
    wfm["dev-9"] = other.certificate
    answer = client.ask(make_device("dev-9").request())
    assert (answer.status, answer.reason) == (403, Reason.KEY_REMOVED)


def test_known_clients_do_not_need_the_origin(
    client: RawClient, wfm: dict[str, bytes], device: Device, backend: RecordingBackend
) -> None:
    assert client.ask(device.request()).status == 200
    assert lookups(backend) == 0


@pytest.mark.parametrize("user", ["onboarding", "request"])
def test_r27_only_the_user_for_it_may_record(tmp_path: Path, user: str) -> None:
    server = Server(EmbeddedStore(tmp_path / "store", None, 1 << 28))
    server.start()

    async def body() -> None:
        loop = asyncio.get_running_loop()
        link = Link(getattr(server, user), SystemClock(), loop, **PATIENT)
        link.start()
        await link.ready()
        told: asyncio.Future[object] = loop.create_future()
        wanted = prepare("default", "dev1", certificate(p256_spki()), "test", int(time.time()))
        Recorder(link, "origin", SystemClock(), durable=True).carry_out(wanted, told.set_result)
        answer = await told
        link.close()
        if user == "onboarding":
            assert isinstance(answer, Decision)
            assert answer.outcome is Outcome.ADDED
        else:
            assert "NOPERM" in str(answer)

    try:
        run(body())
    finally:
        server.stop()
