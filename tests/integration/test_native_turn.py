"""Requests of the native plane to several servers: callbacks in place of tasks, the same decisions (R13)."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import uvloop

from gateway.clock import SystemClock
from gateway.config import Upstream as UpstreamConfig
from gateway.config.upstream import Check
from gateway.proxy.native_turn import NativeTurn, SharedSending
from gateway.proxy.pool import BackendPool
from gateway.proxy.upstreams import Upstreams
from tests.integration.backend import OK, Peer, RecordingBackend, Seen
from tests.support.answers import Heard

REQUEST = b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"


def run(
    test: Callable[["Upstreams[BackendPool, NativeTurn]"], Awaitable[None]], *servers: str, **options: Any
) -> list[str]:
    """Run `test` over upstream servers; returns the events that were reported."""
    told: list[str] = []

    async def on_loop() -> None:
        clock = SystemClock()
        config = UpstreamConfig(servers=servers, **options)
        make = partial(BackendPool, clock=clock)
        upstreams = Upstreams((config,), clock, lambda event, _: told.append(event), make, NativeTurn)
        try:
            await asyncio.wait_for(test(upstreams), 20.0)
        finally:
            await upstreams.close()
        assert [state.in_flight for state in upstreams.describe()] == [0] * len(servers)

    uvloop.run(on_loop())
    return told


def begin(upstreams: "Upstreams[BackendPool, NativeTurn]", method: bytes = b"GET") -> tuple[SharedSending, Heard]:
    """Send one request."""
    turn = upstreams.at(b"/x", "dev1", method)
    assert isinstance(turn, NativeTurn)
    heard = Heard()
    return turn.send(REQUEST, b"", False, False, heard), heard


async def ended(heard: Heard) -> Heard:
    """Wait for the end of an answer."""
    while not heard.ended and heard.failed is None:
        await asyncio.sleep(0.002)
    return heard


def hang_up(peer: Peer, seen: Seen) -> bool:
    return False


def test_what_was_not_sent_goes_to_another_server(backend: RecordingBackend) -> None:
    with RecordingBackend() as gone:
        away = gone.url

    async def test(upstreams: "Upstreams[BackendPool, NativeTurn]") -> None:
        for _ in range(10):
            sending, heard = begin(upstreams)
            await ended(heard)
            assert (heard.reason, heard.content, sending.touched) == (None, b"{}", True)

    assert run(test, away, backend.url, eject_after=2, eject_s=60.0) == ["upstream.ejected"]
    assert len(backend.requests) == 10


def test_what_was_sent_goes_again_only_where_that_is_allowed(backend: RecordingBackend) -> None:
    async def test(upstreams: "Upstreams[BackendPool, NativeTurn]") -> None:
        found = [(await ended(begin(upstreams, method)[1])).reason for method in (b"GET", b"GET", b"POST", b"POST")]
        assert found == [None, None, "upstream.unreachable", None]

    with RecordingBackend() as other:
        backend.script = hang_up
        run(test, backend.url, other.url, eject_after=0, retry="idempotent")
        assert (len(backend.requests), len(other.requests)) == (2, 3)


def test_nobody_up_is_told_later_and_untouched(backend: RecordingBackend) -> None:
    backend.stop_listening()

    async def test(upstreams: "Upstreams[BackendPool, NativeTurn]") -> None:
        upstreams.start()
        while upstreams.describe()[0].up:
            await asyncio.sleep(0.002)
        sending, heard = begin(upstreams)
        assert heard.failed is None
        await ended(heard)
        assert (heard.reason, sending.touched) == ("upstream.down", False)

    assert run(test, backend.url, check=Check(path="/")) == ["upstream.down"]


def test_limits_are_given_back_whatever_the_end(backend: RecordingBackend) -> None:
    async def test(upstreams: "Upstreams[BackendPool, NativeTurn]") -> None:
        first, _ = begin(upstreams)
        assert (await ended(begin(upstreams)[1])).reason == "upstream.busy"
        first.abort()
        first.abort()
        assert (await ended(begin(upstreams)[1])).reason is None
        backend.script = hang_up
        assert (await ended(begin(upstreams)[1])).reason == "upstream.unreachable"
        backend.script = lambda peer, seen: peer.sock.sendall(OK) is None
        assert (await ended(begin(upstreams)[1])).reason is None

    run(test, backend.url, max_requests=1)


def test_answers_pass_with_back_pressure_and_broken_ones_are_not_repeated(backend: RecordingBackend) -> None:
    def break_off(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxy")
        return False

    async def test(upstreams: "Upstreams[BackendPool, NativeTurn]") -> None:
        sending, heard = begin(upstreams)
        sending.pause_reading()
        sending.resume_reading()
        await ended(heard)
        assert (heard.reason, heard.content, sending.timed_out) == ("upstream.bad_answer", b"xy", False)

    backend.script = break_off
    run(test, backend.url, max_requests=5, retry="idempotent")
    assert len(backend.requests) == 1
