"""One inbound connection: our strict reader in front of aiohttp's parser, and the only way to write to the client."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aiohttp.http_exceptions import InvalidURLError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from gateway._native import Head, Refused, WireReader
from gateway.model import Peer
from gateway.proxy.door import peer_of
from gateway.proxy.incoming import CLOSE, Answered, ClientGone, Incoming
from gateway.reasons import Reason

if TYPE_CHECKING:
    from gateway.proxy.server import Server

READ_BYTES: Final = 65536
"""Body octets that wait for their reader before the socket is paused (twice that at most)."""

LINGER_BYTES: Final = 1024 * 1024
LINGER_S: Final = 2.0
"""Bounds of what is read and thrown away behind a refusal, so that the client sees the answer and not a reset (R4)."""

FRESH_S: Final = 1.0
"""How long a drain waits for the first byte of a connection that was accepted just before it."""


class Connection(RequestHandler):
    """aiohttp's connection with our reader in front (R4, R5), our timers, and no answer of aiohttp's own making."""

    __slots__ = (
        "_accepted",
        "_draining",
        "_grace",
        "_head_timer",
        "_heads",
        "_latest",
        "_linger_left",
        "_offence",
        "_reader",
        "_refusal_queued",
        "_server",
        "announced",
        "peer",
    )

    def __init__(self, server: "Server", **options: Any) -> None:
        super().__init__(server, **options)
        limits = server.limits
        self._server = server
        self._reader = WireReader(limits.head_limit_bytes)
        self._heads: list[Head] = []
        self._accepted = 0
        self._latest: Incoming | None = None
        self._offence: Refused | None = None
        self._refusal_queued = False
        self._linger_left: int | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._draining = False
        self._grace = False
        self.peer = Peer("")
        self.announced: Peer | None = None
        """Who a balancer's PROXY header says the client is."""

    # What arrives

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.peer = peer_of(transport) if self.announced is None else self.announced
        if self._server.full:
            self._force_close = True
            self._server.refused += 1
            self._server.log.line("warning", "connection.refused", detail="limits.connections", peer=self.peer.address)
            transport.abort()  # type: ignore[attr-defined]  # sockets have transports that can be written to
            return
        self._server.accepted += 1
        super().connection_made(transport)
        self._draining = self._grace = self._server.draining
        self._arm(FRESH_S if self._draining else self._server.limits.head_timeout_s)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._disarm()
        self._heads.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not data:
            # aiohttp resumes its own parser; the octets it holds were accepted before.
            super().data_received(data)
            self._settle()
            return
        if self._linger_left is not None:
            self._linger_left -= len(data)
            if self._linger_left < 0:
                self.cut()
            return
        if self._offence is not None or self._close or self._force_close:
            return
        reader = self._reader
        before = self._accepted
        try:
            accepted = reader.feed(data)
        except Refused as refused:
            self._offence = refused
            accepted = reader.accepted
        while (head := reader.take_head()) is not None:
            self._heads.append(head)
            self._accepted += 1
        if accepted:
            super().data_received(accepted)
        if self._offence is not None:
            self._disarm()
            self._settle()
        elif self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            # aiohttp's parser refused what ours accepted: the refusal is queued already, nothing more is read.
            self._refusal_queued = True
            self._offence = Refused(Reason.REQUEST_FIELD)
            self._disarm()
        elif not reader.head_pending:
            self._disarm()
        elif self._head_timer is None or self._accepted != before:
            self._disarm()
            self._arm(self._server.limits.head_timeout_s)

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp declares None, asyncio allows a bool
        """The client sends no more. Only a body that breaks off gets an answer; else it is gone (as nginx takes it)."""
        if self._linger_left is None and self._offence is None and self._reader.body_pending:
            self._offend(Reason.REQUEST_BODY_INCOMPLETE, "the connection was closed in the middle of the body")
            return True
        return False

    def _arm(self, seconds: float) -> None:
        self._head_timer = self._loop.call_later(seconds, self._head_late)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._head_timer = None
        if self._draining and not self._accepted and not self._reader.head_pending:
            self.force_close()
        elif self._offence is None:
            self._offend(Reason.REQUEST_HEAD_TIMEOUT, "")

    def _process_keepalive(self) -> None:
        # A head that has begun is watched by its own timer, which answers; aiohttp's would close without a word.
        if self._head_timer is None:
            super()._process_keepalive()
        else:
            self._keepalive_handle = None  # it has fired: as long as it stands here, aiohttp sets no other

    def _offend(self, reason: Reason, detail: str) -> None:
        self._offence = Refused(reason, detail)
        self._settle()

    def _settle(self) -> None:
        """Put the offence where it belongs, once aiohttp's parser has handed out all that was accepted before it: into
        the body that it breaks, or behind the last request."""
        if self._offence is None or self._refusal_queued or self._request_count < self._accepted:
            return
        payload = self._messages[-1][1] if self._messages else self._latest.payload if self._latest else EMPTY_PAYLOAD
        if not payload.is_eof():
            if not self._reading_paused:  # else there may be more of that body in aiohttp's parser
                self._refusal_queued = True
                payload.set_exception(self._offence)
            return
        self._refusal_queued = True
        self._messages.append((_ErrInfo(400, self._offence, ""), EMPTY_PAYLOAD))
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # What aiohttp would answer by itself

    def incoming(self, payload: StreamReader, whole: bool) -> Incoming:
        """The next request; `whole` is false where aiohttp's parser or our reader refused it."""
        incoming = Incoming(self, self._heads.pop(0) if whole else None, payload)
        if self._draining:
            incoming.too_late = not self._grace
            self._grace = False
        self._latest = incoming
        return incoming

    def _make_error_handler(self, err_info: _ErrInfo) -> Callable[[Any], Awaitable[Any]]:
        exc = err_info.exc

        async def refuse(incoming: Incoming) -> Answered:
            if isinstance(exc, Refused):
                incoming.refused = exc
            else:
                reason = Reason.REQUEST_TARGET if isinstance(exc, InvalidURLError) else Reason.REQUEST_FIELD
                incoming.refused = Refused(reason, f"the second parser: {type(exc).__name__}: {err_info.message}"[:200])
            return await self._server.exchange.run(incoming)

        return refuse

    async def finish_response(self, request: Any, resp: Any, start_time: float | None) -> tuple[Any, bool]:
        """The handler has written the answer itself, so that no field is invented."""
        return CLOSE if self.closing else resp, False

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> Any:
        """Reached only by a defect in the handler's own error path: the connection is cut, nothing is said."""
        self._server.log.line("error", "handler.failed", detail=f"{type(exc).__name__}: {exc}")
        self.cut()
        return CLOSE

    # What leaves

    def write(self, data: bytes) -> None:
        """Send octets to the client.

        :raises ClientGone: the connection is closed or closing
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ClientGone("the client closed the connection")
        transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was written.

        :raises ClientGone: it takes nothing for `limits.idle_timeout_s`, or is gone
        """
        if not self._paused:
            return
        try:
            async with asyncio.timeout(self._server.limits.idle_timeout_s):
                await self._drain_helper()
        except TimeoutError:
            self.cut()
            raise ClientGone("the client does not read the answer") from None
        except ConnectionError as exc:
            raise ClientGone(str(exc)) from exc

    def cut(self) -> None:
        """End the connection so that nobody can take it for the end of a message: with a reset."""
        transport = self.transport
        if transport is not None:
            sock = transport.get_extra_info("socket")
            with suppress(OSError, AttributeError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        self._force_close = True

    async def linger(self) -> None:
        """Throw away what still comes, within bounds, until the client closes: lest a reset eats the answer (R4)."""
        transport = self.transport
        if transport is None or self._linger_left is not None:
            return
        self._linger_left = LINGER_BYTES
        with suppress(OSError, RuntimeError, NotImplementedError):
            transport.write_eof()
        self._resume_transport_reading()
        # The client's own close ends this earlier: the server cancels the handler of a lost connection.
        await asyncio.sleep(LINGER_S)

    # Shutting down

    @property
    def closing(self) -> bool:
        """The gateway shuts down and this is the last answer on the connection: it should say so."""
        return self._draining and not self._messages and not self._grace

    @property
    def busy(self) -> bool:
        """Is a request being answered, waiting, or arriving, or an answer on its way?"""
        if self._messages or self._request_in_progress or self._reader.head_pending or self._grace:
            return True
        return self._accepted > 0 and not self._idle

    @property
    def _idle(self) -> bool:
        """aiohttp's loop over requests waits for one; it may be busy long before `_request_in_progress` says so."""
        return self._waiter is not None and not self._waiter.done()

    def drain(self, patiently: bool) -> None:
        """Finish what has begun, take nothing new, then close; `patiently` an idle connection may bring one more
        request, whose sender may be about to write it."""
        self._draining = True
        if self._messages and not self._request_in_progress:
            self._grace = True  # it was read, and would be answered next
        elif self._reader.head_pending:
            self._grace = self._idle
        elif self._accepted == 0 and self._head_timer is not None:
            # Accepted a moment ago: its request may be on the way.
            self._grace = True
            self._disarm()
            self._arm(FRESH_S)
        elif self._idle and patiently:
            self._grace = True
        elif self._idle:
            self.force_close()
