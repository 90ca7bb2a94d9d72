"""The connections to a backend: which are used, when they end, and what whoever waits is told (R13)."""

import gc
import weakref

import pytest

from gateway._native import BackendConnection, Pool, Sending
from tests.support.answers import REQUEST, Connected, Heard

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_answer_in_one_read_is_told_in_one_call() -> None:
    connected = Connected()
    sending, heard = connected.ask(body=b"{}")
    assert connected.transports[0].written == REQUEST + b"{}"
    assert sending.touched
    connected.connections[0].data_received(OK)
    assert heard.begun == (200, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", False, 2, True)
    assert (heard.content, heard.pieces, heard.ended) == (b"ok", 1, True)


def test_connection_is_used_again_and_the_last_one_first() -> None:
    connected = Connected()
    for _ in range(2):
        connected.ask()
    for connection in connected.connections:
        connection.data_received(OK)
    _, heard = connected.ask()
    assert connected.attempts == 2
    assert connected.transports[1].written == REQUEST * 2
    connected.connections[1].data_received(OK)
    assert heard.ended
    assert (connected.pool.open, connected.pool.in_flight) == (2, 0)


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"x",
        OK + OK,
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"1.1", b"1.0"),
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_connection_that_is_not_in_step_is_thrown_away(raw: bytes) -> None:
    connected = Connected()
    _, heard = connected.ask()
    connected.connections[0].data_received(raw)
    assert heard.ended
    assert connected.transports[0].aborted
    connected.connections[0].connection_lost(None)
    assert connected.pool.open == 0


def test_octets_nobody_asked_for_end_a_free_connection() -> None:
    connected = Connected()
    connected.ask()
    connected.connections[0].data_received(OK)
    connected.connections[0].data_received(OK)
    assert connected.transports[0].aborted
    _, heard = connected.ask()
    assert connected.attempts == 2
    assert not heard.ended


def test_end_of_a_free_connection_is_noticed() -> None:
    connected = Connected()
    connected.ask()
    connected.connections[0].data_received(OK)
    connected.connections[0].eof_received()
    assert (connected.pool.open, connected.transports[0].aborted) == (0, True)
    connected.ask()
    assert connected.attempts == 2


def test_answer_up_to_the_end_needs_a_clean_end() -> None:
    for error, reason in ((None, None), (ConnectionResetError("reset"), "upstream.bad_answer")):
        connected = Connected()
        _, heard = connected.ask()
        connected.connections[0].data_received(b"HTTP/1.1 200 OK\r\n\r\nsome")
        connected.connections[0].connection_lost(error)
        assert (heard.content, heard.ended, heard.reason) == (b"some", error is None, reason)
        assert connected.pool.open == 0


@pytest.mark.parametrize(
    ("octets", "error", "reason"),
    [
        (b"", None, "upstream.unreachable"),
        (b"", ConnectionResetError("reset"), "upstream.unreachable"),
        (b"HTTP/1.1 200 OK\r\nA", None, "upstream.bad_answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", None, "upstream.unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", None, "upstream.bad_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", ConnectionResetError("reset"), "upstream.bad_answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", None, "upstream.bad_answer"),
    ],
)
def test_end_in_the_middle_is_a_failure(octets: bytes, error: Exception | None, reason: str) -> None:
    connected = Connected()
    _, heard = connected.ask()
    if octets:
        connected.connections[0].data_received(octets)
    connected.connections[0].connection_lost(error)
    assert (heard.ended, heard.reason) == (False, reason)
    assert connected.pool.open == 0


def test_more_requests_than_connections_wait_in_their_order() -> None:
    connected = Connected(connections=1)
    (_, first), (_, second), (third, late) = connected.ask(b"1"), connected.ask(b"2"), connected.ask(b"3")
    connected.ask(b"4")
    assert (connected.attempts, connected.pool.waiting) == (1, 3)
    third.abort()
    assert not third.touched
    for written in (b"1", b"12", b"124"):
        assert connected.transports[0].written == written
        connected.connections[0].data_received(OK)
    assert first.ended
    assert second.ended
    assert (late.begun, late.failed, connected.pool.waiting) == (None, None, 0)


def test_connection_that_ends_makes_room_for_who_waits() -> None:
    connected = Connected(connections=1)
    connected.ask()
    _, waiting = connected.ask()
    connected.connections[0].connection_lost(None)
    assert connected.attempts == 2
    connected.connect()
    connected.connections[1].data_received(OK)
    assert waiting.ended


