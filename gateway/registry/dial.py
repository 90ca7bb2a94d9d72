"""Opens a connection to the store's endpoint: unix socket, TCP, or TLS with the operator's authorities."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.reasons import ConfigError, Reason
from gateway.registry import lineage
from gateway.registry.resp import pack
from gateway.registry.store_url import Endpoint


def tls_context(endpoint: Endpoint) -> ssl.SSLContext | None:
    """The TLS settings of `rediss://`: TLS 1.2 or later, the server's certificate and name checked; None for others.

    :raises ConfigError: config.unreadable for a certificate or key file
    """
    if not endpoint.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=endpoint.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if endpoint.client_cert is not None:
            context.load_cert_chain(endpoint.client_cert, endpoint.client_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"the store's TLS files cannot be used: {error}") from error
    return context


def dial(
    loop: asyncio.AbstractEventLoop,
    endpoint: Endpoint,
    context: ssl.SSLContext | None,
    factory: Callable[[], asyncio.BaseProtocol],
) -> Coroutine[Any, Any, tuple[asyncio.BaseTransport, asyncio.BaseProtocol]]:
    """What to await for a connection; raises OSError (ssl.SSLError is one) or UnicodeError for a host that is none."""
    if endpoint.path:
        return loop.create_unix_connection(factory, endpoint.path)
    return loop.create_connection(
        factory, endpoint.host, endpoint.port, ssl=context, server_hostname=endpoint.host if context else None
    )


def greeting(endpoint: Endpoint, nonce: bytes) -> list[bytes]:
    """The commands that open a connection. Each must succeed; the last answers with `nonce`; the one before it,
    where the endpoint is replicated, tells the server's lineage."""
    commands = []
    if endpoint.password or endpoint.user:
        user = [endpoint.user.encode()] if endpoint.user else []
        commands.append(pack(b"AUTH", *user, endpoint.password.encode()))
    if endpoint.db:
        commands.append(pack(b"SELECT", b"%d" % endpoint.db))
    if endpoint.replicated:
        commands.append(lineage.PACKED)
    commands.append(pack(b"PING", nonce))
    return commands
