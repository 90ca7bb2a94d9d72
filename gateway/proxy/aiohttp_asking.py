"""Questions to the backend over aiohttp's connections: one request at a time, its body in pieces if it is large."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from aiohttp.client_exceptions import ClientError, ServerDisconnectedError
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection as BackendConnection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from gateway._native import Refused
from gateway.config import Upstream
from gateway.proxy.asking import READ_BYTES, UpstreamError
from gateway.proxy.headers import AnswerHead, BadAnswer, status_line
from gateway.proxy.spool import Body
from gateway.reasons import Reason

if TYPE_CHECKING:
    from gateway.proxy.forward import Delivery

HEAD_BYTES: Final = 65536
HEAD_FIELDS: Final = 256
"""Bounds of a backend's answer."""

INTERIM_ANSWERS: Final = 16
"""Most 1xx answers that are waited through; they are not relayed (RFC 9110 §15.2: a proxy may drop them)."""

_NO_BODY: Final = frozenset({204, 304})
"""Statuses whose answers end with their head (RFC 9112 §6.3), beside every answer to HEAD."""


class BackendProtocol(ResponseHandler):
    """Remembers how the connection ended: for a body without a length only a proper close is its end (RFC 9112 §8)."""

    broken: BaseException | None = None
    fresh = True
    """No request has had it yet."""

    def connection_lost(self, exc: BaseException | None) -> None:
        self.broken = exc
        super().connection_lost(exc)

    @property
    def usable(self) -> bool:
        """Nothing has been received that no request asked for; such octets would become another device's answer."""
        return self.is_connected() and not self.should_close


class AiohttpAnswer:
    """An answer as aiohttp parsed it.

    :raises UpstreamError: upstream.bad_answer: its head cannot be passed on
    """

    def __init__(self, message: Any, payload: StreamReader, protocol: BackendProtocol, head_only: bool) -> None:
        try:
            answer = AnswerHead(message.raw_headers, message.code)
        except BadAnswer as error:
            raise UpstreamError(Reason.UPSTREAM_ANSWER, str(error)) from error
        self.status: int = message.code
        self.head = b"\r\n".join([status_line(message.code, message.reason), *answer.lines, b""])
        self.has_date = answer.has_date
        self.content_length = -1 if answer.content_length is None else answer.content_length
        self.has_body = not head_only and self.status not in _NO_BODY
        if self.has_body and answer.chunked is not message.chunked:
            # aiohttp does not take `chunked` with white space behind it for chunks.
            raise UpstreamError(Reason.UPSTREAM_ANSWER, "white space behind the Transfer-Encoding")
        self.whole = not self.has_body
        """It was read to its end."""
        self._payload = payload
        self._protocol = protocol
        self._until_close = answer.content_length is None and not answer.chunked

    def take_whole(self) -> bytes | None:
        """As of `BackendAnswer`."""
        payload = self._payload
        if self.has_body:
            if not payload.is_eof() or payload.exception() is not None or self._cut_short:
                return None
            self.whole = True
            return payload.read_nowait() if payload.total_bytes else b""
        return b""

    async def read(self) -> bytes:
        """As of `BackendAnswer`."""
        if not self.has_body:
            return b""
        try:
            data = await self._payload.readany()
        except TimeoutError:
            raise UpstreamError(Reason.UPSTREAM_TIMEOUT, "the answer stopped arriving") from None
        except (ClientError, OSError) as error:
            detail = f"broke off in the middle of its body: {error}"[:200]
            raise UpstreamError(Reason.UPSTREAM_ANSWER, detail) from error
        if not data:
            if self._cut_short:
                detail = "broke off in the middle of its body: reset in an answer without a length"
                raise UpstreamError(Reason.UPSTREAM_ANSWER, detail)
            self.whole = True
        return data

    @property
    def _cut_short(self) -> bool:
        """An answer without a length ends with its connection, and this one's ended with an error (RFC 9112 §8)."""
        return self._until_close and self._protocol.broken is not None


