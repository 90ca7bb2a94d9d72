"""What takes time on the native plane goes on as a task: large bodies, onboarding, rotation, our own documents."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway._native import Content, Head, InboundConnection
from gateway.model import Peer
from gateway.proxy.asking import READ_BYTES
from gateway.proxy.exchange import Exchange, Request
from gateway.proxy.incoming import Answered, ClientGone, Incoming
from gateway.steps import Step


class Patience:
    """One request of a native connection in the hands of the exchange, which finds here what it knows of its own."""

    def __init__(self, connection: InboundConnection, content: Content, head: Head | None, request_id: str) -> None:
        self._client = _Client(connection)
        self._payload = _Payload(connection, content)
        self.request = Request(Incoming(self._client, head, self._payload), head, request_id)

    def start(self, exchange: Exchange, step: Step, ended: Callable[[bool, bool], None]) -> None:
        """Go on with `step`.

        :param ended: told at the end whether the connection may stay open, and whether something is unread
        """

        def done(task: "asyncio.Task[Answered]") -> None:
            keep_alive = False
            try:
                keep_alive = not task.cancelled() and task.result().keep_alive
            finally:
                ended(keep_alive, self._client.lingers)

        self._task = asyncio.get_running_loop().create_task(exchange.carry_on(self.request, step))
        self._task.add_done_callback(done)

    # What the connection tells

    def body_arrived(self) -> None:
        """More of the body, or its end."""
        self._payload.wake()

    def client_reads(self) -> None:
        """It takes what was written."""
        self._client.wake()

    def client_gone(self) -> None:
        """It is away, and so ends what was done for it."""
        self._task.cancel()


class _Client:
    """The client's connection."""

    def __init__(self, connection: InboundConnection) -> None:
        self._connection = connection
        self._reads: asyncio.Future[None] | None = None
        self.lingers = False

    @property
    def peer(self) -> Peer:
        peer: Peer = self._connection.peer
        return peer

    @property
    def closing(self) -> bool:
        return self._connection.closing

    def write(self, data: bytes) -> None:
        if self._connection.gone:
            raise ClientGone("the client closed the connection")
        self._connection.write(data)

    async def drained(self) -> None:
        # A client that takes nothing is cut by its connection, and that ends the task.
        while self._connection.paused:
            self._reads = asyncio.get_running_loop().create_future()
            await self._reads

    def wake(self) -> None:
        if self._reads is not None and not self._reads.done():
            self._reads.set_result(None)

    def cut(self) -> None:
        self._connection.cut()

    async def linger(self) -> None:
        # Its connection does that, once the task has ended.
        self.lingers = True


class _Payload:
    """The body as it arrives."""

    def __init__(self, connection: InboundConnection, content: Content) -> None:
        self._connection = connection
        self._content = content
        self._more: asyncio.Future[None] | None = None

    def is_eof(self) -> bool:
        return self._content.ended

    @property
    def total_bytes(self) -> int:
        return self._content.total

    def exception(self) -> Any:
        return self._content.fault

    def read_nowait(self) -> bytes:
        return self._connection.take_content()

    async def readany(self) -> bytes:
        content, connection = self._content, self._connection
        while not content.waiting and not content.ended:
            if content.fault is not None:
                raise content.fault
            self._more = asyncio.get_running_loop().create_future()
            connection.want_body(READ_BYTES)
            try:
                await self._more
            finally:
                connection.leave_body()
        return connection.take_content()

    def wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
