"""How connections are kept: order, timers, half-sent messages, and how they end (R4)."""

import socket
import threading
import time

import pytest

from tests.integration.backend import OK, Peer, RecordingBackend, Seen, answer
from tests.integration.client import Broken, RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway

GOOD_HOST = b"Host: wfm.example.com\r\n"
OPEN = b"GET /api/v1/onboarding/certificate HTTP/1.1\r\n" + GOOD_HOST + b"\r\n"


def test_pipelined_requests_are_answered_in_their_order(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    """Each with its own head: what is judged is what is answered."""

    def name(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(seen.body), seen.body))
        return True

    backend.script = name
    refused = b"GET /nowhere HTTP/1.1\r\n" + GOOD_HOST + b"\r\n"
    raw = b"".join([device.request(body=b"one"), refused, device.request(body=b"two"), device.chunked([b"th", b"ree"])])
    client.send(raw)
    assert client.answer().body == b"one"
    assert client.answer().reason == "request.no_route"
    assert client.answer().body == b"two"
    assert client.answer().body == b"three"


def test_more_pipelined_requests_than_are_queued(client: RawClient, device: Device, backend: RecordingBackend) -> None:
    count = 150
    client.send(OPEN * count + b"GARBAGE\r\n\r\n")
    assert [client.answer().status for _ in range(count)] == [200] * count
    assert client.answer().reason == "request.bad_request_line"
    assert client.rest() == b""


