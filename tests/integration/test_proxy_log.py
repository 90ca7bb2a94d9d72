"""What the log tells of requests, and that a client which leaves costs nothing that lasts."""

import asyncio
import json
import threading
from collections.abc import Callable

import pytest

from gateway.registry.answers import Claim, ClaimAnswer
from tests.integration.backend import Peer, RecordingBackend, Seen
from tests.integration.client import RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device

OPEN = b"GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n"


def test_refused_request_leaves_one_line_with_what_is_known(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway()
    with RawClient(gateway.address) as client:
        assert client.ask(device.request()).status == 200
        got = client.ask(device.request(created=1, label="odd", keyid="k" * 300, send_alg=True))
    line = gateway.line("request.refused")
    assert line["requestId"] == got.problem["requestId"]
    assert (line["reason"], line["status"], line["client_id"]) == ("policy.too_old", 401, "dev1")
    assert (line["method"], line["path"]) == ("POST", "/api/v1/clients/dev1/capabilities")
    assert (line["label"], line["keyid"], line["alg"]) == ("odd", "k" * 200, "ecdsa-p256-sha256")
    assert line["age_s"] > 1_000_000_000
    assert line["peer"] == "127.0.0.1"
    assert gateway.lines("request.forwarded") == []


def test_all_requests_are_logged_where_that_is_wanted(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(log={"requests": "all"})
    with RawClient(gateway.address) as client:
        assert client.ask(device.request()).status == 200
        assert client.ask(OPEN).status == 200
    signed, opened = gateway.wait_for(
        lambda: len(gateway.lines("request.forwarded")) == 2 and gateway.lines("request.forwarded")
    )
    assert (signed["client_id"], signed["label"], signed["status"]) == ("dev1", "sig1", 200)
    assert signed["client_address"] == "127.0.0.1"
    assert (opened["path"], opened["status"]) == ("/api/v1/onboarding/certificate", 200)


def test_nothing_but_our_own_trouble_is_logged_where_that_is_wanted(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(log={"requests": "none"})
    backend.stop_listening()
    with RawClient(gateway.address) as client:
        assert client.ask(device.request(created=1)).status == 401
        assert client.ask(device.request()).status == 502
    line = gateway.line("request.refused")
    assert (line["reason"], line["level"]) == ("upstream.unreachable", "error")
    assert len(gateway.lines("request.refused")) == 1


def test_what_is_worth_a_note_is_noted(make_gateway: MakeGateway, device: Device) -> None:
    """R11: a keyid that names another key is logged."""
    gateway = make_gateway()
    with RawClient(gateway.address) as client:
        assert client.ask(device.request(keyid="another")).status == 200
    line = gateway.line("request.forwarded")
    assert "keyid" in " ".join(line["notes"])


def test_a_line_stays_short_whatever_a_sender_calls_its_signatures(make_gateway: MakeGateway, device: Device) -> None:
    """R29: longer lines are torn by other workers' on a pipe, and cost the log more than the sender."""
    gateway = make_gateway()
    name = b"y" * 6000
    beside = b"\r\nSignature-Input: %b=()\r\nSignature: %b=:AAAA:\r\n" % (name, name)
    with RawClient(gateway.address) as client:
        assert client.ask(device.request(label="x" * 6000).replace(b"\r\n", beside, 1)).status == 200
    line = gateway.line("request.forwarded")
    assert len(json.dumps(line)) < 1500
    assert line["notes"][0].startswith("label yyy")
    assert line["notes"][0].endswith("yyy: signature.empty_coverage")


@pytest.mark.parametrize("spool_bytes", [262_144, 1], ids=["in memory", "spooled"])
def test_client_that_left_is_logged_once(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, spool_bytes: int
) -> None:
    def say_nothing(peer: Peer, seen: Seen) -> bool:
        peer.read_until(b"never")
        return False

    backend.script = say_nothing
    gateway = make_gateway(log={"requests": "all"}, limits={"spool_bytes": spool_bytes})
    with RawClient(gateway.address) as client:
        client.send(device.request(body=b"abc"))
        backend.wait(lambda: backend.requests)
        client.reset()
    assert gateway.line("request.abandoned")["method"] == "POST"
    backend.wait(lambda: backend.ended == 1)
    assert len(gateway.lines("request.abandoned")) == 1


def test_answer_that_broke_off_is_logged(make_gateway: MakeGateway, device: Device, backend: RecordingBackend) -> None:
    def die(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
        return False

    backend.script = die
    gateway = make_gateway()
    with RawClient(gateway.address) as client:
        client.send(device.request())
        line = gateway.line("request.refused")
    assert line["reason"] == "upstream.bad_answer"
    assert "broke off" in line["detail"]


def test_claim_of_a_client_that_left_before_it_was_used_is_taken_back(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, plane: str
) -> None:
    """R13: no octet was written to the backend."""
    gateway = make_gateway()
    owner, name = (gateway.runtime.driver, "claims") if plane == "native" else (gateway.runtime.exchange, "_claims")
    claims = getattr(owner, name)
    claimed: list[bytes] = []
    released: list[bytes] = []
    abandoned: list[Callable[[], bool]] = []
    reached = threading.Event()

    class Held:
        """Claims that are answered when the test says so."""

        def claim(self, key: bytes, ttl_ms: int) -> "asyncio.Future[Claim]":
            future: asyncio.Future[Claim] = asyncio.get_running_loop().create_future()
            if claimed:
                abandoned.append(future.cancelled)
                reached.set()
            else:
                future.set_result(Claim.CLAIMED)
            claimed.append(key)
            return future

        def ask(self, key: bytes, ttl_ms: int, answered: Callable[[ClaimAnswer], bool]) -> None:
            if claimed:
                abandoned.append(lambda: not answered(Claim.CLAIMED))
                reached.set()
            else:
                asyncio.get_running_loop().call_soon(answered, Claim.CLAIMED)
            claimed.append(key)

        def release(self, key: bytes) -> None:
            released.append(key)

        def since_s(self, keys: object) -> float:
            return 0.0

    backend.stop_listening()
    gateway.call(lambda: setattr(owner, name, Held()))
    try:
        with RawClient(gateway.address) as client:
            # Claimed, and then the backend could not be reached.
            assert client.ask(device.request()).status == 502
            gateway.wait_for(lambda: released == claimed)
        with RawClient(gateway.address) as client:
            client.send(device.request())
            assert reached.wait(20)
        # The client is gone while its claim is under way: whoever answers it finds that nobody waits.
        gateway.wait_for(lambda: not gateway.runtime.server.connections)
        gateway.wait_for(lambda: gateway.call(abandoned[0]))
    finally:
        gateway.call(lambda: setattr(owner, name, claims))
