"""The hop behind us: TLS and unix sockets, reuse of connections, early answers, what is sent on (R13, R15, R17)."""

import datetime
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.config import Upstream as UpstreamConfig
from gateway.proxy.upstream import tls_context
from gateway.reasons import ConfigError, Reason
from tests.integration.backend import OK, Peer, RecordingBackend, Seen, answer
from tests.integration.client import RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway


class Credentials:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""

    def __init__(self, directory: Path, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        self.certificate = str(directory / f"{name}.crt")
        self.key = str(directory / f"{name}.key")
        Path(self.certificate).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        Path(self.key).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


class TlsBackend:
    """Speaks TLS with whoever has the right certificate; tells whose it was."""

    def __init__(self, server: Credentials, client: Credentials) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client.certificate)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(server.certificate, server.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.names: list[str] = []
        self.heads: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as sock:
                    subject = dict(pair[0] for pair in (sock.getpeercert() or {})["subject"])
                    self.names.append(subject["commonName"])
                    head = b""
                    while b"\r\n\r\n" not in head and (data := sock.recv(65536)):
                        head += data
                    self.heads.append(head)
                    sock.sendall(OK)
            except OSError:
                plain.close()


def test_backend_over_tls_with_our_certificate(
    make_gateway: MakeGateway, device: Device, tmp_path: Path, backend: RecordingBackend
) -> None:
    """R17."""
    server, ours, strange = (Credentials(tmp_path, name) for name in ("backend", "gateway", "strange"))
    tls = TlsBackend(server, ours)
    url = f"https://127.0.0.1:{tls.port}"
    good = {"ca": server.certificate, "client_cert": ours.certificate, "client_key": ours.key}
    try:
        with RawClient(make_gateway(upstream_url=url, upstream=good).address) as client:
            assert client.ask(device.request()).status == 200
        assert tls.names == ["gateway"]
        assert b"\r\nHost: wfm.example.com\r\n" in tls.heads[0]
        for bad in (
            {**good, "ca": strange.certificate},
            {"client_cert": ours.certificate, "client_key": ours.key},
            {"ca": server.certificate},
            {"ca": server.certificate, "client_cert": strange.certificate, "client_key": strange.key},
        ):
            with RawClient(make_gateway(upstream_url=url, upstream=bad).address) as client:
                assert client.ask(device.request()).reason == "upstream.unreachable"
        assert tls.names == ["gateway"]
    finally:
        tls.close()


def test_tls_files_that_cannot_be_used_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(ConfigError) as error:
        tls_context(UpstreamConfig(url="https://127.0.0.1", ca=str(tmp_path / "junk")))
    assert error.value.reason is Reason.CONFIG_UNREADABLE
    assert str(tmp_path / "junk") in error.value.message


def test_backend_on_a_unix_socket(make_gateway: MakeGateway, device: Device, tmp_path: Path) -> None:
    path = str(tmp_path / "wfm.sock")
    heads: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                heads.append(sock.recv(65536))
                sock.sendall(OK)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with RawClient(make_gateway(upstream_url=f"unix://{path}").address) as client:
            assert client.ask(device.request()).status == 200
        thread.join(20)
    assert b"\r\nHost: wfm.example.com\r\n" in heads[0]


def test_connection_that_the_backend_closed_while_idle_is_not_used(
    client: RawClient, gateway: Gateway, device: Device, backend: RecordingBackend
) -> None:
    def answer_and_close(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(OK)
        return False

    backend.script = answer_and_close
    for count in range(1, 6):
        assert client.ask(device.request()).status == 200
        backend.wait(lambda count=count: backend.ended == count)
    assert len(backend.requests) == backend.connections == 5


def test_backend_that_hangs_up_at_once_is_not_called_for_ever(
    make_gateway: MakeGateway, device: Device, tmp_path: Path
) -> None:
    """Two attempts a request: whoever sheds its load so must not get more of it."""
    path = str(tmp_path / "busy.sock")
    calls = 0

    def hang_up() -> None:
        nonlocal calls
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            calls += 1
            one.close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        thread = threading.Thread(target=hang_up)
        thread.start()
        gateway = make_gateway(upstream_url=f"unix://{path}")
        with RawClient(gateway.address) as client:
            for _ in range(50):
                assert client.ask(device.request()).reason == "upstream.unreachable"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert calls <= 100


def test_connections_are_reused(client: RawClient, device: Device, backend: RecordingBackend) -> None:
    for _ in range(5):
        assert client.ask(device.request()).status == 200
    assert (len(backend.requests), backend.connections) == (5, 1)


def test_request_that_reached_the_backend_is_never_sent_again(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    """Whatever its method: only the device may decide to repeat it (R13)."""

    def hang_up(peer: Peer, seen: Seen) -> bool:
        return False

    backend.script = hang_up
    for raw in (device.request("GET", "deployments"), device.request("PUT"), device.request("POST")):
        got = client.ask(raw)
        assert (got.status, got.reason) == (502, "upstream.unreachable")
    assert len(backend.requests) == 3
    assert client.ask(raw).reason == "replay.seen"


def test_early_answer_ends_the_upload(make_gateway: MakeGateway, device: Device, backend: RecordingBackend) -> None:
    def refuse_early(peer: Peer) -> None:
        if peer.read_until(b"\r\n\r\n") is not None:
            peer.sock.sendall(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\n\r\nno!\n")
            peer.receive()

    backend.read = refuse_early
    gateway = make_gateway(limits={"spool_bytes": 1000})
    with RawClient(gateway.address) as client:
        got = client.ask(device.request(body=b"x" * 5_000_000))
        assert (got.status, got.body) == (413, b"no!\n")
    backend.wait(lambda: backend.ended == 1)
    gateway.wait_for(lambda: gateway.runtime.spool.used_bytes == 0)


def test_backend_that_does_not_take_a_large_body_is_504(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    done = threading.Event()
    backend.read = lambda peer: done.wait(20) and None
    gateway = make_gateway(limits={"spool_bytes": 1000}, upstream={"response_timeout_s": 0.2})
    with RawClient(gateway.address) as client:
        got = client.ask(device.request(body=b"x" * 9_000_000))
        done.set()
        assert (got.status, got.reason) == (504, "upstream.timeout")
    gateway.wait_for(lambda: gateway.runtime.spool.used_bytes == 0)


@pytest.mark.parametrize("error", [MemoryError("none left"), OSError(5, "Input/output error")])
def test_large_body_that_cannot_be_read_again_is_our_own_trouble(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, error: Exception
) -> None:
    """The backend waits for the rest of it: nobody must wait for the backend, and nothing else may be sent there."""
    gateway = make_gateway(limits={"spool_bytes": 1000})
    run = gateway.runtime.spool.run

    async def fail_to_read(function: Callable[..., Any], *args: Any) -> Any:
        if function is os.pread:
            raise error
        return await run(function, *args)

    gateway.call(lambda: setattr(gateway.runtime.spool, "run", fail_to_read))
    with RawClient(gateway.address) as client:
        client.sock.settimeout(5.0)
        got = client.ask(device.request(body=b"x" * 6000))
        assert (got.status, got.reason) == (500, "internal.error")
    backend.wait(lambda: backend.ended == 1)
    assert str(error) in gateway.line("request.refused")["detail"]


def test_room_for_large_bodies_that_is_full_is_503(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(
        limits={"spool_bytes": 1000, "spool_total_bytes": 10_000}, policy={"body_limit_bytes": 10_000}
    )
    gateway.call(lambda: gateway.runtime.spool.reserve(5_000))
    with RawClient(gateway.address) as client:
        got = client.ask(device.request(body=b"x" * 6000))
        assert (got.status, got.reason) == (503, "internal.spool_full")
    gateway.call(lambda: gateway.runtime.spool.release(5_000))
    with RawClient(gateway.address) as client:
        assert client.ask(device.request(body=b"x" * 6000)).status == 200
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("forward", "names"),
    [
        ("all", [b"x-covered", b"x-listed", b"x-other"]),
        ("covered", [b"x-covered"]),
        (["x-listed"], [b"x-listed"]),
    ],
)
def test_which_fields_go_on(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, forward: object, names: list[bytes]
) -> None:
    """R15; the signature's own fields go on always."""
    gateway = make_gateway(headers={"forward": forward})
    fields = (("X-Covered", "1"), ("X-Listed", "2"), ("X-Other", "3"), ("X-Forwarded-For", "9.9.9.9"))
    raw = device.request(
        fields=fields, components=("@method", "@target-uri", "content-digest", "x-covered"), nonce=None
    )
    with RawClient(gateway.address) as client:
        assert client.ask(raw).status == 200
    (seen,) = backend.requests
    assert [name for name in (b"x-covered", b"x-listed", b"x-other") if seen.values(name)] == names
    assert seen.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert len(seen.values(b"signature")) == len(seen.values(b"signature-input")) == 1


def test_absolute_form_target_is_forwarded_as_what_was_routed(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    """RFC 9112 §3.2.1, §3.2.2."""
    raw = device.request("GET", "deployments?a=b")
    line = b"GET /api/v1/clients/dev1/deployments?a=b "
    assert raw.startswith(line)
    absolute = raw.replace(line, b"GET https://wfm.example.com/api/v1/clients/dev1/deployments?a=b ", 1)
    assert client.ask(absolute).status == 200
    assert backend.requests[0].request_line == line + b"HTTP/1.1"
    assert backend.requests[0].values(b"host") == [b"wfm.example.com"]


def test_spelling_that_verified_is_the_host_that_the_backend_sees(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    """R7."""
    spelled = device.request("GET", "deployments", authority="WFM.example.com:443")
    assert client.ask(spelled).status == 200
    assert backend.requests[0].values(b"host") == [b"WFM.example.com:443"]
    assert backend.requests[0].values(b"x-forwarded-host") == [b"WFM.example.com:443"]


def test_slow_answer_head_in_pieces(client: RawClient, device: Device, backend: RecordingBackend) -> None:
    def dribble(peer: Peer, seen: Seen) -> bool:
        for octet in b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc":
            peer.sock.sendall(bytes([octet]))
        return True

    backend.script = dribble
    assert client.ask(device.request()).body == b"abc"
    backend.script = answer(OK)
    assert client.ask(device.request()).body == b"{}"
