"""Sends on what did not verify, where the mode of its route says so (R16): cleaned as everything is, and nameless."""

from gateway._native import forward_fields
from gateway.model import Unverified
from gateway.proxy.asking import Backends
from gateway.proxy.forward import Delivery
from gateway.proxy.headers import unverified_head
from gateway.proxy.incoming import Client
from gateway.proxy.relay import Relay
from gateway.proxy.spool import Body


def unverified_octets(unverified: Unverified, body_length: int | None, allowed: frozenset[bytes] | None) -> bytes:
    """Head of the request for the backend: no field of it says who sent it.

    :param body_length: octets of the body that follows; None if there is none
    :param allowed: names that may go on, None for all; `[headers] forward = "covered"` means all: nothing is covered
    """
    if not isinstance(unverified, Unverified):
        raise TypeError("only an Unverified goes to the backend without proof")  # R16
    return unverified_head(unverified, forward_fields(unverified.head, None, allowed), body_length)


async def forward_unverified(
    unverified: Unverified,
    body: Body | None,
    allowed: frozenset[bytes] | None,
    client: Client,
    keep_alive: bool,
    upstream: Backends,
    relay: Relay,
    delivery: Delivery,
) -> tuple[int, bool]:
    """Forward a request without proof and relay its answer; as `gateway.proxy.forward.forward`."""
    length = None if body is None or body.length == 0 else body.length
    octets = unverified_octets(unverified, length, allowed)
    head = unverified.head
    backend = upstream.at(head.path, unverified.client_id, head.method)
    sent = body if length is not None else None
    async with backend.ask(octets, sent, head.method == b"HEAD", delivery) as answer:
        return answer.status, await relay.run(answer, head.minor, client, keep_alive, delivery)