def test_refused_connect_is_tried_twice_and_then_told() -> None:
    connected = Connected()
    heard = Heard()
    sending = connected.pool.send(REQUEST, b"", False, False, heard)
    connected.pool.connect_failed("upstream.unreachable", "refused", True)
    assert (connected.attempts, heard.failed) == (2, None)
    connected.pool.connect_failed("upstream.unreachable", "refused", True)
    assert (connected.attempts, heard.failed) == (2, ("upstream.unreachable", "refused"))
    assert not sending.touched
    assert connected.pool.waiting == 0


def test_connect_that_need_not_be_repeated_is_told_at_once() -> None:
    connected = Connected()
    heard = Heard()
    connected.pool.send(REQUEST, b"", False, False, heard)
    connected.pool.connect_failed("upstream.unreachable", "certificate", False)
    assert (connected.attempts, heard.reason) == (1, "upstream.unreachable")


def test_timeouts_come_with_the_ticks() -> None:
    connected = Connected(connections=2, connect=1.0, response=2.0, idle=3.0)
    silent, slow = connected.ask(), connected.ask()
    waiting = connected.ask()
    connected.pool.tick(0.9)
    assert waiting[1].failed is None
    connected.pool.tick(0.2)
    assert (waiting[1].reason, waiting[0].timed_out, waiting[0].touched) == ("upstream.timeout", True, False)
    connected.connections[1].data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
    connected.pool.tick(1.0)
    assert (silent[1].reason, silent[0].timed_out) == ("upstream.timeout", True)
    assert connected.transports[0].aborted
    connected.pool.tick(1.9)
    assert slow[1].failed is None
    connected.connections[1].data_received(b"!")
    connected.pool.tick(2.9)
    assert slow[1].failed is None
    connected.pool.tick(0.2)
    assert (slow[1].reason, slow[0].timed_out, slow[1].content) == ("upstream.bad_answer", True, b"ok!")


def test_time_goes_on_during_interim_answers_and_ends_for_free_connections() -> None:
    connected = Connected(response=2.0, keep=4.0)
    _, heard = connected.ask()
    for _ in range(3):
        connected.pool.tick(1.5)
        connected.connections[0].data_received(b"HTTP/1.1 102 Processing\r\n\r\n")
    connected.connections[0].data_received(OK)
    assert heard.ended
    connected.pool.tick(3.9)
    assert not connected.transports[0].aborted
    connected.pool.tick(0.2)
    assert (connected.transports[0].aborted, connected.pool.open) == (True, 0)


def test_client_that_pauses_is_not_the_backends_fault() -> None:
    connected = Connected(idle=3.0)
    sending, heard = connected.ask()
    connected.connections[0].data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
    sending.pause_reading()
    assert not connected.transports[0].reading
    connected.pool.tick(100.0)
    assert heard.failed is None
    sending.resume_reading()
    connected.pool.tick(2.0)
    connected.connections[0].data_received(b"!!")
    assert heard.ended


def test_connection_whose_answer_ended_while_paused_reads_again() -> None:
    connected = Connected()
    sending, heard = connected.ask()
    connected.connections[0].data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
    sending.pause_reading()
    connected.connections[0].data_received(b"!!")  # it was being read
    assert heard.ended
    assert connected.transports[0].reading
    sending.resume_reading()
    connected.ask()
    assert connected.attempts == 1


def test_streamed_body_waits_for_the_backend() -> None:
    connected = Connected(response=2.0)
    sending, heard = connected.ask(streamed=True)
    assert heard.can_writes == 1
    assert sending.write(b"a")
    connected.connections[0].pause_writing()
    assert not sending.write(b"b")
    connected.pool.tick(1.5)
    connected.connections[0].resume_writing()
    assert heard.can_writes == 2
    connected.pool.tick(100.0)  # the client's own time
    sending.write(b"c")
    sending.finish()
    assert connected.transports[0].written == REQUEST + b"abc"
    connected.pool.tick(1.5)
    connected.connections[0].data_received(OK)
    assert heard.ended
    assert not connected.transports[0].aborted


def test_backend_that_takes_no_more_of_a_body_is_a_timeout() -> None:
    connected = Connected(response=2.0)
    _, heard = connected.ask(streamed=True)
    connected.connections[0].pause_writing()
    connected.pool.tick(2.1)
    assert heard.failed == ("upstream.timeout", "the backend does not take the body")


def test_streamed_body_that_has_no_connection_yet_is_kept() -> None:
    connected = Connected(connections=1)
    connected.ask()
    sending, heard = connected.ask(b"head ", streamed=True)
    assert not sending.write(b"a")
    assert heard.can_writes == 0
    connected.connections[0].data_received(OK)
    assert connected.transports[0].written == REQUEST + b"head a"
    assert heard.can_writes == 1


