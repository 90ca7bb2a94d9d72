"""What reaches the backend of an admitted request, and what comes back of its answer."""

import threading

import pytest

from tests.integration.backend import Peer, RecordingBackend, Seen, answer
from tests.integration.client import Broken, RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway


def test_signed_request_reaches_the_backend_with_the_devices_identity(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    raw = device.request(body=b'{"a": 1}', fields=(("X-Custom", "kept"),))
    got = client.ask(raw)
    assert (got.status, got.body) == (200, b"{}")
    (seen,) = backend.requests
    assert seen.request_line == b"POST /api/v1/clients/dev1/capabilities HTTP/1.1"
    assert seen.body == b'{"a": 1}'
    assert seen.values(b"host") == [b"wfm.example.com"]
    assert seen.values(b"content-length") == [b"8"]
    assert seen.values(b"x-custom") == [b"kept"]
    assert seen.values(b"wfm-client-id") == [b"dev1"]
    assert len(seen.values(b"wfm-client-cert-sha256")[0]) == 64
    assert seen.values(b"wfm-body-verified") == [b"?1"]
    assert seen.values(b"x-forwarded-proto") == [b"https"]
    assert seen.values(b"x-forwarded-for") == [b"127.0.0.1"]
    (signature,) = seen.values(b"wfm-signature")
    assert signature.startswith(b'label="sig1", alg="ecdsa-p256-sha256", created=')
    assert signature.endswith(b', components=("@method" "@target-uri" "@authority" "content-digest")')
    # The signature's own fields too, so that the backend can verify again.
    for name in (b"signature-input", b"signature", b"content-digest"):
        assert len(seen.values(name)) == 1


@pytest.mark.parametrize(
    "query", ["", "?", "?a=b", "?a=%2f&b=%2F", "?x=a:b~c!$'()*+,;=/?@", "?%C3%A9"], ids=lambda text: text or "none"
)
def test_target_is_forwarded_octet_for_octet(
    client: RawClient, device: Device, backend: RecordingBackend, query: str
) -> None:
    got = client.ask(device.request("GET", "deployments/d/sha256:abc" + query))
    assert got.status == 200
    assert (
        backend.requests[0].request_line
        == f"GET /api/v1/clients/dev1/deployments/d/sha256:abc{query} HTTP/1.1".encode()
    )


def test_bodies_leave_with_a_length_also_when_they_came_in_chunks(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    got = client.ask(device.chunked([b"ab", b"c" * 70_000, b"d"], trailers=b"X-Trailer: 1\r\n"))
    assert got.status == 200
    (seen,) = backend.requests
    assert seen.values(b"content-length") == [b"70003"]
    assert seen.values(b"transfer-encoding") == seen.values(b"x-trailer") == []
    assert seen.body == b"ab" + b"c" * 70_000 + b"d"


def test_request_without_a_body_leaves_without_one(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    assert client.ask(device.request("GET", "deployments")).status == 200
    assert client.ask(device.request("POST", body=b"")).status == 200
    get, post = backend.requests
    assert get.values(b"content-length") == []
    assert post.values(b"content-length") == [b"0"]


@pytest.mark.parametrize("value", ["gr\u00fc\u00dfe", "5 \u20ac"], ids=["of Latin-1", "beyond it"])
def test_values_outside_of_ascii_leave_octet_for_octet(
    client: RawClient, device: Device, backend: RecordingBackend, value: str
) -> None:
    octets = value.encode()
    signed = device.request().replace(b"\r\n", b"\r\nX-Name: " + octets + b"\r\n", 1)
    assert client.ask(signed).status == 200
    raw = b"GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: wfm.example.com\r\nUser-Agent: " + octets + b"\r\n\r\n"
    assert client.ask(raw).status == 200
    admitted, composed = backend.requests
    assert admitted.values(b"x-name") == [octets]
    assert composed.values(b"user-agent") == [octets]


def test_open_route_is_composed_without_body_and_foreign_fields(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    raw = (
        b"GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: wfm.example.com\r\nAccept: application/json\r\n"
        b"X-Forwarded-For: 9.9.9.9\r\nAuthorization: secret\r\nContent-Length: 5\r\n\r\nhello"
    )
    got = client.ask(raw)
    assert got.status == 200
    (seen,) = backend.requests
    assert seen.body == b""
    assert seen.values(b"accept") == [b"application/json"]
    for name in (b"authorization", b"content-length", b"wfm-client-id", b"wfm-signature"):
        assert seen.values(name) == []
    assert seen.values(b"x-forwarded-for") == [b"127.0.0.1"]


def test_large_body_goes_through_the_spool(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(limits={"spool_bytes": 1000})
    body = bytes(range(256)) * 12_000
    with RawClient(gateway.address) as client:
        assert client.ask(device.request(body=body)).status == 200
        assert client.ask(device.chunked([body[:100_000], body[100_000:]])).status == 200
    assert [seen.body == body for seen in backend.requests] == [True, True]
    gateway.wait_for(lambda: gateway.runtime.spool.used_bytes == 0)


def test_answers_come_back_as_they_were_sent(client: RawClient, device: Device, backend: RecordingBackend) -> None:
    backend.script = answer(
        b"HTTP/1.1 299 Strange But True\r\nset-cookie: a=1\r\nX-UTF8: gr\xc3\xbc\xc3\x9fe\r\nX-Latin: gr\xfc\xdfe\r\n"
        b"Set-Cookie: b=2\r\nServer: theirs\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\nConnection: x-hop, content-length\r\n"
        b"X-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nWfm-Client-Id: forged\r\n"
        b'ETag: "x"\r\nContent-Length: 3\r\n\r\nabc'
    )
    got = client.ask(device.request())
    assert got.status_line == b"HTTP/1.1 299 Strange But True"
    assert got.lines == [
        b"set-cookie: a=1",
        b"X-UTF8: gr\xc3\xbc\xc3\x9fe",
        b"X-Latin: gr\xfc\xdfe",
        b"Set-Cookie: b=2",
        b"Server: theirs",
        b"Date: Tue, 01 Jan 2030 00:00:00 GMT",
        b'ETag: "x"',
        b"Content-Length: 3",
    ]
    assert got.body == b"abc"


def test_only_a_date_is_added_to_an_answer(client: RawClient, device: Device, backend: RecordingBackend) -> None:
    backend.script = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
    got = client.ask(device.request())
    assert [line.split(b":")[0] for line in got.lines] == [b"Content-Length", b"Date"]


@pytest.mark.parametrize(
    ("method", "sent", "lines"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nDate: x\r\n\r\n", [b"Content-Length: 5000", b"Date: x"]),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n", [b"Date: x"]),
        (
            "GET",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nDate: x\r\n\r\n",
            [b"Content-Length: 7", b"Date: x"],
        ),
        ("GET", b"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", [b"Date: x"]),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nDate: x\r\n\r\n", [b"Date: x"]),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: x\r\n\r\n", [b"Content-Length: 0", b"Date: x"]),
    ],
)
def test_answers_without_a_body_keep_the_connection_in_step(
    client: RawClient, device: Device, backend: RecordingBackend, method: str, sent: bytes, lines: list[bytes]
) -> None:
    backend.script = answer(sent)
    got = client.ask(device.request(method, "deployments"), head_only=True)
    assert got.lines == lines
    # What follows on the same connection, and on the same connection to the backend, is the next answer.
    backend.script = answer(b"HTTP/1.1 201 Next\r\nContent-Length: 0\r\n\r\n")
    assert client.ask(device.request("GET", "deployments")).status == 201
    assert backend.connections == 1


def test_answer_in_chunks_and_answer_up_to_the_end(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    backend.script = answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n"
    )
    got = client.ask(device.request())
    assert (got.body, got.values(b"transfer-encoding")) == (b"abcde", [b"chunked"])

    def until_close(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        return False

    backend.script = until_close
    got = client.ask(device.request())
    assert (got.body, got.values(b"transfer-encoding")) == (b"all of it", [b"chunked"])


def test_http_1_0_client_gets_no_chunks(gateway: Gateway, device: Device, backend: RecordingBackend) -> None:
    backend.script = answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    with RawClient(gateway.address) as client:
        got = client.ask(device.request("GET", "deployments").replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert got.body == b"abc"
    assert got.values(b"transfer-encoding") == []
    assert got.values(b"connection") == [b"close"]


def test_interim_answers_are_not_relayed(client: RawClient, device: Device, backend: RecordingBackend) -> None:
    backend.script = answer(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    )
    assert client.ask(device.request()).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 17,
    ],
)
def test_answers_that_cannot_be_understood_are_502(
    client: RawClient, device: Device, backend: RecordingBackend, sent: bytes
) -> None:
    backend.script = answer(sent)
    got = client.ask(device.request())
    assert (got.status, got.reason) == (502, "upstream.bad_answer")
    assert got.values(b"content-type") == [b"application/problem+json"]


def test_octets_nobody_asked_for_are_not_another_devices_answer(
    client: RawClient, gateway: Gateway, device: Device, backend: RecordingBackend
) -> None:
    first_is_read, forged_is_sent = threading.Event(), threading.Event()

    def answer_twice(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
        assert first_is_read.wait(20)
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        forged_is_sent.set()
        return True

    backend.script = answer_twice
    assert client.ask(device.request(body=b"1")).body == b"a"
    backend.script = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")
    first_is_read.set()
    assert forged_is_sent.wait(20)
    assert client.ask(device.request(body=b"2")).body == b"mine"
    assert backend.connections == 2


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("fields", [b"Content-Length: 100\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_backend_that_dies_in_mid_answer_cuts_the_client(
    client: RawClient, device: Device, backend: RecordingBackend, fields: bytes, end: str
) -> None:
    if not fields and end == "close":
        return  # an answer without a length ends so

    seen_begin = threading.Event()

    def die(peer: Peer, seen: Seen) -> bool:
        part = b"5\r\nhello\r\n" if b"chunked" in fields else b"hello"
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + part)
        assert seen_begin.wait(20)
        if end == "reset":
            peer.reset()
        return False

    backend.script = die
    client.send(device.request())
    assert client.until(b"hello").startswith(b"HTTP/1.1 200 OK")
    seen_begin.set()
    # Never a clean end: neither the last chunk nor, where the end is the mark, an orderly close.
    with pytest.raises(Broken) as broken:
        client.rest()
    assert broken.value.kind == "reset"
    assert b"0\r\n" not in broken.value.received


def test_unreachable_backend_is_502_and_the_claim_is_released(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    raw = device.request()
    backend.stop_listening()
    got = client.ask(raw)
    assert (got.status, got.reason) == (502, "upstream.unreachable")
    assert got.values(b"retry-after") == [b"5"]
    # R13: no octet was written to the backend, so the very same request may come again.
    assert client.ask(raw).reason == "upstream.unreachable"


def test_slow_backend_is_504(make_gateway: MakeGateway, device: Device, backend: RecordingBackend) -> None:
    def say_nothing(peer: Peer, seen: Seen) -> bool:
        peer.read_until(b"never")
        return False

    backend.script = say_nothing
    gateway = make_gateway(upstream={"response_timeout_s": 0.05})
    with RawClient(gateway.address) as client:
        raw = device.request()
        got = client.ask(raw)
        assert (got.status, got.reason) == (504, "upstream.timeout")
        # R13: the backend has it, so it counts as seen.
        assert client.ask(raw).reason == "replay.seen"


def test_backend_that_is_silent_after_an_interim_answer_is_504(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    """An interim answer begins the wait anew; it does not end it."""

    def promise(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        peer.read_until(b"never")
        return False

    backend.script = promise
    gateway = make_gateway(upstream={"response_timeout_s": 0.05})
    with RawClient(gateway.address) as client:
        got = client.ask(device.request())
    assert (got.status, got.reason) == (504, "upstream.timeout")


def test_client_that_goes_away_ends_the_request_to_the_backend(
    gateway: Gateway, device: Device, backend: RecordingBackend
) -> None:
    def say_nothing(peer: Peer, seen: Seen) -> bool:
        peer.read_until(b"never")
        return False

    backend.script = say_nothing
    with RawClient(gateway.address) as client:
        client.send(device.request())
        backend.wait(lambda: backend.requests)
        client.reset()
    backend.wait(lambda: backend.ended == 1)
    assert len(backend.requests) == 1