@asynccontextmanager
async def ask_over(
    backend: BackendConnection,
    head: bytes,
    body: Body | None,
    head_only: bool,
    config: Upstream,
    delivery: "Delivery",
) -> AsyncIterator[AiohttpAnswer]:
    """As of `Backend.ask`, over one connection, which goes back to its pool or away."""
    sending: asyncio.Task[None] | None = None
    answer: AiohttpAnswer | None = None
    try:
        protocol, transport = _prepared(backend, head_only, config.response_timeout_s)
        delivery.touched = True
        if body is None or not body.spooled:
            transport.write(head + body.data if body is not None else head)
            protocol.start_timeout()
        else:
            transport.write(head)
            sending = asyncio.create_task(_send_pieces(body, backend, protocol, config.response_timeout_s))
        message, payload = await _answer(protocol, sending)
        answer = AiohttpAnswer(message, payload, protocol, head_only)
        protocol.read_timeout = config.idle_timeout_s
        if not payload.is_eof():
            protocol.start_timeout()  # the timer that runs is still that of the head
        yield answer
    finally:
        sent = sending is None or sending.done()
        if sending is not None and not sent:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
        _give_back(backend, sent and answer is not None and answer.whole)


def _prepared(
    backend: BackendConnection, head_only: bool, response_timeout_s: float
) -> tuple[BackendProtocol, asyncio.Transport]:
    protocol = backend.protocol
    assert isinstance(protocol, BackendProtocol)
    protocol.set_response_params(
        skip_payload=head_only,
        read_until_eof=True,
        auto_decompress=False,
        read_timeout=response_timeout_s,
        read_bufsize=READ_BYTES,
        max_line_size=HEAD_BYTES,
        max_field_size=HEAD_BYTES,
        max_headers=HEAD_FIELDS,
    )
    transport = backend.transport
    if transport is None or transport.is_closing():
        raise UpstreamError(Reason.UPSTREAM_UNREACHABLE, "the connection was closed before it was used")
    return protocol, transport


def _give_back(backend: BackendConnection, whole: bool) -> None:
    """To the pool, or away with it if the answer was not read to its end."""
    if whole:
        backend.release()
        return
    if (transport := backend.transport) is not None:
        transport.abort()
    backend.close()


async def _answer(protocol: BackendProtocol, sending: asyncio.Task[None] | None) -> tuple[Any, Any]:
    """The final answer's head and body stream."""
    try:
        for _ in range(INTERIM_ANSWERS):
            message, payload = await protocol.read()
            if message.code == 101:
                raise UpstreamError(Reason.UPSTREAM_ANSWER, "101 Switching Protocols, which nobody asked for")
            if message.code >= 200:
                return message, payload
            if sending is None or sending.done():
                # aiohttp stops its timer at the end of every answer, and takes an interim one for an answer.
                protocol.start_timeout()
        raise UpstreamError(Reason.UPSTREAM_ANSWER, f"more than {INTERIM_ANSWERS} interim answers")
    except HttpProcessingError as error:
        raise UpstreamError(Reason.UPSTREAM_ANSWER, str(error.message)[:200]) from error
    except TimeoutError:
        raise UpstreamError(Reason.UPSTREAM_TIMEOUT, "no answer in time") from None
    except ServerDisconnectedError as error:
        if error.message is not None and not isinstance(error.message, str):
            raise UpstreamError(Reason.UPSTREAM_ANSWER, "closed in the middle of the head") from error
        raise UpstreamError(Reason.UPSTREAM_UNREACHABLE, "closed without an answer") from error
    except (ClientError, OSError) as error:
        raise UpstreamError(Reason.UPSTREAM_UNREACHABLE, str(error)[:200]) from error


async def _send_pieces(body: Body, backend: BackendConnection, protocol: BackendProtocol, stall_s: float) -> None:
    """Send a spooled body under back-pressure. A backend that stops listening is found by whoever reads its answer."""
    try:
        async for piece in body.pieces():
            transport = backend.transport
            if transport is None or transport.is_closing():
                return
            transport.write(piece)
            if protocol.writing_paused:
                async with asyncio.timeout(stall_s):
                    await protocol._drain_helper()
        protocol.start_timeout()
    except TimeoutError:
        protocol.set_exception(TimeoutError("the backend does not take the body"))
    except ConnectionError as error:
        protocol.set_exception(error)
    except Exception as error:
        # The backend waits for the rest, and whoever reads its answer waits for the backend: both must end, and this
        # connection must carry nothing else.
        detail = f"the body cannot be read again: {type(error).__name__}: {error}"
        protocol.set_exception(Refused(Reason.INTERNAL_ERROR, detail), error)
