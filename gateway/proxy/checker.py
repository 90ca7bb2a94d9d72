"""Asks the servers of an upstream, each on a connection of its own, whether they are well."""

import asyncio
import random
import ssl
from contextlib import suppress
from typing import Final

from gateway._native import Refused, parse_answer
from gateway.balance.group import Group
from gateway.balance.server import Server
from gateway.config import Upstream
from gateway.config.upstream import BackendServer, Check
from gateway.proxy.upstream import tls_context

HEAD_BYTES: Final = 65536


class Checker:
    """One task per server. Make and start it on a running loop.

    :raises ConfigError: config.unreadable for TLS files
    """

    def __init__(self, config: Upstream, check: Check, group: Group) -> None:
        self._config = config
        self._check = check
        self._group = group
        secure = any(origin.scheme == "https" for origin in config.origins)
        self._tls = tls_context(config) if secure else None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; the first check of each server is made at once."""
        pairs = zip(self._config.backends, self._group.servers, strict=True)
        self._tasks = [asyncio.create_task(self._watch(backend, server)) for backend, server in pairs]

    async def close(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, backend: BackendServer, server: Server) -> None:
        while True:
            self._group.checked(server, await self.ask(backend))
            # Workers that were started together must not ask together for ever.
            await asyncio.sleep(self._check.interval_s * random.uniform(0.9, 1.1))

    async def ask(self, backend: BackendServer) -> str | None:
        """One check: None, or why it failed."""
        try:
            async with asyncio.timeout(self._check.timeout_s):
                status = await self._status(backend)
        except TimeoutError:
            return f"no answer in {self._check.timeout_s:g} s"
        except Refused as refused:
            return refused.detail
        except (OSError, ssl.SSLError, EOFError, asyncio.LimitOverrunError) as error:
            return (str(error) or type(error).__name__)[:200]
        return None if status < 400 else f"{self._check.path} is {status}"

    async def _status(self, backend: BackendServer) -> int:
        one = self._config.alone(backend)
        host = self._check.host
        if one.socket is not None:
            reader, writer = await asyncio.open_unix_connection(one.socket.path, limit=HEAD_BYTES)
            host = host or "localhost"
        else:
            origin = one.origin
            assert origin is not None
            tls = self._tls if origin.scheme == "https" else None
            name = origin.host if tls is not None else None
            reader, writer = await asyncio.open_connection(
                origin.host, origin.port, ssl=tls, server_hostname=name, limit=HEAD_BYTES
            )
            host = host or origin.authority
        try:
            writer.write(
                f"GET {self._check.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: wfm-gateway-check\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                status: int = parse_answer(head)[0]
                if status >= 200:
                    return status
        finally:
            transport = writer.transport
            with suppress(OSError):
                transport.abort()
