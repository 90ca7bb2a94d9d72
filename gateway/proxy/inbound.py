"""The connections of the native plane, as the worker makes them."""

import asyncio

from gateway._native import InboundServer
from gateway.config import Limits
from gateway.model import Peer
from gateway.observe.log import Log
from gateway.proxy.connection import FRESH_S, LINGER_S
from gateway.proxy.door import peer_of
from gateway.proxy.driver import Driver


def native_server(driver: Driver, limits: Limits, log: Log) -> InboundServer:
    """Makes one native connection per accepted socket; each hands its requests to the driver."""

    def tell_full(peer: Peer) -> None:
        log.line("warning", "connection.refused", detail="limits.connections", peer=peer.address)

    return InboundServer(
        asyncio.get_running_loop(),
        driver,
        peer_of,
        tell_full,
        limits.connections,
        limits.head_limit_bytes,
        limits.head_timeout_s,
        limits.body_timeout_s,
        limits.idle_timeout_s,
        LINGER_S,
        FRESH_S,
    )
