"""Sends an admitted request to the backend and relays the answer. Takes proof, not requests: see R16."""

from typing import Final

from gateway._native import forward_fields
from gateway.model import Admitted, Composed
from gateway.proxy.asking import Backends, UpstreamError
from gateway.proxy.assertion import Assertions
from gateway.proxy.headers import admitted_head, composed_head, target_of
from gateway.proxy.incoming import Client
from gateway.proxy.relay import Relay
from gateway.proxy.spool import Body
from gateway.reasons import Reason

ANSWER_BYTES: Final = 262_144
"""Longest answer that is kept whole: an onboarding answer has a few hundred octets."""


class Delivery:
    """How far one request came. `touched` is false as long as no octet was written to the backend."""

    __slots__ = ("answered", "touched")

    def __init__(self) -> None:
        self.touched = False
        self.answered = False
        """The client has octets of an answer: another one cannot be sent."""


def admitted_octets(
    admitted: Admitted, body_length: int | None, allowed: frozenset[bytes] | None, assertions: Assertions | None
) -> bytes:
    """Head of a verified request as it goes to the backend.

    :param body_length: as for `admitted_head`
    :param allowed: names that may go on, None for all (`[headers] forward`)
    """
    if not isinstance(admitted, Admitted):
        raise TypeError("only an Admitted goes to the backend")  # R16
    fields = forward_fields(admitted.head, admitted.verified.candidate, allowed)
    assertion = None if assertions is None else assertions.make(admitted, target_of(admitted.head))
    return admitted_head(admitted, fields, body_length, assertion)


def composed_octets(composed: Composed) -> bytes:
    """Head of a request that we composed for an open route."""
    if not isinstance(composed, Composed):
        raise TypeError("only a Composed goes to the backend unverified")  # R16
    return composed_head(composed)


async def forward(
    admitted: Admitted,
    body: Body | None,
    allowed: frozenset[bytes] | None,
    client: Client,
    keep_alive: bool,
    upstream: Backends,
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
    length = None if body is None or body.length == 0 else body.length
    backend = upstream.at(admitted.head.path, admitted.verified.client.client_id, admitted.head.method)
    head = admitted_octets(admitted, length, allowed, backend.assertions)
    sent = body if length is not None else None
    async with backend.ask(head, sent, admitted.head.method == b"HEAD", delivery) as answer:
        return answer.status, await relay.run(answer, admitted.head.minor, client, keep_alive, delivery)


async def forward_open(
    composed: Composed,
    minor: int,
    client: Client,
    keep_alive: bool,
    upstream: Backends,
    relay: Relay,
    delivery: Delivery,
) -> tuple[int, bool]:
    """Forward a request that we composed for an open route; as `forward`."""
    if not isinstance(composed, Composed):
        raise TypeError("only a Composed goes to the backend unverified")  # R16
    head = composed_octets(composed)
    backend = upstream.at(composed.target, "", composed.method)
    async with backend.ask(head, None, composed.method == b"HEAD", delivery) as answer:
        return answer.status, await relay.run(answer, minor, client, keep_alive, delivery)


class Collected:
    """A whole answer of the backend, in memory; `lines` are its status line and the field lines that may go on."""

    __slots__ = ("body", "lines", "status")

    def __init__(self, status: int, lines: list[bytes], body: bytes) -> None:
        self.status = status
        self.lines = lines
        self.body = body


async def collect(
    admitted: Admitted, data: bytes, allowed: frozenset[bytes] | None, upstream: Backends, delivery: Delivery
) -> Collected:
    """Forward a verified request and keep its answer: for what must be understood before the device sees it.

    No `Accept-Encoding` goes on, unless the signature covers it: we could not read a compressed answer.

    :raises UpstreamError: no answer could be had, or not one of at most `ANSWER_BYTES`
    """
    if not isinstance(admitted, Admitted):
        raise TypeError("only an Admitted goes to the backend")  # R16
    candidate = admitted.verified.candidate
    fields = forward_fields(admitted.head, candidate, allowed, b"accept-encoding")
    head = admitted_head(admitted, fields, len(data) or None)
    backend = upstream.at(admitted.head.path, admitted.verified.client.client_id, admitted.head.method)
    async with backend.ask(head, Body(data, len(data)) if data else None, False, delivery) as answer:
        body = b""
        while piece := await answer.read():
            body += piece
            if len(body) > ANSWER_BYTES:
                raise UpstreamError(Reason.UPSTREAM_ANSWER, f"more than {ANSWER_BYTES} octets")
    lines = answer.head.split(b"\r\n")[:-1]
    if answer.content_length < 0:
        lines.append(b"Content-Length: %d" % len(body))
    return Collected(answer.status, lines, body)
