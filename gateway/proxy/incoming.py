"""What a connection hands over per request, and what it gets back."""

from typing import Any, Final, Protocol

from gateway._native import Head, Refused
from gateway.model import Peer


class ClientGone(ConnectionError):
    """The client's connection is closed or does not take our answer."""


class Client(Protocol):
    """The client's connection, as whoever answers needs it."""

    @property
    def peer(self) -> Peer:
        """Who opened it."""
        ...

    @property
    def closing(self) -> bool:
        """The gateway shuts down, and the answer should say that it is the last."""
        ...

    def write(self, data: bytes) -> None:
        """Send octets.

        :raises ClientGone: the connection is closed or closing
        """
        ...

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was written.

        :raises ClientGone: it does not, or is gone
        """
        ...

    def cut(self) -> None:
        """End the connection so that nobody can take it for the end of a message."""
        ...

    async def linger(self) -> None:
        """Throw away what still comes, within bounds, so that the client sees the answer (R4)."""
        ...


class Payload(Protocol):
    """The body of a request as it arrives; aiohttp's `StreamReader` is one."""

    @property
    def total_bytes(self) -> int:
        """Octets that have arrived."""
        ...

    def is_eof(self) -> bool:
        """Has all of it arrived?"""
        ...

    def exception(self) -> BaseException | None:
        """What it broke off with."""
        ...

    def read_nowait(self) -> bytes:
        """What has arrived and was not read."""
        ...

    async def readany(self) -> bytes:
        """The same, waited for; b"" at the end."""
        ...


class Answered:
    """What the handler returns to aiohttp: the answer is written already; may the connection stay open?"""

    __slots__ = ("keep_alive",)

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive


KEEP: Final = Answered(True)
CLOSE: Final = Answered(False)


class Incoming:
    """One request as the connection hands it over: a head that our reader took, or the refusal in its place.

    It stands where aiohttp has its `BaseRequest`, which would parse everything a second time.
    """

    __slots__ = ("_task", "connection", "head", "payload", "refused", "too_late")

    def __init__(self, connection: Client, head: Head | None, payload: Any) -> None:
        self.connection = connection
        self.head = head
        self.payload = payload
        self.refused: Refused | None = None
        self.too_late = False
        """It arrived after the gateway began to shut down."""
        self._task: object = None

    def _finish(self) -> None:
        """aiohttp calls this when the answer is written; there is nothing to tidy."""

    def _cancel(self, exc: BaseException) -> None:
        """aiohttp calls this when the connection is lost."""
        if not self.payload.is_eof():
            self.payload.set_exception(exc)