def test_requests_before_a_refused_one_are_answered_first(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    client.send(device.request() + OPEN + b"GET / HTTP/1.1\r\nBad Field: 1\r\n\r\n" + OPEN)
    assert client.answer().status == 200
    assert client.answer().status == 200
    got = client.answer()
    assert got.reason == "request.bad_field"
    assert got.values(b"connection") == [b"close"]
    # What stood behind it is not looked at.
    assert client.rest() == b""
    assert len(backend.requests) == 2


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_request_may_arrive_in_pieces(gateway: Gateway, device: Device, backend: RecordingBackend, size: int) -> None:
    raw = device.chunked([b"abc", b"defg"]) + device.request(body=b"x" * 50)
    with RawClient(gateway.address) as client:
        for at in range(0, len(raw), size):
            client.send(raw[at : at + size])
        assert client.answer().status == 200
        assert client.answer().status == 200
    assert [seen.body for seen in backend.requests] == [b"abcdefg", b"x" * 50]


def test_offence_in_the_middle_of_a_body_is_that_requests_answer(
    client: RawClient, device: Device, backend: RecordingBackend
) -> None:
    raw = device.chunked([b"abc", b"def"])
    good, mark, bad = raw.rpartition(b"3\r\ndef")
    client.send(good)
    client.send(b"ZZ" + mark + bad)
    got = client.answer()
    assert got.reason == "request.bad_chunk"
    assert got.values(b"connection") == [b"close"]
    assert client.rest() == b""
    assert bytes(backend.octets) == b""


def test_offence_behind_a_large_body_that_is_still_being_read(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    """The parser behind ours is paused by back-pressure when the offence is found: the body must not be blamed."""
    gateway = make_gateway()
    body = b"z" * 3_000_000
    with RawClient(gateway.address) as client:
        client.send(device.request(body=body) + b"GET / HTTP/1.1\r\nBad Field: 1\r\n\r\n")
        assert client.answer().status == 200
        assert client.answer().reason == "request.bad_field"
    assert [len(seen.body) for seen in backend.requests] == [len(body)]


def test_slow_head_is_408(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(limits={"head_timeout_s": 0.1})
    with RawClient(gateway.address) as client:
        client.send(b"GET / HTT")
        got = client.answer()
        assert (got.status, got.reason) == (408, "request.head_timeout")
        assert client.rest() == b""
    with RawClient(gateway.address) as client:
        assert client.answer().reason == "request.head_timeout"
    with RawClient(gateway.address) as client:
        # The clock runs from the first octet of each head, not only of the first one.
        assert client.ask(OPEN).status == 200
        client.send(OPEN[:20])
        assert client.answer().reason == "request.head_timeout"


def test_idle_connection_is_closed_without_a_word(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(limits={"idle_timeout_s": 0.1})
    with RawClient(gateway.address) as client:
        assert client.ask(OPEN).status == 200
        assert client.rest() == b""


def test_idle_connection_is_closed_also_if_a_head_was_arriving_when_that_was_looked_at(
    make_gateway: MakeGateway, device: Device
) -> None:
    """R5: else one head, sent in two pieces, would keep a connection for ever."""
    gateway = make_gateway(limits={"idle_timeout_s": 0.2})
    with RawClient(gateway.address) as client:
        client.sock.settimeout(5.0)
        assert client.ask(OPEN).status == 200
        client.send(OPEN[:20])
        time.sleep(0.4)
        assert client.ask(OPEN[20:]).status == 200
        assert client.rest() == b""


def test_body_that_stops_is_408(make_gateway: MakeGateway, device: Device, backend: RecordingBackend) -> None:
    gateway = make_gateway(limits={"body_timeout_s": 0.1})
    with RawClient(gateway.address) as client:
        client.send(device.request(body=b"0123456789")[:-1])
        got = client.answer()
        assert (got.status, got.reason) == (408, "request.body_timeout")
        assert client.rest() == b""
    assert bytes(backend.octets) == b""


def test_body_that_breaks_off_is_400(client: RawClient, device: Device, backend: RecordingBackend) -> None:
    client.send(device.request(body=b"0123456789")[:-1])
    client.sock.shutdown(socket.SHUT_WR)
    got = client.answer()
    assert (got.status, got.reason) == (400, "request.body_incomplete")
    assert client.rest() == b""
    assert bytes(backend.octets) == b""


def test_100_continue_only_after_the_signature_holds(
    gateway: Gateway, device: Device, backend: RecordingBackend
) -> None:
    raw = device.request(body=b"x" * 100, fields=(("Expect", "100-continue"),))
    head, body = raw[:-100], raw[-100:]
    with RawClient(gateway.address) as client:
        assert client.ask(head).status == 100
        assert client.ask(body).status == 200
    assert backend.requests[0].values(b"expect") == []
    with RawClient(gateway.address) as client:
        # The same again is a replay, but that shows only after the body; a forged one never gets so far.
        got = client.ask(head.replace(b"sig1=:", b"sig1=:AAAA"))
        assert got.status == 401
        assert got.values(b"connection") == [b"close"]
        assert client.rest() == b""


def test_no_100_for_a_body_that_is_too_large(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(policy={"body_limit_bytes": 99})
    raw = device.request(body=b"x" * 100, fields=(("Expect", "100-continue"),))
    with RawClient(gateway.address) as client:
        assert client.ask(raw[:-100]).status == 413


def test_refusal_reads_the_rest_within_bounds_so_that_the_answer_arrives(
    gateway: Gateway, device: Device, backend: RecordingBackend
) -> None:
    """R4: closing at once would answer the client's unread octets with a reset."""
    raw = device.request(body=b"y" * 800_000)
    head = raw[: raw.index(b"\r\n\r\n") + 4].replace(b"sig1=:", b"sig1=:AAAA")
    with RawClient(gateway.address) as client:
        client.send(head)
        got = client.answer()
        assert got.values(b"connection") == [b"close"]
        client.send(b"y" * 800_000)
        assert client.rest() == b""


def test_refusal_does_not_read_without_end(gateway: Gateway, device: Device) -> None:
    raw = device.request(body=b"y" * 10_000_000)
    head = raw[: raw.index(b"\r\n\r\n") + 4].replace(b"sig1=:", b"sig1=:AAAA")
    with RawClient(gateway.address) as client:
        client.send(head)
        assert client.answer().status == 401
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            client.send(b"y" * 10_000_000)


def test_refused_request_whose_body_has_arrived_keeps_the_connection(client: RawClient, device: Device) -> None:
    got = client.ask(device.request(created=1))
    assert got.reason == "policy.too_old"
    assert got.values(b"connection") == []
    assert client.ask(device.request()).status == 200


def test_connection_close_is_kept(client: RawClient, device: Device) -> None:
    got = client.ask(device.request(fields=(("Connection", "close"),)))
    assert got.status == 200
    assert got.values(b"connection") == [b"close"]
    assert client.rest() == b""


def test_client_that_reads_slowly_gets_everything(client: RawClient, device: Device, backend: RecordingBackend) -> None:
    body = bytes(range(256)) * 20_000
    backend.script = answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    client.send(device.request())
    backend.wait(lambda: backend.requests)
    assert client.answer().body == body


def test_client_that_never_reads_is_let_go(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    def pour(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.sock.sendall(b"x" * 100_000)

    backend.script = pour
    gateway = make_gateway(limits={"idle_timeout_s": 0.2})
    with RawClient(gateway.address) as client:
        client.send(device.request())
        backend.wait(lambda: backend.ended == 1)


def is_refused(gateway: Gateway) -> bool:
    """Is nobody let in any more? Who comes while the last ones are let in is one of them."""
    try:
        with RawClient(gateway.address):
            return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # the socket was closed between our first packet and the kernel's answer


def test_drain_finishes_what_has_begun_and_closes_the_rest(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    go_on = threading.Event()

    def wait(peer: Peer, seen: Seen) -> bool:
        assert go_on.wait(20)
        peer.sock.sendall(OK)
        return True

    gateway = make_gateway()
    with RawClient(gateway.address) as idle, RawClient(gateway.address) as half, RawClient(gateway.address) as busy:
        assert idle.ask(OPEN).status == 200
        half.send(OPEN[:-2])
        backend.script = wait
        busy.send(device.request())
        backend.wait(lambda: len(backend.requests) == 2)
        gateway.begin_drain()
        assert idle.rest() == b""
        gateway.wait_for(lambda: is_refused(gateway))
        go_on.set()
        got = busy.answer()
        assert (got.status, got.values(b"connection")) == (200, [b"close"])
        half.send(OPEN[-2:])
        got = half.answer()
        assert (got.status, got.values(b"connection")) == (200, [b"close"])
        assert half.rest() == b""


def test_drain_ends_at_its_time(make_gateway: MakeGateway, device: Device, backend: RecordingBackend) -> None:
    def say_nothing(peer: Peer, seen: Seen) -> bool:
        peer.read_until(b"never")
        return False

    backend.script = say_nothing
    gateway = make_gateway(limits={"drain_s": 0.1})
    with RawClient(gateway.address) as client:
        client.send(device.request())
        backend.wait(lambda: backend.requests)
        gateway.stop()
        with pytest.raises(Broken) as broken:
            client.answer()
        # Not a clean end: nobody can say what became of the request.
        assert broken.value.kind == "reset"


def test_request_behind_one_that_is_finished_in_a_drain_is_told_so(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    go_on = threading.Event()

    def wait(peer: Peer, seen: Seen) -> bool:
        assert go_on.wait(20)
        peer.sock.sendall(OK)
        return True

    backend.script = wait
    gateway = make_gateway()
    with RawClient(gateway.address) as busy:
        busy.send(device.request() + OPEN)
        backend.wait(lambda: len(backend.requests) == 1)
        gateway.call(gateway.runtime.server.drain)
        go_on.set()
        assert busy.answer().status == 200
        got = busy.answer()
        assert (got.status, got.reason) == (503, "internal.draining")
        assert busy.rest() == b""
    assert len(backend.requests) == 1


def test_r5_more_connections_than_a_worker_takes_are_closed_at_once(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(limits={"connections": 2})
    with RawClient(gateway.address) as first, RawClient(gateway.address) as second:
        assert first.ask(device.request()).status == 200
        assert second.ask(device.request()).status == 200
        with RawClient(gateway.address) as third:
            assert third.rest() == b""
        assert gateway.line("connection.refused")["detail"] == "limits.connections"
        assert first.ask(device.request()).status == 200
    gateway.wait_for(lambda: gateway.call(lambda: not gateway.runtime.server.connections))
    with RawClient(gateway.address) as fourth:
        assert fourth.ask(device.request()).status == 200
