"""Streams a backend's answer to the client: status, fields and octets as they came, under back-pressure."""

from typing import Any, Final

from aiohttp.client_exceptions import ClientError
from aiohttp.streams import StreamReader

from gateway.proxy.connection import Connection
from gateway.proxy.headers import AnswerHead, BadAnswer, status_line
from gateway.proxy.incoming import ClientGone
from gateway.proxy.respond import Responder
from gateway.proxy.upstream import BackendProtocol, UpstreamError
from gateway.reasons import Reason

_NO_BODY: Final = frozenset({204, 304})
"""Statuses whose answers end with their head (RFC 9112 §6.3), beside every answer to HEAD."""


class Relayed:
    """`whole`: the backend's answer was read to its end. `keep_alive`: the client's connection may stay open."""

    __slots__ = ("keep_alive", "whole")

    def __init__(self, whole: bool, keep_alive: bool) -> None:
        self.whole = whole
        self.keep_alive = keep_alive


class Relay:
    """Relays answers; one per worker."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    async def run(
        self,
        message: Any,
        payload: StreamReader,
        protocol: BackendProtocol,
        head_only: bool,
        minor: int,
        client: Connection,
        keep_alive: bool,
        delivery: Any,
    ) -> Relayed:
        """Send the answer to the client.

        :param minor: the client's HTTP version, 1 or 0: to HTTP/1.0 nothing is sent in chunks (RFC 9112 §7.1)
        :raises UpstreamError: nothing was sent, because the head cannot be passed on (upstream.bad_answer) or, with
            `delivery.answered` set, the answer broke off and the client's connection was cut
        :raises ClientGone: the client is away
        """
        status = message.code
        try:
            answer = AnswerHead(message.raw_headers, status)
        except BadAnswer as error:
            raise UpstreamError(Reason.UPSTREAM_ANSWER, str(error)) from error
        has_body = not head_only and status not in _NO_BODY
        lines = answer.lines
        lines.insert(0, status_line(status, message.reason))
        if not answer.has_date:  # RFC 9110 §6.6.1
            lines.append(b"Date: " + self._responder.date())
        chunked = False
        if has_body and answer.content_length is None:
            chunked = minor == 1
            if chunked:
                lines.append(b"Transfer-Encoding: chunked")
            else:
                keep_alive = False
        keep_alive = keep_alive and not client.closing
        if not keep_alive:
            lines.append(b"Connection: close")
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        if not has_body:
            delivery.answered = True
            client.write(head)
            await client.drained()
            return Relayed(True, keep_alive)
        if payload.is_eof() and payload.exception() is None and not _may_be_cut_short(answer, protocol):
            data = payload.read_nowait() if payload.total_bytes else b""
            delivery.answered = True
            client.write(head + (_chunk(data) + _LAST_CHUNK if chunked else data))
            await client.drained()
            return Relayed(True, keep_alive)
        delivery.answered = True
        client.write(head)
        try:
            await self._stream(payload, chunked, client)
            if _may_be_cut_short(answer, protocol):
                raise ConnectionError("reset in the middle of an answer without a length")
        except ClientGone:
            raise
        except (TimeoutError, ClientError, OSError) as error:
            # A clean end would make the part look like the whole.
            client.cut()
            detail = f"broke off in the middle of its body: {error}"[:200]
            raise UpstreamError(Reason.UPSTREAM_ANSWER, detail) from error
        if chunked:
            client.write(_LAST_CHUNK)
            await client.drained()
        return Relayed(True, keep_alive)

    @staticmethod
    async def _stream(payload: StreamReader, chunked: bool, client: Connection) -> None:
        while data := await payload.readany():
            client.write(_chunk(data) if chunked else data)
            await client.drained()


_LAST_CHUNK: Final = b"0\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def _may_be_cut_short(answer: AnswerHead, protocol: BackendProtocol) -> bool:
    """An answer without a length ends with its connection, and this one's ended with an error (RFC 9112 §8)."""
    return answer.content_length is None and not answer.chunked and protocol.broken is not None