def test_early_answer_is_told_and_ends_the_connection() -> None:
    connected = Connected()
    sending, heard = connected.ask(streamed=True)
    connected.connections[0].data_received(OK)
    assert heard.ended
    assert connected.transports[0].aborted
    assert sending.write(b"nobody reads this")
    sending.finish()
    assert connected.transports[0].written == REQUEST


def test_answer_before_a_large_body_was_taken_ends_the_connection() -> None:
    connected = Connected()
    _, heard = connected.ask(body=b"x" * 100_000)
    connected.connections[0].pause_writing()
    connected.connections[0].data_received(OK)
    assert heard.ended
    assert connected.transports[0].aborted


def test_abort_is_the_end_and_throws_the_connection_away() -> None:
    connected = Connected()
    sending, heard = connected.ask()
    connected.connections[0].data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
    sending.abort()
    sending.abort()
    assert connected.transports[0].aborted
    connected.connections[0].data_received(b"!!")
    connected.connections[0].connection_lost(None)
    assert (heard.content, heard.ended, heard.failed) == (b"ok", False, None)
    assert (connected.pool.open, connected.pool.in_flight) == (0, 0)


class Failing(Heard):
    """Fails at what its `method` names."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method

    def answer_begun(self, *args: object) -> None:
        if self.method == "answer_begun":
            raise ValueError("a defect")
        super().answer_begun(*args)  # type: ignore[arg-type]

    def answer_data(self, data: bytes, ended: bool) -> None:
        if self.method == "answer_data" and not data.startswith(b"ok"):
            raise ValueError("a defect")
        super().answer_data(data, ended)


@pytest.mark.parametrize("method", ["answer_begun", "answer_data"])
def test_defect_of_who_waits_is_its_own_failure(method: str) -> None:
    connected = Connected()
    heard = Failing(method)
    connected.pool.send(REQUEST, b"", False, False, heard)
    connected.connect()
    connected.connections[0].data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
    if method == "answer_data":
        connected.connections[0].data_received(b"!")
    assert heard.reason == "internal.error"
    assert "a defect" in (heard.failed or ("", ""))[1]
    assert connected.transports[0].aborted


class Asking(Heard):
    """Asks again as soon as it has its answer."""

    def __init__(self, connected: Connected, left: int) -> None:
        super().__init__()
        self.connected = connected
        self.left = left
        self.next: Asking | None = None

    def answer_data(self, data: bytes, ended: bool) -> None:
        super().answer_data(data, ended)
        if ended and self.left:
            self.next = Asking(self.connected, self.left - 1)
            self.connected.pool.send(REQUEST, b"", False, False, self.next)


def test_next_request_may_be_sent_from_within_the_answer() -> None:
    connected = Connected()
    heard = Asking(connected, 3)
    connected.pool.send(REQUEST, b"", False, False, heard)
    connected.connect()
    for count in range(1, 5):
        assert connected.transports[0].written == REQUEST * count
        connected.connections[0].data_received(OK)
    assert connected.attempts == 1
    assert heard.next is not None
    assert heard.next.ended


def test_close_ends_what_is_under_way() -> None:
    connected = Connected(connections=1)
    _, active = connected.ask()
    _, waiting = connected.ask()
    connected.pool.close()
    assert active.reason == waiting.reason == "upstream.unreachable"
    assert connected.transports[0].aborted
    late = connected.connect()
    assert late.aborted


def test_nothing_is_kept_alive_by_what_has_ended() -> None:
    connected = Connected()
    sending, heard = connected.ask()
    connected.connections[0].data_received(OK)
    connected.connections[0].connection_lost(None)
    gone = weakref.ref(heard)
    pool = weakref.ref(connected.pool)
    del heard
    assert gone() is None
    assert sending.touched
    del connected, sending
    gc.collect()
    assert pool() is None


def test_misuse_is_an_error_and_not_a_crash() -> None:
    connected = Connected()
    with pytest.raises(TypeError):
        BackendConnection()
    with pytest.raises(TypeError):
        connected.pool.send(REQUEST, b"", False, False, None)  # type: ignore[arg-type]
    for made in (Sending(), Pool.__new__(Pool)):
        for name in ("abort", "finish", "pause_reading", "close"):
            if hasattr(made, name):
                try:
                    getattr(made, name)()
                except (AttributeError, TypeError):
                    continue
