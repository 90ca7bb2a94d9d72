"""Lets connections in: hears a balancer's PROXY header, does the TLS handshake, then hands over to the server."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from gateway._native import Refused
from gateway.config import Limits, Listen
from gateway.model import Peer
from gateway.observe.log import Log
from gateway.proxy.proxy_header import PEEK_BYTES, ProxyHeader
from gateway.proxy.tls_identity import TlsIdentity

BACKLOG: Final = 1024
ACCEPTED_AT_ONCE: Final = 64
"""Connections of one turn of the loop, so that a crowd at the door does not keep those inside from being served."""

PAUSE_S: Final = 0.1
"""Before accepting again where the system has no descriptors left."""


class Server(Protocol):
    """What makes connections, on either plane."""

    def __call__(self) -> Any:
        """A connection whose attribute `announced` says who a balancer's PROXY header named; None without one."""
        ...


class Door:
    """The way in from one listening socket. A plain one is the loop's own; the other two need a look at each socket
    before anything is read from it, so that connections are accepted here.

    :param identity: our certificate on our own TLS listener
    """

    def __init__(
        self, server: Server, listen: Listen, limits: Limits, log: Log, identity: TlsIdentity | None = None
    ) -> None:
        self._server = server
        self._networks = listen.proxy_networks
        self._unix = listen.proxies_unix
        self._identity = identity
        self._patience_s = limits.head_timeout_s
        self._limit = limits.connections
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._plain = identity is None and not listen.proxy_protocol
        self._listener: socket.socket | None = None
        self._listening: asyncio.Server | None = None
        self._entering: set[asyncio.Task[None]] = set()

    async def open(self, listener: socket.socket) -> None:
        """Let in whoever connects to `listener`."""
        self._listener = listener
        if self._plain:
            self._listening = await self._loop.create_server(self._server, sock=listener, backlog=BACKLOG)
            return
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    def close(self) -> socket.socket:
        """Take nobody new; a copy of the listening socket, for those whom the kernel has already accepted."""
        assert self._listener is not None
        last = self._listener.dup()
        if self._listening is not None:
            self._listening.close()
        else:
            self._loop.remove_reader(self._listener)
            self._listener.close()
        return last

    @property
    def busy(self) -> bool:
        """Is somebody in the doorway?"""
        return bool(self._entering)

    def cut(self) -> None:
        """Turn away who is still in the doorway."""
        for task in self._entering:
            task.cancel()

    def enter(self, accepted: socket.socket) -> None:
        """Let one connection in, or close it and say so in the log; it takes as long as the other side takes."""
        if len(self._entering) >= self._limit:  # R5
            self._turn_away(accepted, "warning", "limits.connections")
            return
        task = self._loop.create_task(self._admit(accepted))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _admit(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        try:
            announced = await self._hear(accepted)
            await self._loop.connect_accepted_socket(self._factory(announced), accepted, **self._tls())
        except Refused as refused:
            self._turn_away(accepted, "warning", refused.detail)
        except (TimeoutError, ssl.SSLError, OSError) as error:
            self._turn_away(accepted, "info", f"no connection: {type(error).__name__}: {error}"[:200])
        except asyncio.CancelledError:
            accepted.close()
            raise

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._log.line("error", "connection.refused", detail=str(error))
                self._loop.remove_reader(self._listener)
                self._loop.call_later(PAUSE_S, self._resume)
                return
            self.enter(accepted)

    def _resume(self) -> None:
        if self._listener is not None and self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._accept)

    async def _hear(self, accepted: socket.socket) -> Peer | None:
        """Who the balancer says the client is; None for a peer that is none of the listed ones."""
        address = address_of(accepted.getpeername())
        if not self._announces(address):
            return None
        header = ProxyHeader()
        async with asyncio.timeout(self._patience_s):
            while not header.done:
                seen = await self._peek(accepted)
                if not seen:
                    raise ConnectionResetError("closed before a PROXY header")
                accepted.recv(header.take(seen))
        tls = self._identity is not None
        if header.source is None:
            # It may be a device's connection all the same: what it says of its origin must not count as the balancer's.
            return Peer(address, tls, False)
        return Peer(header.source, tls)

    async def _peek(self, accepted: socket.socket) -> bytes:
        while True:
            with suppress(BlockingIOError, InterruptedError):
                return accepted.recv(PEEK_BYTES, socket.MSG_PEEK)
            readable = asyncio.Event()
            self._loop.add_reader(accepted, readable.set)
            try:
                await readable.wait()
            finally:
                self._loop.remove_reader(accepted)

    def _announces(self, address: str) -> bool:
        if not address:
            return self._unix
        if not self._networks:
            return False
        parsed = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)

    def _factory(self, announced: Peer | None) -> Callable[[], Any]:
        if announced is None:
            return self._server

        def make() -> Any:
            connection = self._server()
            connection.announced = announced
            return connection

        return make

    def _tls(self) -> dict[str, Any]:
        if self._identity is None:
            return {}
        return {"ssl": self._identity.context, "ssl_handshake_timeout": self._patience_s}

    def _turn_away(self, accepted: socket.socket, level: str, detail: str) -> None:
        peer = ""
        with suppress(OSError):
            peer = address_of(accepted.getpeername())
        accepted.close()
        self._log.line(level, "connection.refused", detail=detail, peer=peer)


def peer_of(transport: asyncio.BaseTransport) -> Peer:
    """Who opened a connection that nobody announced."""
    tls = transport.get_extra_info("ssl_object") is not None
    return Peer(address_of(transport.get_extra_info("peername")), tls)


def address_of(peername: Any) -> str:
    """The address in text; "" for a unix socket."""
    return str(peername[0]) if isinstance(peername, tuple) else ""
