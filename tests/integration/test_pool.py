"""The native pool on a real loop, against backends that do what a script says (R13, R17)."""

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway._native import Refused
from gateway.clock import SystemClock
from gateway.config import Upstream as UpstreamConfig
from gateway.proxy.asking import UpstreamError
from gateway.proxy.forward import Delivery
from gateway.proxy.pool import BackendPool
from gateway.proxy.spool import Body, Spool
from tests.integration.backend import OK, Peer, RecordingBackend, Seen, answer
from tests.integration.test_proxy_upstream import Credentials, TlsBackend

REQUEST = b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"


def post(length: int) -> bytes:
    """The head of a request with a body."""
    return b"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n" % length


class Got:
    """An answer, or why there is none."""

    def __init__(self) -> None:
        self.status = 0
        self.content = b""
        self.reason: str | None = None
        self.detail = ""
        self.touched = False


async def ask(pool: BackendPool, head: bytes = REQUEST, body: Body | None = None, head_only: bool = False) -> Got:
    """One question, to its end."""
    got, delivery = Got(), Delivery()
    try:
        async with pool.ask(head, body, head_only, delivery) as found:
            got.status = found.status
            while data := await found.read():
                got.content += data
    except (UpstreamError, Refused) as error:
        got.reason, got.detail = str(error.reason), error.detail
    got.touched = delivery.touched
    return got


