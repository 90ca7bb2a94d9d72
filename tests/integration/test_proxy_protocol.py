"""The PROXY protocol on the listener: required of listed peers, refused from all others, and no way to forge an origin."""

import socket
import struct
from pathlib import Path

import pytest

from tests.integration.backend import RecordingBackend
from tests.integration.client import Broken, RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway

LISTED = {"proxy_protocol": ["127.0.0.1/32"]}
V1 = b"PROXY TCP4 192.0.2.9 198.51.100.1 50000 443\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LOCAL = SIGNATURE + struct.pack("!BBH", 0x20, 0, 0)
UNIX = SIGNATURE + struct.pack("!BBH", 0x21, 0x31, 216) + b"/run/x".ljust(216, b"\0")


def v2(source: str = "192.0.2.9", more: bytes = b"") -> bytes:
    block = socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 50000, 443) + more
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x11, len(block)) + block


def ask(gateway: Gateway, header: bytes, request: bytes) -> tuple[int, str]:
    with RawClient(gateway.address) as client:
        client.send(header + request)
        answer = client.answer()
    return answer.status, answer.reason if answer.status >= 400 else ""


def closed_without_a_word(gateway: Gateway, octets: bytes) -> bool:
    with RawClient(gateway.address) as client:
        client.send(octets)
        try:
            return client.rest() == b""
        except Broken as broken:
            return broken.received == b""


@pytest.mark.parametrize("header", [V1, v2(), v2(more=b"\x04\x00\x03abc")], ids=["v1", "v2", "v2-tlv"])
def test_the_client_is_who_the_header_names(
    header: bytes, make_gateway: MakeGateway, backend: RecordingBackend, device: Device
) -> None:
    gateway = make_gateway(listen=LISTED, log={"requests": "all"})
    with RawClient(gateway.address) as client:
        for octet in header:
            client.send(bytes([octet]))
        for _ in range(2):
            assert client.ask(device.request()).status == 200
    assert [seen.values(b"x-forwarded-for") for seen in backend.requests] == [[b"192.0.2.9"]] * 2
    assert gateway.line("request.forwarded")["peer"] == "192.0.2.9"


@pytest.mark.parametrize("octets", [b"", b"\x16\x03\x01\x00", b"PROXY TCP4 192.0.2.9\r\n", b"PROXY TCP5 "])
def test_a_listed_peer_without_a_header_is_turned_away(
    octets: bytes, make_gateway: MakeGateway, backend: RecordingBackend, device: Device
) -> None:
    gateway = make_gateway(listen=LISTED)
    assert closed_without_a_word(gateway, octets + device.request())
    assert "PROXY" in gateway.line("connection.refused")["detail"]
    assert backend.octets == b""


@pytest.mark.parametrize("header", [V1, v2()], ids=["v1", "v2"])
@pytest.mark.parametrize("listen", [{}, {"proxy_protocol": ["10.0.0.0/8"]}], ids=["off", "another"])
def test_a_header_of_anybody_else_is_a_bad_request(
    header: bytes, listen: dict[str, object], make_gateway: MakeGateway, backend: RecordingBackend, device: Device
) -> None:
    gateway = make_gateway(listen=listen)
    status, reason = ask(gateway, header, device.request())
    assert (status, reason.partition(".")[0]) == (400, "request")
    assert backend.octets == b""


def test_a_second_header_is_a_bad_request(make_gateway: MakeGateway, backend: RecordingBackend, device: Device) -> None:
    gateway = make_gateway(listen=LISTED)
    assert ask(gateway, V1 + V1, device.request())[0] == 400
    assert backend.octets == b""


FORGED = (("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Host", "evil.example.com"), ("X-Forwarded-Proto", "http"))


@pytest.mark.parametrize("header", [V1, v2()], ids=["v1", "v2"])
def test_r6_that_the_balancer_is_trusted_does_not_make_its_clients_so(
    header: bytes, make_gateway: MakeGateway, backend: RecordingBackend, device: Device
) -> None:
    gateway = make_gateway(listen={**LISTED, "trusted_proxies": ["127.0.0.1/32"]})
    assert ask(gateway, header, device.request(fields=FORGED)) == (200, "")
    assert backend.requests[0].values(b"x-forwarded-for") == [b"192.0.2.9"]
    assert b"evil" not in backend.octets


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", LOCAL, UNIX], ids=["unknown", "local", "unix"])
def test_r6_a_connection_without_a_client_vouches_for_nothing(
    header: bytes, make_gateway: MakeGateway, backend: RecordingBackend, device: Device
) -> None:
    listen = {**LISTED, "trusted_proxies": ["127.0.0.1/32"]}
    gateway = make_gateway(listen=listen)
    assert ask(gateway, header, device.request(fields=FORGED)) == (200, "")
    assert backend.requests[0].values(b"x-forwarded-for") == [b"127.0.0.1"]
    blind = make_gateway(fresh=True, listen=listen)
    forged = (("X-Forwarded-Host", "wfm.example.com"), ("X-Forwarded-Proto", "https"))
    assert ask(blind, header, device.request(fields=forged)) == (400, "request.bad_host")
    assert ask(blind, v2("127.0.0.1"), device.request(fields=forged)) == (200, "")


def test_a_trusted_proxy_behind_the_balancer_is_believed(
    make_gateway: MakeGateway, backend: RecordingBackend, device: Device
) -> None:
    gateway = make_gateway(listen={**LISTED, "trusted_proxies": ["10.0.0.0/8"]})
    fields = (("X-Forwarded-For", "203.0.113.5"),)
    assert ask(gateway, v2("10.0.0.7"), device.request(fields=fields)) == (200, "")
    assert backend.requests[0].values(b"x-forwarded-for") == [b"203.0.113.5"]


def test_r5_a_header_that_does_not_come_ends_the_connection(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(listen=LISTED, limits={"head_timeout_s": 0.2})
    assert closed_without_a_word(gateway, b"PROXY TC")
    assert "TimeoutError" in gateway.line("connection.refused")["detail"]


def test_r5_those_who_wait_at_the_door_are_bounded(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(listen=LISTED, limits={"connections": 1})
    with RawClient(gateway.address) as first:
        first.send(b"PROXY ")
        gateway.wait_for(lambda: gateway.call(lambda: gateway.runtime.door.busy))
        assert closed_without_a_word(gateway, b"")
        first.send(V1.removeprefix(b"PROXY "))
        assert first.ask(device.request()).status == 200


def test_over_a_unix_socket(
    make_gateway: MakeGateway, backend: RecordingBackend, device: Device, tmp_path: Path
) -> None:
    path = str(tmp_path / "gw.sock")
    make_gateway(listen={"address": f"unix:{path}", "proxy_protocol": ["unix"], "trusted_proxies": ["unix"]})
    with RawClient(path) as client:
        client.send(v2())
        assert client.ask(device.request(fields=FORGED)).status == 200
    assert backend.requests[0].values(b"x-forwarded-for") == [b"192.0.2.9"]
