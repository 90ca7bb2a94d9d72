"""A proxy for byte streams that does harm on request: loses, stalls, resets, truncates, alters what passes.

It runs in a thread of its own, so that tests of any style and gateways in other processes can be put behind it:

    with FaultProxy("/run/store.sock") as proxy:       # or ("127.0.0.1", 6379)
        connect_to(proxy.address)
        proxy.stall(DOWN)
"""

import asyncio
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.registry.store_url import Endpoint

UP = "up"
"""From the client to the server."""
DOWN = "down"
"""From the server to the client."""

Address = str | tuple[str, int]
Alter = Callable[[bytes], bytes]


class FaultProxy:
    """Listens as its target does (unix socket or TCP) and relays to it. `address` is where to connect.

    :param context: listen with TLS, as a terminator before the target does (TCP only)
    """

    def __init__(self, target: Address, context: ssl.SSLContext | None = None) -> None:
        self.target = target
        self._context = context
        self.address: Address = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._directory = tempfile.TemporaryDirectory(prefix="proxy-")
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._refusing = False
        self._accepted = 0
        self.rules = {UP: _Rule(), DOWN: _Rule()}

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._directory.cleanup()

    @property
    def port(self) -> int:
        """The port to connect to, on 127.0.0.1."""
        assert not isinstance(self.address, str)
        return self.address[1]

    @property
    def endpoint(self) -> Endpoint:
        """Where a gateway connects to a store behind it."""
        if isinstance(self.address, str):
            return Endpoint(path=self.address)
        return Endpoint(host=self.address[0], port=self.address[1])

    @property
    def accepted(self) -> int:
        """How many connections have come so far, refused ones too."""
        return self._accepted

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._pairs)

    def stall(self, *directions: str) -> None:
        """Hold back what comes, in these directions (both if none is named), until `resume`."""
        self._rule(directions, lambda rule: setattr(rule, "stalled", True))

    def resume(self) -> None:
        """Let everything pass again, what was held back first; connections come in again."""

        def resume() -> None:
            self._refusing = False
            for rule in self.rules.values():
                rule.stalled = False
                rule.deaf = False
                rule.alter = None
                rule.lose = 0
                rule.left = None
            for pair in list(self._pairs):
                pair.release()

        self._soon(resume)

    def deafen(self) -> None:
        """Half-open connections: both sides stay connected, and nothing, not even an end, passes any longer."""
        self._rule((), lambda rule: setattr(rule, "deaf", True))

    def lose(self, direction: str, octets: int) -> None:
        """Lose the next octets."""
        self._rule((direction,), lambda rule: setattr(rule, "lose", octets))

    def truncate(self, direction: str, after_octets: int) -> None:
        """Let so many octets pass, then end the connection."""
        self._rule((direction,), lambda rule: setattr(rule, "left", after_octets))

    def alter(self, direction: str, alter: Alter | None) -> None:
        """Pass `alter(data)` instead of the data as it comes; it may keep some for later by returning less."""
        self._rule((direction,), lambda rule: setattr(rule, "alter", alter))

    def inject(self, direction: str, data: bytes) -> None:
        """Send this to one side of every connection, out of turn."""

        def inject() -> None:
            for pair in self._pairs:
                pair.side(direction).write(data)

        self._soon(inject)

    def reset(self) -> None:
        """Reset every connection, as a crashed machine does."""

        def reset() -> None:
            for pair in list(self._pairs):
                pair.reset()

        self._soon(reset)

    def refuse(self) -> None:
        """Reset every connection, and each that comes, until `resume`."""

        def refuse() -> None:
            self._refusing = True

        self._soon(refuse)
        self.reset()

    def _rule(self, directions: tuple[str, ...], change: Callable[["_Rule"], None]) -> None:
        def apply() -> None:
            for direction in directions or (UP, DOWN):
                change(self.rules[direction])

        self._soon(apply)

    def _soon(self, step: Callable[[], None]) -> None:
        async def run() -> None:
            step()

        self._call(run())

    def _call(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if isinstance(self.target, str):
            self.address = str(Path(self._directory.name) / "s")
            self._server = await self._loop.create_unix_server(lambda: _Pair(self), self.address)
        else:
            self._server = await self._loop.create_server(lambda: _Pair(self), "127.0.0.1", 0, ssl=self._context)
            self.address = self._server.sockets[0].getsockname()[:2]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for pair in list(self._pairs):
            pair.reset()
        while self._pairs:
            await asyncio.sleep(0.001)

    def came(self, pair: "_Pair") -> bool:
        """Count a connection; False if it is to be refused."""
        self._accepted += 1
        if self._refusing:
            return False
        self._pairs.add(pair)
        return True

    def went(self, pair: "_Pair") -> None:
        """Forget a connection."""
        self._pairs.discard(pair)


class _Rule:
    """What is done to one direction."""

    def __init__(self) -> None:
        self.stalled = False
        self.deaf = False
        self.lose = 0
        self.left: int | None = None
        self.alter: Alter | None = None


class _Pair(asyncio.Protocol):
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._client: asyncio.Transport | None = None
        self._server: asyncio.Transport | None = None
        self._held: dict[str, list[bytes]] = {UP: [], DOWN: []}
        self._ended = False
        self._opening: asyncio.Task[None] | None = None

    def side(self, direction: str) -> asyncio.Transport:
        """Where data of this direction goes."""
        transport = self._server if direction == UP else self._client
        assert transport is not None
        return transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._client = transport
        if not self._proxy.came(self):
            _reset(transport)
            return
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        target = self._proxy.target
        try:
            if isinstance(target, str):
                await loop.create_unix_connection(lambda: _Server(self), target)
            else:
                await loop.create_connection(lambda: _Server(self), *target)
        except OSError:
            self.reset()

    def opened(self, transport: asyncio.Transport) -> None:
        self._server = transport
        if self._ended:
            transport.abort()
        self.release()

    def data_received(self, data: bytes) -> None:
        self.relay(UP, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end()

    def relay(self, direction: str, data: bytes) -> None:
        rule = self._proxy.rules[direction]
        if rule.deaf:
            return
        if rule.stalled or (direction == UP and self._server is None):
            self._held[direction].append(data)
            return
        if rule.lose:
            lost = min(rule.lose, len(data))
            rule.lose -= lost
            data = data[lost:]
        if rule.alter is not None:
            data = rule.alter(data)
        ends = rule.left is not None and len(data) >= rule.left
        if rule.left is not None:
            data = data[: rule.left]
            rule.left -= len(data)
        if data:
            self.side(direction).write(data)
        if ends:
            rule.left = None
            self.end(gently=True)

    def release(self) -> None:
        """Pass on what was held back."""
        for direction, held in self._held.items():
            waiting, held[:] = list(held), []
            for data in waiting:
                self.relay(direction, data)

    def end(self, gently: bool = False) -> None:
        """One side has ended, so the other must, unless nothing passes."""
        if self._ended or (not gently and any(rule.deaf for rule in self._proxy.rules.values())):
            return
        self._ended = True
        for transport in (self._client, self._server):
            if transport is not None:
                transport.close()
        self._proxy.went(self)

    def reset(self) -> None:
        """End both sides with a reset."""
        self._ended = True
        for transport in (self._client, self._server):
            if transport is not None:
                _reset(transport)
        self._proxy.went(self)


class _Server(asyncio.Protocol):
    """The server's side of a pair."""

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._pair.opened(transport)

    def data_received(self, data: bytes) -> None:
        self._pair.relay(DOWN, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pair.end()


def _reset(transport: asyncio.Transport) -> None:
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0 and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
