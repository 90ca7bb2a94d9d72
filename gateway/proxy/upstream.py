"""The connections to the backend: a pool over TCP, TLS or a unix socket, with our own rules for what may be reused.

aiohttp's connector and response parser are used without its `ClientSession`. What the session would have to be
forbidden is not there at all: cookies, redirects, decompression, proxies from the environment, added fields, a
normalised URL (it would drop an empty query) and the silent second attempt of idempotent requests.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from yarl import URL

from gateway.clock import Clock
from gateway.config import Upstream as UpstreamConfig
from gateway.proxy.aiohttp_asking import AiohttpAnswer, BackendProtocol, ask_over
from gateway.proxy.asking import UpstreamError
from gateway.proxy.assertion import Assertions
from gateway.proxy.spool import Body
from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway.proxy.forward import Delivery

POOL_IDLE_S: Final = 4.0
"""Idle connections are closed before backends close them (5 s is a common default): no request should meet a FIN."""


class Upstream:
    """A bounded pool of connections to the one backend."""

    def __init__(self, config: UpstreamConfig, clock: Clock) -> None:
        path = config.assertion_key
        self.assertions = None if path is None else Assertions(path, clock)
        self._config = config
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"limit": config.connections, "keepalive_timeout": POOL_IDLE_S}
        self._tls = False
        if config.socket is not None:
            url = URL("http://backend")
            self._connector: aiohttp.BaseConnector = aiohttp.UnixConnector(config.socket.path, **options)
        else:
            url = URL(config.url)
            self._tls = url.scheme == "https"
            context = tls_context(config) if self._tls else True
            self._connector = aiohttp.TCPConnector(ssl=context, **options)
        self._connector._factory = lambda: BackendProtocol(loop)  # type: ignore[assignment]
        self._timeout = aiohttp.ClientTimeout(connect=config.connect_timeout_s, ceil_threshold=1e9)
        # The connector wants a request to know where to connect; this one is never sent.
        self._where = ClientRequest("GET", url, loop=loop)

    @asynccontextmanager
    async def ask(
        self, head: bytes, body: Body | None, head_only: bool, delivery: "Delivery"
    ) -> AsyncIterator[AiohttpAnswer]:
        """As of `Backend.ask`."""
        connection = await self.connection()
        async with ask_over(connection, head, body, head_only, self._config, delivery) as answer:
            yield answer

    async def connection(self) -> Connection:
        """A connection on which nothing was sent yet.

        A refused connect is tried once more: no octet has reached the backend (R13, design §9). So is a connection
        that ends, or says something, before it was asked anything; those from the pool do not count.

        :raises UpstreamError: upstream.unreachable, upstream.timeout
        """
        attempts = 2
        while True:
            try:
                connection = await self._connector.connect(self._where, traces=[], timeout=self._timeout)
            except TimeoutError:
                raise UpstreamError(Reason.UPSTREAM_TIMEOUT, "no connection in time") from None
            except (aiohttp.ClientError, OSError) as error:
                attempts -= 1
                if attempts and not isinstance(error, aiohttp.ClientSSLError):
                    continue
                raise UpstreamError(Reason.UPSTREAM_UNREACHABLE, str(error)[:200]) from error
            protocol = connection.protocol
            if isinstance(protocol, BackendProtocol) and protocol.usable:
                protocol.fresh = False
                return connection
            connection.close()
            if protocol is None or getattr(protocol, "fresh", True):
                attempts -= 1
                if not attempts:
                    raise UpstreamError(Reason.UPSTREAM_UNREACHABLE, "new connections end before anything is asked")

    @property
    def busy(self) -> int:
        """Connections that a request has."""
        return len(self._connector._acquired)

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(map(len, self._connector._conns.values()))

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection."""
        return sum(map(len, self._connector._waiters.values()))

    async def close(self) -> None:
        """Close every connection."""
        await self._connector.close()


def tls_context(config: UpstreamConfig) -> ssl.SSLContext:
    """TLS towards the backend, with its authority and our certificate (R17).

    :raises ConfigError: config.unreadable
    """
    try:
        context = ssl.create_default_context(cafile=config.ca)
        context.set_alpn_protocols(["http/1.1"])
        if config.client_cert is not None:
            context.load_cert_chain(config.client_cert, config.client_key)
    except (OSError, ssl.SSLError) as error:
        files = " or ".join(name for name in (config.ca, config.client_cert, config.client_key) if name is not None)
        message = f"upstream: {files} cannot be used for TLS ({error})"
        raise ConfigError(Reason.CONFIG_UNREADABLE, message) from error
    return context
