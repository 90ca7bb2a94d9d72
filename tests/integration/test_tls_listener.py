"""Our own TLS listener: TLS 1.3 only, the certificate followed, and Host as the source of the authority (R7)."""

import datetime
import os
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.demo.pki import issue, make_authority
from gateway.model import Algorithm
from gateway.proxy.tls_identity import LOOK_S
from tests.integration.backend import RecordingBackend
from tests.integration.client import Broken, RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import DEADLINE_S, Device, Gateway

NOW = datetime.datetime.now(datetime.UTC)
AUTHORITY = make_authority("Site CA", NOW)


def write_identity(folder: Path, name: str = "wfm.example.com") -> dict[str, str]:
    """A certificate and its key, put in place by renaming as ACME clients do."""
    identity = issue(AUTHORITY, name, Algorithm.ECDSA_P256_SHA256, NOW)
    for file, octets in (("wfm.key", identity.key_pem), ("wfm.pem", identity.certificate_pem)):
        (folder / "new").write_bytes(octets)
        os.replace(folder / "new", folder / file)
    return {"tls_cert": str(folder / "wfm.pem"), "tls_key": str(folder / "wfm.key")}


def connect(gateway: Gateway, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, before: bytes = b"") -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = socket.create_connection(gateway.address, DEADLINE_S)
    plain.sendall(before)
    return context.wrap_socket(plain, server_hostname="wfm.example.com")


def certificate(gateway: Gateway) -> bytes | None:
    with connect(gateway) as sock:
        return sock.getpeercert(binary_form=True)


def test_r7_host_is_the_source_of_the_authority(
    make_gateway: MakeGateway, backend: RecordingBackend, device: Device, tmp_path: Path
) -> None:
    gateway = make_gateway(fresh=True, listen=write_identity(tmp_path))
    sock = connect(gateway)
    assert (sock.version(), sock.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
    with RawClient(sock) as client:
        assert client.ask(device.request(body=b"x" * 300_000)).status == 200
        assert client.ask(device.request(authority="WFM.example.com:443")).status == 200
        assert client.ask(device.request(authority="other.example.com")).status == 200
        moved = device.request(authority="other.example.com").replace(b"other.example", b"wfm.example")
        assert client.ask(moved).reason == "signature.wrong"
    hosts = [seen.values(b"host") for seen in backend.requests]
    assert hosts == [[b"wfm.example.com"], [b"WFM.example.com:443"], [b"other.example.com"]]
    assert all(seen.values(b"x-forwarded-proto") == [b"https"] for seen in backend.requests)


def test_r7_public_url_goes_before_host(
    make_gateway: MakeGateway, backend: RecordingBackend, device: Device, tmp_path: Path
) -> None:
    gateway = make_gateway(listen=write_identity(tmp_path))
    with RawClient(connect(gateway)) as client:
        assert client.ask(device.request(authority="other.example.com")).reason == "signature.wrong"
        assert client.ask(device.request()).status == 200


def test_r6_what_a_device_forwards_counts_for_nothing(
    make_gateway: MakeGateway, backend: RecordingBackend, device: Device, tmp_path: Path
) -> None:
    gateway = make_gateway(fresh=True, listen=write_identity(tmp_path))
    fields = (("X-Forwarded-Host", "evil.example.com"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-For", "9.9.9.9"))
    with RawClient(connect(gateway)) as client:
        assert client.ask(device.request(fields=fields)).status == 200
    assert backend.requests[0].values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert b"evil" not in backend.octets


def test_nothing_older_than_tls_1_3(make_gateway: MakeGateway, tmp_path: Path) -> None:
    gateway = make_gateway(listen=write_identity(tmp_path))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(gateway, ssl.TLSVersion.TLSv1_2)
    assert "SSLError" in gateway.line("connection.refused")["detail"]


def test_plain_http_gets_no_answer(
    make_gateway: MakeGateway, backend: RecordingBackend, device: Device, tmp_path: Path
) -> None:
    gateway = make_gateway(listen=write_identity(tmp_path))
    with RawClient(gateway.address) as client:
        client.send(device.request())
        try:
            said = client.rest()
        except Broken as broken:
            said = broken.received
    assert b"HTTP" not in said
    assert backend.octets == b""


def test_r5_a_handshake_that_does_not_come_ends_the_connection(make_gateway: MakeGateway, tmp_path: Path) -> None:
    gateway = make_gateway(listen=write_identity(tmp_path), limits={"head_timeout_s": 0.2})
    with RawClient(gateway.address) as client:
        client.send(b"\x16\x03\x01")
        with suppress(Broken):
            client.rest()
    assert gateway.line("connection.refused")


def test_a_new_certificate_is_served_without_a_restart(
    make_gateway: MakeGateway, device: Device, tmp_path: Path
) -> None:
    gateway = make_gateway(listen=write_identity(tmp_path))
    before = certificate(gateway)
    with RawClient(connect(gateway)) as old:
        assert old.ask(device.request()).status == 200
        write_identity(tmp_path)
        gateway.wait_for(lambda: certificate(gateway) != before)
        assert old.ask(device.request()).status == 200
        after = certificate(gateway)
        (tmp_path / "wfm.key").write_text("not a key")
        assert "stays" in gateway.line("tls.failing")["detail"]
        assert certificate(gateway) == after
    assert LOOK_S <= 1.0


def test_a_proxy_header_comes_before_the_handshake(
    make_gateway: MakeGateway, backend: RecordingBackend, device: Device, tmp_path: Path
) -> None:
    gateway = make_gateway(listen={**write_identity(tmp_path), "proxy_protocol": ["127.0.0.1/32"]})
    with RawClient(connect(gateway, before=b"PROXY TCP4 192.0.2.9 198.51.100.1 50000 443\r\n")) as client:
        assert client.ask(device.request()).status == 200
    assert backend.requests[0].values(b"x-forwarded-for") == [b"192.0.2.9"]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(gateway)
