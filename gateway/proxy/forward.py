"""Sends an admitted request to the backend and relays the answer. Takes proof, not requests: see R16."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiohttp.client_exceptions import ClientError, ServerDisconnectedError
from aiohttp.connector import Connection as BackendConnection
from aiohttp.http_exceptions import HttpProcessingError

from gateway._native import Refused, forward_fields
from gateway.model import Admitted, Composed
from gateway.proxy.connection import Connection
from gateway.proxy.headers import AnswerHead, BadAnswer, admitted_head, composed_head, status_line, target_of
from gateway.proxy.relay import Relay
from gateway.proxy.spool import Body
from gateway.proxy.upstream import (
    HEAD_BYTES,
    HEAD_FIELDS,
    READ_BYTES,
    BackendProtocol,
    Upstream,
    UpstreamError,
)
from gateway.reasons import Reason

INTERIM_ANSWERS: Final = 16
"""Most 1xx answers that are waited through; they are not relayed (RFC 9110 §15.2: a proxy may drop them)."""


ANSWER_BYTES: Final = 262_144
"""Longest answer that is kept whole: an onboarding answer has a few hundred octets."""


class Delivery:
    """How far one request came. `touched` is false as long as no octet was written to the backend."""

    __slots__ = ("answered", "touched")

    def __init__(self) -> None:
        self.touched = False
        self.answered = False
        """The client has octets of an answer: another one cannot be sent."""


async def forward(
    admitted: Admitted,
    body: Body | None,
    allowed: frozenset[bytes] | None,
    client: Connection,
    keep_alive: bool,
    upstream: Upstream,
    relay: Relay,
    delivery: Delivery,
) -> tuple[int, bool]:
    """Forward a verified request and relay its answer.

    :param allowed: names that may go on, None for all (`[headers] forward`)
    :param delivery: is kept up to date, also if this raises or is cancelled
    :returns: the status of the answer, and whether the client's connection may stay open
    :raises UpstreamError: no answer could be had
    :raises Refused: internal.error: a spooled body cannot be read again
    :raises ClientGone: the client does not take the answer
    """
    if not isinstance(admitted, Admitted):
        raise TypeError("only an Admitted goes to the backend")  # R16
    fields = forward_fields(admitted.head, admitted.verified.candidate, allowed)
    length = None if body is None or body.length == 0 else body.length
    assertions = upstream.assertions
    assertion = None if assertions is None else assertions.make(admitted, target_of(admitted.head))
    head = admitted_head(admitted, fields, length, assertion)
    sent = body if length is not None else None
    head_only = admitted.head.method == b"HEAD"
    return await _deliver(head, sent, head_only, admitted.head.minor, client, keep_alive, upstream, relay, delivery)


async def forward_open(
    composed: Composed,
    minor: int,
    client: Connection,
    keep_alive: bool,
    upstream: Upstream,
    relay: Relay,
    delivery: Delivery,
) -> tuple[int, bool]:
    """Forward a request that we composed for an open route; as `forward`."""
    if not isinstance(composed, Composed):
        raise TypeError("only a Composed goes to the backend unverified")  # R16
    head = composed_head(composed)
    return await _deliver(head, None, composed.method == b"HEAD", minor, client, keep_alive, upstream, relay, delivery)


class Collected:
    """A whole answer of the backend, in memory; `lines` are its status line and the field lines that may go on."""

    __slots__ = ("body", "lines", "status")

    def __init__(self, status: int, lines: list[bytes], body: bytes) -> None:
        self.status = status
        self.lines = lines
        self.body = body


async def collect(
    admitted: Admitted, data: bytes, allowed: frozenset[bytes] | None, upstream: Upstream, delivery: Delivery
) -> Collected:
    """Forward a verified request and keep its answer: for what must be understood before the device sees it.

    No `Accept-Encoding` goes on, unless the signature covers it: we could not read a compressed answer.

    :raises UpstreamError: no answer could be had, or not one of at most `ANSWER_BYTES`
    """
    if not isinstance(admitted, Admitted):
        raise TypeError("only an Admitted goes to the backend")  # R16
    candidate = admitted.verified.candidate
    fields = forward_fields(admitted.head, candidate, allowed)
    if b"accept-encoding" not in candidate.field_names():
        fields = [(name, value) for name, value in fields if name.lower() != "accept-encoding"]
    backend = await upstream.connection()
    whole = False
    try:
        protocol, transport = _prepared(backend, False, upstream)
        delivery.touched = True
        transport.write(admitted_head(admitted, fields, len(data) or None) + data)
        protocol.start_timeout()
        message, payload = await _answer(protocol, None)
        answer = _read_head(message)
        body = await _read_whole(payload)
        if answer.content_length is None and not answer.chunked and protocol.broken is not None:
            raise UpstreamError(Reason.UPSTREAM_ANSWER, "reset in the middle of an answer without a length")
        whole = True
    finally:
        _give_back(backend, whole)
    if answer.content_length is None:
        answer.lines.append(b"Content-Length: %d" % len(body))
    return Collected(message.code, [status_line(message.code, message.reason), *answer.lines], body)


def _read_head(message: Any) -> AnswerHead:
    try:
        return AnswerHead(message.raw_headers, message.code)
    except BadAnswer as error:
        raise UpstreamError(Reason.UPSTREAM_ANSWER, str(error)) from error


async def _read_whole(payload: Any) -> bytes:
    body = b""
    try:
        while piece := await payload.readany():
            body += piece
            if len(body) > ANSWER_BYTES:
                raise UpstreamError(Reason.UPSTREAM_ANSWER, f"more than {ANSWER_BYTES} octets")
    except TimeoutError:
        raise UpstreamError(Reason.UPSTREAM_TIMEOUT, "the answer stopped arriving") from None
    except (ClientError, OSError) as error:
        detail = f"broke off in the middle of its body: {error}"[:200]
        raise UpstreamError(Reason.UPSTREAM_ANSWER, detail) from error
    return body


async def _deliver(
    head: bytes,
    body: Body | None,
    head_only: bool,
    minor: int,
    client: Connection,
    keep_alive: bool,
    upstream: Upstream,
    relay: Relay,
    delivery: Delivery,
) -> tuple[int, bool]:
    backend = await upstream.connection()
    sending: asyncio.Task[None] | None = None
    whole = False
    try:
        protocol, transport = _prepared(backend, head_only, upstream)
        delivery.touched = True
        if body is None or not body.spooled:
            transport.write(head + body.data if body is not None else head)
            protocol.start_timeout()
        else:
            transport.write(head)
            sending = asyncio.create_task(_send_pieces(body, backend, protocol, upstream.response_timeout_s))
        message, payload = await _answer(protocol, sending)
        answer = await relay.run(message, payload, protocol, head_only, minor, client, keep_alive, delivery)
        whole = answer.whole and (sending is None or sending.done())
        return message.code, answer.keep_alive
    finally:
        if sending is not None and not sending.done():
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
        _give_back(backend, whole)


def _prepared(
    backend: BackendConnection, head_only: bool, upstream: Upstream
) -> tuple[BackendProtocol, asyncio.Transport]:
    protocol = backend.protocol
    assert isinstance(protocol, BackendProtocol)
    protocol.set_response_params(
        skip_payload=head_only,
        read_until_eof=True,
        auto_decompress=False,
        read_timeout=upstream.response_timeout_s,
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
