"""aiohttp's low-level server with our connections in it: no router, no middleware, no parsing of a second kind."""

from typing import Any, Final

from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import ERROR

from gateway.config import Limits
from gateway.observe.log import Log
from gateway.proxy.connection import READ_BYTES, Connection
from gateway.proxy.exchange import Exchange

LINE_BYTES: Final = 65536
"""aiohttp's own bounds on lines and fields; ours, which come first, are tighter (R5)."""

FIELDS: Final = 128


class Server(web.Server):
    """Makes one `Connection` per accepted socket and hands each request to the exchange."""

    def __init__(self, exchange: Exchange, limits: Limits, log: Log) -> None:
        self.exchange = exchange
        self.limits = limits
        self.log = log
        self.draining = False
        self.accepted = 0
        """Connections that were taken."""
        self.refused = 0
        """Connections that were closed at once for want of room."""
        super().__init__(
            exchange.run,  # type: ignore[arg-type]  # it takes our Incoming in the place of a BaseRequest
            request_factory=_incoming,
            # A client that goes away ends its exchange, and so the request to the backend.
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=limits.idle_timeout_s,
            lingering_time=0,
            read_bufsize=READ_BYTES,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=FIELDS,
        )

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)

    @property
    def full(self) -> bool:
        """Are there as many connections as this worker takes? Each of them may be waiting for its first head (R5)."""
        return len(self._connections) >= self.limits.connections

    @property
    def open(self) -> int:
        """Connections that there are."""
        return len(self._connections)

    @property
    def busy(self) -> bool:
        """Is any connection not idle?"""
        return any(isinstance(one, Connection) and one.busy for one in self.connections)

    def drain(self, patiently: bool = False) -> None:
        """Close idle connections, or `patiently` let each bring one more request; the others finish what they have
        begun."""
        self.draining = True
        for one in self.connections:
            if isinstance(one, Connection):
                one.drain(patiently)

    def cut(self) -> None:
        """End what is still open, finished or not."""
        for one in self.connections:
            if isinstance(one, Connection):
                one.cut()


def _incoming(message: Any, payload: StreamReader, protocol: Any, writer: Any, task: Any) -> Any:
    """In the place of aiohttp's request factory."""
    connection: Connection = protocol
    return connection.incoming(payload, message is not ERROR)
