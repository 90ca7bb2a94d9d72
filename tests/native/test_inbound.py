"""Native connections on a transport, a loop and a driver made by hand: what is read when, and what is never read."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway._native import Content, Head, InboundConnection, InboundServer, Refused
from tests.native.test_wire import STREAMS

GET = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\n\r\n"
HELD = 65536


class Transport:
    """Keeps what is done to it."""

    def __init__(self) -> None:
        self.written = b""
        self.done: list[str] = []
        self.reading = True

    def get_extra_info(self, name: str) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return "close" in self.done or "abort" in self.done

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.done.append("write_eof")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


class Loop:
    """Calls when the test says so."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        assert seconds > 0

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)


class Request:
    """One request in the hands of the driver."""

    def __init__(self, connection: InboundConnection, head: Head | None, content: Content, refused: Any) -> None:
        self.connection = connection
        self.target = None if head is None else head.target
        self.content = content
        self.reason = None if refused is None else refused.reason
        self.body = b""
        self.told: list[str] = []

    @property
    def outcome(self) -> tuple[object, ...]:
        fault = self.content.fault
        return self.target, self.body, self.content.ended, self.reason or (fault and fault.reason)

    def body_arrived(self) -> None:
        self.told.append("body")
        self.go_on()

    def body_late(self) -> None:
        self.told.append("late")

    def client_reads(self) -> None:
        self.told.append("reads")

    def client_gone(self, detail: str) -> None:
        self.told.append("gone")

    def go_on(self) -> None:
        """Read on to the end of the body, then be done."""
        self.body += self.connection.take_content()
        if self.content.ended or self.content.fault is not None or self.target is None:
            self.connection.finish(self.content.ended, not self.content.ended)
        elif not self.told:
            self.connection.want_body(10**6)


class Bench:
    """One server with a driver that does what the test says: by default it reads each request and is done."""

    def __init__(self, begin: Callable[[Request], None] = Request.go_on, connections: int = 10) -> None:
        self.requests: list[Request] = []
        self.refused: list[str] = []
        self._begin = begin
        self.loop = Loop()
        self.server = InboundServer(
            self.loop,
            self,
            lambda transport: "peer",
            self.refused.append,
            connections,
            1000,
            10.0,
            20.0,
            30.0,
            5.0,
            1.0,
        )  # type: ignore[arg-type]

    def begin(self, connection: InboundConnection, head: Any, content: Content, refused: Any, too_late: bool) -> Any:
        request = Request(connection, head, content, refused)
        request.told += ["too late"] * too_late
        self.requests.append(request)
        self._begin(request)
        return request

    def connect(self) -> tuple[InboundConnection, Transport]:
        connection, transport = self.server(), Transport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        return connection, transport

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.5)):  # a tick is half a second for these timeouts
            self.server.pass_time()

    def outcomes(self) -> list[tuple[object, ...]]:
        return [request.outcome for request in self.requests]


def outcomes_of(*pieces: bytes) -> list[tuple[object, ...]]:
    bench = Bench()
    connection, _ = bench.connect()
    for piece in pieces:
        connection.data_received(piece)
        while bench.loop.soon:
            bench.loop.soon.pop(0)()
    return bench.outcomes()