def run(test: Callable[[BackendPool], Awaitable[Any]], url: str, **options: Any) -> Any:
    """Run `test` with a pool of connections to `url`."""

    async def on_loop() -> Any:
        pool = BackendPool(UpstreamConfig(url=url, **options), SystemClock())
        try:
            return await asyncio.wait_for(test(pool), 20.0)
        finally:
            await pool.close()

    return uvloop.run(on_loop())


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that the loop will do."""
    async with asyncio.timeout(20.0):
        while not condition():
            await asyncio.sleep(0.005)


def test_connections_are_kept_and_bounded(backend: RecordingBackend) -> None:
    async def test(pool: BackendPool) -> None:
        found = await asyncio.gather(*(ask(pool) for _ in range(50)))
        assert [(got.status, got.content) for got in found] == [(200, b"{}")] * 50
        assert (pool.native.open, pool.native.in_flight, pool.native.waiting) == (3, 0, 0)

    run(test, backend.url, connections=3)
    assert (len(backend.requests), backend.connections) == (50, 3)


def test_dead_connection_costs_no_request(backend: RecordingBackend) -> None:
    """The socket is asked, not the loop, which has had no chance to notice."""
    closed = threading.Event()

    def answer_and_close(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(OK)
        peer.sock.shutdown(socket.SHUT_RDWR)
        closed.set()
        return False

    async def test(pool: BackendPool) -> None:
        for count in range(5):
            closed.clear()
            assert (await ask(pool)).status == 200, count
            assert closed.wait(20.0)

    backend.script = answer_and_close
    run(test, backend.url)
    assert len(backend.requests) == backend.connections == 5


def test_octets_between_answers_are_nobodys_answer(backend: RecordingBackend) -> None:
    sent = threading.Event()

    def talk(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(OK)
        peer.sock.sendall(OK.replace(b"{}", b"xx"))
        sent.set()
        return True

    async def test(pool: BackendPool) -> None:
        for _ in range(5):
            sent.clear()
            assert (await ask(pool)).content == b"{}"
            assert sent.wait(20.0)

    backend.script = talk
    run(test, backend.url)


def test_free_connections_end_in_time(backend: RecordingBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.proxy.pool.POOL_IDLE_S", 0.1)

    async def test(pool: BackendPool) -> None:
        assert (await ask(pool)).status == 200
        await until(lambda: pool.native.open == 0)

    run(test, backend.url)
    backend.wait(lambda: backend.ended == 1)


@pytest.mark.parametrize(
    ("octets", "goes_on", "reason"),
    [
        (b"", False, "upstream.unreachable"),
        (b"HTTP/1.1 200 OK\r\nCon", False, "upstream.bad_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxy", False, "upstream.bad_answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", False, "upstream.bad_answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", True, "upstream.bad_answer"),
        (b"nonsense\r\n\r\n", True, "upstream.bad_answer"),
        (b"", True, "upstream.timeout"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", True, "upstream.timeout"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxy", True, "upstream.timeout"),
    ],
)
def test_backends_that_fail(backend: RecordingBackend, octets: bytes, goes_on: bool, reason: str) -> None:
    def fail(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(octets)
        return goes_on

    async def test(pool: BackendPool) -> None:
        got = await ask(pool)
        assert (got.reason, got.touched) == (reason, True)
        backend.script = answer(OK)
        assert (await ask(pool)).status == 200
        assert pool.native.in_flight == 0

    backend.script = fail
    run(test, backend.url, response_timeout_s=0.3, idle_timeout_s=0.3)
    backend.wait(lambda: backend.ended >= 1)
    assert len(backend.requests) == 2


def test_reset_in_an_answer_without_a_length(backend: RecordingBackend) -> None:
    def reset(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000)
        peer.reset()
        return False

    async def test(pool: BackendPool) -> None:
        assert (await ask(pool)).reason in ("upstream.bad_answer", "upstream.unreachable")

    backend.script = reset
    run(test, backend.url)


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_answers_of_every_framing_on_one_connection(backend: RecordingBackend, method: bytes) -> None:
    answers = [
        (OK, b"{}"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n", b"ok!"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\nup to the end", b"up to the end"),
    ]
    if method == b"HEAD":
        answers = [
            (raw[: raw.rindex(b"\r\n\r\n") + 4] if b"chunked" not in raw else raw[:47], b"") for raw, _ in answers
        ]
        answers[3] = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"")

    async def test(pool: BackendPool) -> None:
        for raw, content in answers:
            backend.script = answer(raw) if raw[-1:] != b"d" else (lambda peer, seen, raw=raw: peer.sock.sendall(raw))
            got = await ask(pool, REQUEST.replace(b"GET", method), head_only=method == b"HEAD")
            assert (got.reason, got.content) == (None, content)

    run(test, backend.url)
    assert (len(backend.requests), backend.connections) == (6, 1)


def test_unreachable_backend_is_not_touched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def test(pool: BackendPool) -> None:
        found = await asyncio.gather(*(ask(pool) for _ in range(5)))
        assert {(got.reason, got.touched) for got in found} == {("upstream.unreachable", False)}
        assert (pool.native.open, pool.native.waiting) == (0, 0)

    run(test, url, connections=2)


def test_wait_for_a_connection_has_an_end(backend: RecordingBackend) -> None:
    release = threading.Event()

    def hold(peer: Peer, seen: Seen) -> bool:
        release.wait(20.0)
        peer.sock.sendall(OK)
        return True

    async def test(pool: BackendPool) -> None:
        first = asyncio.create_task(ask(pool))
        await until(lambda: pool.native.in_flight == 1)
        got = await ask(pool)
        assert (got.reason, got.touched) == ("upstream.timeout", False)
        release.set()
        assert (await first).status == 200

    backend.script = hold
    run(test, backend.url, connections=1, connect_timeout_s=0.2)
    assert len(backend.requests) == 1


def test_caller_that_leaves_ends_the_connection(backend: RecordingBackend) -> None:
    def hold(peer: Peer, seen: Seen) -> bool:
        return peer.receive() != b""

    async def test(pool: BackendPool) -> None:
        task = asyncio.create_task(ask(pool))
        await until(lambda: len(backend.requests) == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (pool.native.open, pool.native.in_flight) == (0, 0)

    backend.script = hold
    run(test, backend.url)
    backend.wait(lambda: backend.ended == 1)


def test_slow_reader_holds_a_bounded_part(backend: RecordingBackend) -> None:
    size = 30_000_000
    sent = 0

    def flood(peer: Peer, seen: Seen) -> bool:
        nonlocal sent
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            sent += peer.sock.send(b"x" * min(1_000_000, size - sent))
        return True

    async def test(pool: BackendPool) -> None:
        async with pool.ask(REQUEST, None, False, Delivery()) as found:
            before = -1
            while before != sent:  # until nothing moves any more
                before = sent
                await asyncio.sleep(0.2)
            assert sent < size
            got = 0
            while data := await found.read():
                got += len(data)
        assert got == size

    backend.script = flood
    run(test, backend.url)
    assert backend.connections == 1


class Spooled:
    """A large body in a file."""

    def __init__(self, directory: Path) -> None:
        self.spool = Spool(str(directory), 1000, 100_000_000)

    async def body(self, data: bytes) -> Body:
        descriptor = await self.spool.open()
        self.spool.reserve(len(data))
        os.pwrite(descriptor, data, 0)
        return Body(b"", len(data), self.spool, descriptor)


def test_large_bodies_arrive_one_after_the_other(backend: RecordingBackend, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000

    async def test(pool: BackendPool) -> None:
        spooled = Spooled(tmp_path)
        for _ in range(3):
            body = await spooled.body(data)
            assert (await ask(pool, post(len(data)), body)).status == 200
            body.close()
        spooled.spool.close()

    run(test, backend.url)
    assert [seen.body for seen in backend.requests] == [data] * 3


@pytest.mark.parametrize("trouble", ["early answer", "no reader", "unreadable file"])
def test_large_bodies_that_do_not_arrive(backend: RecordingBackend, tmp_path: Path, trouble: str) -> None:
    done = threading.Event()

    def stop(peer: Peer) -> None:
        if peer.read_until(b"\r\n\r\n") is not None:
            if trouble == "early answer":
                peer.sock.sendall(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\n\r\nno!\n")
            done.wait(20.0)

    async def fail(function: Any, *args: Any) -> Any:
        raise OSError(5, "Input/output error")

    async def test(pool: BackendPool) -> Got:
        spooled = Spooled(tmp_path)
        body = await spooled.body(b"x" * 9_000_000)
        if trouble == "unreadable file":
            spooled.spool.run = fail  # type: ignore[method-assign]
        got = await ask(pool, post(body.length), body)
        body.close()
        spooled.spool.close()
        assert pool.native.open == 0
        return got

    backend.read = stop
    got = run(test, backend.url, response_timeout_s=0.3, idle_timeout_s=0.3)
    done.set()
    wanted = {
        "early answer": (413, None),
        "no reader": (0, "upstream.timeout"),
        "unreadable file": (0, "internal.error"),
    }
    assert (got.status, got.reason) == wanted[trouble]
    assert got.touched is (trouble != "unreadable file")  # which is noticed before there is a connection


def test_tls_with_our_certificate_and_without(tmp_path: Path) -> None:
    server, ours, strange = (Credentials(tmp_path, name) for name in ("backend", "gateway", "strange"))
    backend = TlsBackend(server, ours)
    url = f"https://127.0.0.1:{backend.port}"
    good = {"ca": server.certificate, "client_cert": ours.certificate, "client_key": ours.key}

    async def works(pool: BackendPool) -> None:
        for _ in range(2):  # the backend closes after each
            assert (await ask(pool)).status == 200

    async def fails(pool: BackendPool) -> None:
        assert (await ask(pool)).reason == "upstream.unreachable"

    try:
        run(works, url, **good)
        for bad in ({**good, "ca": strange.certificate}, {"ca": server.certificate}):
            run(fails, url, **bad)
        assert backend.names == ["gateway", "gateway"]
    finally:
        backend.close()


def test_many_requests_on_few_tls_connections(tmp_path: Path) -> None:
    """Session tickets come on a connection that is free: nobody's answer, and no reason to part with it."""
    server = Credentials(tmp_path, "backend")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.certificate, server.key)
    large = OK.replace(b"2\r\n\r\n{}", b"70000\r\n\r\n" + b"x" * 70_000)
    accepted = 0

    def converse(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as sock:
            while sock.recv(65536):
                sock.sendall(large)

    def accept() -> None:
        nonlocal accepted
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            accepted += 1
            threading.Thread(target=converse, args=(plain,), daemon=True).start()

    async def test(pool: BackendPool) -> None:
        for _ in range(5):
            assert len((await ask(pool)).content) == 70_000
        found = await asyncio.gather(*(ask(pool) for _ in range(40)))
        assert {len(got.content) for got in found} == {70_000}
        assert pool.native.open <= 4

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        run(test, f"https://127.0.0.1:{listener.getsockname()[1]}", ca=server.certificate, connections=4)
        listener.shutdown(socket.SHUT_RDWR)
    assert accepted <= 4


def test_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "wfm.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                for _ in range(2):
                    sock.recv(65536)
                    sock.sendall(OK)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        async def test(pool: BackendPool) -> None:
            for _ in range(2):
                assert (await ask(pool)).content == b"{}"

        run(test, f"unix://{path}")
        thread.join(20)
