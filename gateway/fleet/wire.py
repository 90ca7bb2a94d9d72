"""A bounded pool of keep-alive connections that writes prepared octets and hands each answer to a callback.

One request at a time on a connection, as devices do; what finds no connection free waits in its order. There is no
task, future or coroutine per request, so that one core can load another.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias, cast

import msgspec

from gateway.fleet.answer import Unreadable, etag_of, read_answer

TIMEOUT_S: Final = 10.0
_SWEEP_S: Final = 0.5
_IDLE_S: Final = 30.0
"""A connection that was idle for longer is not used: a gateway or balancer may be about to close it."""

Done: TypeAlias = Callable[[int, bytes | None, bytes], None]
"""Called once with status, entity tag and content; status 0 is no answer, and the content says why."""


class Target(msgspec.Struct, frozen=True):
    """Where to connect. `server_name` is what a TLS certificate must carry."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """One answer; status 0 is none, and then the content says why."""

    status: int
    etag: bytes | None
    content: bytes


class Pool:
    """At most `limit` connections to `target`."""

    def __init__(self, target: Target, limit: int, timeout_s: float = TIMEOUT_S) -> None:
        self._target = target
        self._limit = limit
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[bytes, Done]] = deque()
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        self.in_flight = 0
        self.opened = 0
        """Connections made so far."""

    @property
    def waiting(self) -> int:
        """Requests that no connection has taken yet."""
        return len(self._waiting)

    def send(self, octets: bytes, done: Done) -> None:
        """Write one whole request as soon as a connection is free. `done` is never called from within."""
        self.in_flight += 1
        now = self._loop.time()
        while self._idle:
            connection = self._idle.pop()
            if now - connection.since <= _IDLE_S:
                connection.begin(octets, done, now)
                return
            connection.drop()
        self._waiting.append((octets, done))
        self._open()

    async def ask(self, octets: bytes) -> Reply:
        """Send one request and wait for its answer."""
        answered: asyncio.Future[Reply] = self._loop.create_future()

        def done(status: int, etag: bytes | None, content: bytes) -> None:
            if not answered.done():
                answered.set_result(Reply(status, etag, content))

        self.send(octets, done)
        return await answered

    def close(self) -> None:
        """Drop every connection; requests under way are answered with 0."""
        self._sweeper.cancel()
        self._limit = 0
        for connection in list(self._all):
            connection.drop()
        while self._waiting:
            self.finished(self._waiting.popleft()[1], 0, None, b"closed")

    def drop_idle(self) -> None:
        """Close the connections that nobody uses, as an outage does."""
        for connection in self._idle:
            connection.drop()
        self._idle.clear()

    def finished(self, done: Done, status: int, etag: bytes | None, content: bytes) -> None:
        """One request has its answer."""
        self.in_flight -= 1
        done(status, etag, content)

    def free(self, connection: "_Connection") -> None:
        """A connection has done its work."""
        if self._waiting:
            octets, done = self._waiting.popleft()
            connection.begin(octets, done, self._loop.time())
        else:
            connection.since = self._loop.time()
            self._idle.append(connection)

    def made(self, connection: "_Connection") -> None:
        """A connection is open."""
        self.opened += 1
        self._all.add(connection)
        if self._limit:
            self.free(connection)
        else:
            connection.drop()

    def lost(self, connection: "_Connection") -> None:
        """A connection is gone."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting:
            self._open()

    def _open(self) -> None:
        if len(self._all) + len(self._connecting) < self._limit and len(self._connecting) < len(self._waiting):
            task = self._loop.create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connected)

    async def _connect(self) -> None:
        target = self._target
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._loop.create_connection(
                    lambda: _Connection(self), target.host, target.port, ssl=target.tls,
                    server_hostname=target.server_name if target.tls else None,
                )  # fmt: skip
        except (OSError, TimeoutError) as error:
            if self._waiting:
                self.finished(self._waiting.popleft()[1], 0, None, f"connect: {type(error).__name__}".encode())

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        if self._waiting and self._limit:
            self._open()

    def _sweep(self) -> None:
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        before = self._loop.time() - self._timeout_s
        for connection in list(self._all):
            if connection.done is not None and connection.since < before:
                connection.fail(b"timeout")


class _Connection(asyncio.Protocol):
    """`since` is when its request began, or when it became idle."""

    __slots__ = ("_buffer", "_head_only", "_pool", "_transport", "done", "since")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._buffer = b""
        self._head_only = False
        self.done: Done | None = None
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._pool.made(self)

    def begin(self, octets: bytes, done: Done, now: float) -> None:
        """Send a request."""
        self.done = done
        self.since = now
        self._head_only = octets.startswith(b"HEAD ")
        self._transport.write(octets)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        done = self.done
        if done is None:  # nobody asked
            self.drop()
            return
        try:
            answer = read_answer(data, self._head_only)
        except Unreadable as error:
            self.fail(str(error).encode())
            return
        if answer is None:
            self._buffer = data
            return
        self._buffer = b""
        status, head, content, goes_on = answer
        self.done = None
        if goes_on:
            self._pool.free(self)
        else:
            self.drop()
        self._pool.finished(done, status, etag_of(head, data), content)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(b"connection closed" if exc is None else type(exc).__name__.encode())
        self._pool.lost(self)

    def fail(self, why: bytes) -> None:
        """Give up what is under way, and the connection with it."""
        done, self.done = self.done, None
        self.drop()
        if done is not None:
            self._pool.finished(done, 0, None, why)

    def drop(self) -> None:
        """Close it at once."""
        self._transport.abort()