@pytest.mark.parametrize("stream", [*STREAMS.values(), GET * 100 + b"X\r\n"], ids=[*STREAMS, "many"])
def test_r4_the_cut_makes_no_difference(stream: bytes) -> None:
    whole = outcomes_of(stream)
    assert whole
    for at in range(1, len(stream), 1 + len(stream) // 700):
        assert outcomes_of(stream[:at], stream[at:]) == whole, at
    assert outcomes_of(*[stream[at : at + 1] for at in range(len(stream))]) == whole


def test_the_next_request_is_not_looked_at_before_the_last_is_done() -> None:
    bench = Bench(lambda request: None)
    connection, _ = bench.connect()
    connection.data_received(GET + b"GARBAGE\r\n\r\n")
    assert bench.outcomes() == [(b"/a", b"", True, None)]
    connection.data_received(GET)
    connection.finish(True, False)
    assert [outcome[3] for outcome in bench.outcomes()] == [None, "request.bad_request_line"]
    connection.finish(True, True)
    connection.data_received(GET)
    assert len(bench.requests) == 2, "nothing behind a refusal is a request"


def test_r5_what_waits_behind_a_request_is_bounded() -> None:
    bench = Bench(lambda request: None)
    connection, transport = bench.connect()
    connection.data_received(GET)
    for _ in range(HELD // len(GET)):
        connection.data_received(GET)
        assert transport.reading
    connection.data_received(GET)
    assert not transport.reading
    for _ in range(HELD // len(GET) + 1):
        connection.finish(True, False)
    assert transport.reading


def test_r5_a_body_that_nobody_wants_yet_is_bounded() -> None:
    bench = Bench(lambda request: None)
    connection, transport = bench.connect()
    connection.data_received(POST.replace(b"6", b"999999"))
    connection.data_received(b"x" * HELD)
    assert not transport.reading
    bench.requests[0].go_on = lambda: None  # type: ignore[method-assign]  # it hears of more, and takes none
    connection.want_body(2 * HELD)
    assert transport.reading
    connection.data_received(b"x" * HELD)
    assert not transport.reading
    assert len(connection.take_content()) == 2 * HELD
    assert transport.reading


def test_a_body_that_nobody_took_does_not_stop_the_next_request() -> None:
    bench = Bench(lambda request: None)
    connection, transport = bench.connect()
    connection.data_received(POST.replace(b"6", b"%d" % HELD) + b"x" * HELD)
    assert not transport.reading
    connection.finish(True, False)
    assert transport.reading


def test_r4_what_comes_behind_a_refused_body_is_thrown_away_within_bounds() -> None:
    bench = Bench(lambda request: request.connection.finish(False, True))
    connection, transport = bench.connect()
    connection.data_received(POST)
    assert transport.done == ["write_eof"]
    connection.data_received(b"x" * 1024 * 1024)
    assert transport.done == ["write_eof"]
    connection.data_received(GET)
    assert transport.done == ["write_eof", "abort"]
    assert len(bench.requests) == 1


def test_lingering_ends() -> None:
    bench = Bench(lambda request: request.connection.finish(False, True))
    connection, transport = bench.connect()
    connection.data_received(POST)
    bench.pass_time(5)
    assert transport.done == ["write_eof"]
    bench.pass_time(1)
    assert transport.done == ["write_eof", "close"]


def test_deadlines() -> None:
    bench = Bench()
    connection, transport = bench.connect()
    bench.pass_time(10)
    assert not bench.requests
    bench.pass_time(1)
    assert [request.reason for request in bench.requests] == ["request.head_timeout"]
    connection, transport = bench.connect()
    bench.pass_time(9)
    connection.data_received(GET[:10])
    bench.pass_time(2)
    assert bench.requests.pop().reason == "request.head_timeout", "octets do not wind it up again"
    connection, transport = bench.connect()
    connection.data_received(GET)
    bench.pass_time(30)
    assert transport.done == []
    bench.pass_time(1)
    assert transport.done == ["close"], "idle"
    connection, transport = bench.connect()
    connection.data_received(POST + b"abc")
    bench.pass_time(19)
    connection.data_received(b"d")
    bench.pass_time(20)
    assert "late" not in bench.requests[-1].told
    bench.pass_time(1)
    assert bench.requests[-1].told == ["body", "late"]


def test_client_that_does_not_read_is_cut() -> None:
    bench = Bench(lambda request: None)
    connection, transport = bench.connect()
    connection.data_received(GET)
    connection.pause_writing()
    bench.pass_time(20)
    connection.resume_writing()
    assert bench.requests[0].told == ["reads"]
    connection.pause_writing()
    bench.pass_time(30)
    assert transport.done == []
    bench.pass_time(1)
    assert transport.done == ["abort"]
    connection.connection_lost(None)
    assert bench.requests[0].told == ["reads", "gone"]


def test_client_that_does_not_read_is_not_answered_again() -> None:
    bench = Bench()
    connection, _ = bench.connect()
    connection.pause_writing()
    connection.data_received(GET + GET)
    assert not bench.requests
    connection.resume_writing()
    assert len(bench.requests) == 2


def test_client_that_leaves_is_told_of_once() -> None:
    bench = Bench(lambda request: None)
    connection, _ = bench.connect()
    connection.data_received(GET)
    connection.connection_lost(None)
    assert bench.requests[0].told == ["gone"]
    connection.write(b"late")
    connection.finish(True, False)
    assert not bench.server.connections
    connection, _ = bench.connect()
    connection.data_received(GET)
    connection.finish(True, False)
    connection.connection_lost(ConnectionResetError("reset"))
    assert bench.requests[1].told == []


def test_end_of_what_the_client_sends() -> None:
    bench = Bench()
    connection, _ = bench.connect()
    connection.data_received(POST + b"abc")
    assert connection.eof_received(), "its request is answered"
    assert bench.outcomes() == [(b"/a", b"abc", False, "request.body_incomplete")]
    assert not connection.eof_received()
    connection, _ = bench.connect()
    connection.data_received(GET[:9])
    assert not connection.eof_received()


def test_others_get_their_turn() -> None:
    bench = Bench()
    connection, _ = bench.connect()
    connection.data_received(GET * 100)
    assert len(bench.requests) == 32
    connection.data_received(GET)
    assert len(bench.requests) == 32
    while bench.loop.soon:
        bench.loop.soon.pop()()
    assert len(bench.requests) == 101


def test_connections_beyond_the_limit() -> None:
    bench = Bench(connections=1)
    first, _ = bench.connect()
    second, transport = bench.connect()
    assert (transport.done, bench.refused, bench.server.refused) == (["abort"], ["peer"], 1)
    second.data_received(GET)
    second.connection_lost(None)
    first.data_received(GET)
    assert len(bench.requests) == 1
    assert bench.server.open == bench.server.accepted == 1


def test_driver_that_fails_costs_its_connection_and_no_more() -> None:
    def fail(request: Request) -> None:
        raise RuntimeError("a defect")

    bench = Bench(fail)
    connection, transport = bench.connect()
    with pytest.raises(RuntimeError, match="a defect"):
        connection.data_received(GET)
    assert transport.done == ["abort"]
    connection.connection_lost(None)
    assert not bench.server.connections


def test_drain() -> None:
    bench = Bench(lambda request: None)
    fresh, busy, half, idle = (bench.connect() for _ in range(4))
    busy[0].data_received(GET + GET)
    half[0].data_received(GET[:9])
    idle[0].data_received(GET)
    idle[0].finish(True, False)
    bench.server.drain()
    assert idle[1].done == ["close"]
    assert bench.server.busy
    assert not busy[0].closing, "one more has arrived, and is told so"
    busy[0].finish(True, False)
    assert bench.requests[-1].told == ["too late"]
    assert busy[0].closing
    busy[0].finish(True, False)
    assert busy[1].done == ["close"]
    half[0].data_received(GET[9:])
    assert bench.requests[-1].told == [], "it had begun"
    half[0].finish(half[0].closing is False, False)
    assert half[1].done == ["close"]
    bench.pass_time(2)
    assert fresh[1].done == ["close"], "nothing came"
    bench.server.cut()
    assert fresh[1].done == ["close", "abort"]


def test_refusal_carries_its_detail() -> None:
    details: list[str] = []
    bench = Bench(lambda request: details.append(request.content.fault.detail if request.content.fault else ""))
    connection, _ = bench.connect()
    connection.data_received(POST.replace(b"Content-Length: 6", b"Transfer-Encoding: chunked") + b"ZZ\r\n")
    assert details[0].startswith("the size is not")
    assert isinstance(bench.requests[0].content.fault, Refused)
