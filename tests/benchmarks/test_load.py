"""The benchmark's load generator and backend: they must count what happened, because every figure rests on them."""

import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.load.backend import Backend
from benchmarks.load.generator import LoadFailed, Shots, send

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the load generator is for Linux"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with Backend(min(os.sched_getaffinity(0))) as running:
        yield running


def heads(folder: Path, *texts: str) -> Path:
    path = folder / "heads"
    path.write_bytes("".join(text.replace("\n", "\r\n") for text in texts).encode())
    return path


GET = "GET /{} HTTP/1.1\nHost: x\n\n"
POST = "POST /{} HTTP/1.1\nHost: x\nContent-Length: {}\n\n"


def test_each_request_is_answered_once(backend: Backend, tmp_path: Path) -> None:
    before = backend.requests
    done = send(backend.port, Shots(heads(tmp_path, GET.format("a")), 1), 500, connections=7)
    assert (done.answered, done.failed, done.statuses) == (500, 0, {"200": 500})
    assert backend.requests - before == 500
    assert len(done.latency_us) == 1001
    assert done.latency_us == sorted(done.latency_us)


@pytest.mark.parametrize("options", [{"rate": 5000.0}, {"rate": 5000.0, "fresh": True}, {"fresh": True}])
def test_open_loop_and_fresh_connections(backend: Backend, tmp_path: Path, options: dict[str, float]) -> None:
    before = backend.requests
    done = send(backend.port, Shots(heads(tmp_path, GET.format("a")), 1), 200, **options)
    assert done.answered == 200
    assert backend.requests - before == 200


@pytest.mark.parametrize("size", [1, 1000, 3_000_000])
def test_bodies_go_out_whole(backend: Backend, tmp_path: Path, size: int) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"b" * size)
    before = backend.requests
    done = send(backend.port, Shots(heads(tmp_path, POST.format("a", size)), 1, body), 20, connections=3)
    assert done.answered == 20
    assert backend.requests - before == 20  # it would take the rest of a body for a head


def test_long_answers_are_read_whole(backend: Backend, tmp_path: Path) -> None:
    assert send(backend.port, Shots(heads(tmp_path, GET.format("bytes/5000000")), 1), 6, connections=2).answered == 6


def scripted(answer: bytes) -> tuple[int, list[bytes], threading.Thread]:
    """A server that takes one connection after the other, reads one request, writes `answer` and closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def serve() -> None:
        with closing(listener):
            for _ in range(3):
                connection, _ = listener.accept()
                with closing(connection):
                    seen.append(connection.recv(65536))
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], seen, thread


def test_requests_are_sent_in_order_from_the_first_one_on(tmp_path: Path) -> None:
    port, seen, thread = scripted(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    shots = Shots(heads(tmp_path, *(GET.format(name) for name in "abcd")), 4)
    send(port, shots, 3, connections=1, first=3, fresh=True)
    thread.join()
    assert [request.split()[1] for request in seen] == [b"/d", b"/a", b"/b"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "401"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "3 had no answer"),
        (b"", "3 had no answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "3 had no answer"),
    ],
    ids=["refused", "short", "closed", "unread framing"],
)
def test_what_is_not_a_whole_200_is_a_failure(tmp_path: Path, answer: bytes, says: str) -> None:
    port, _, thread = scripted(answer)
    with pytest.raises(LoadFailed, match=says):
        send(port, Shots(heads(tmp_path, GET.format("a")), 1), 3, connections=1, fresh=True)
    thread.join()
