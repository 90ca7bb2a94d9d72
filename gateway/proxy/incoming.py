"""What a connection hands over per request, and what it gets back."""

from typing import TYPE_CHECKING, Final

from aiohttp.streams import StreamReader

from gateway._native import Head, Refused

if TYPE_CHECKING:
    from gateway.proxy.connection import Connection


class ClientGone(ConnectionError):
    """The client's connection is closed or does not take our answer."""


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

    def __init__(self, connection: "Connection", head: Head | None, payload: StreamReader) -> None:
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
