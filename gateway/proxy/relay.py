"""Streams a backend's answer to the client: status, fields and octets as they came, under back-pressure."""

from typing import TYPE_CHECKING, Final

from gateway.proxy.asking import BackendAnswer, UpstreamError
from gateway.proxy.incoming import Client
from gateway.proxy.respond import Responder
from gateway.reasons import Reason

if TYPE_CHECKING:
    from gateway.proxy.forward import Delivery


class Relay:
    """Relays answers; one per worker."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    async def run(
        self, answer: BackendAnswer, minor: int, client: Client, keep_alive: bool, delivery: "Delivery"
    ) -> bool:
        """Send the answer to the client; returns whether its connection may stay open.

        :param minor: the client's HTTP version, 1 or 0: to HTTP/1.0 nothing is sent in chunks (RFC 9112 §7.1)
        :raises UpstreamError: with `delivery.answered` set: the answer broke off and the client's connection was cut
        :raises ClientGone: the client is away
        """
        head = answer.head
        if not answer.has_date:  # RFC 9110 §6.6.1
            head += b"Date: " + self._responder.date() + b"\r\n"
        chunked = False
        if answer.has_body and answer.content_length < 0:
            chunked = minor == 1
            if chunked:
                head += b"Transfer-Encoding: chunked\r\n"
            else:
                keep_alive = False
        keep_alive = keep_alive and not client.closing
        head += b"\r\n" if keep_alive else b"Connection: close\r\n\r\n"
        data = answer.take_whole()
        delivery.answered = True
        if data is not None:
            client.write(head + (_chunk(data) + _LAST_CHUNK if chunked else data))
            await client.drained()
            return keep_alive
        client.write(head)
        try:
            while data := await answer.read():
                client.write(_chunk(data) if chunked else data)
                await client.drained()
        except UpstreamError as error:
            # A clean end would make the part look like the whole.
            client.cut()
            raise UpstreamError(Reason.UPSTREAM_ANSWER, error.detail) from error
        if chunked:
            client.write(_LAST_CHUNK)
            await client.drained()
        return keep_alive


_LAST_CHUNK: Final = b"0\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
