"""One question to the backend and its answer, whichever plane's connections carry them."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final, Protocol

from gateway.proxy.assertion import Assertions
from gateway.proxy.spool import Body
from gateway.reasons import Reason

if TYPE_CHECKING:
    from gateway.proxy.forward import Delivery

READ_BYTES: Final = 65536
"""How much of an answer is held for a client that does not keep up."""


class UpstreamError(Exception):
    """The backend failed: `reason` is an `upstream.*` one, `detail` is for the operator."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class BackendAnswer(Protocol):
    """An answer whose final head has arrived."""

    status: int
    head: bytes
    """Status line and the field lines that may go on, each with CRLF, without an empty line."""
    has_date: bool
    content_length: int
    """-1 if there is none."""
    has_body: bool
    """False for answers to HEAD, 204 and 304, whatever their fields say."""

    def take_whole(self) -> bytes | None:
        """The whole content, if it has arrived to its end and nothing of it was read; else None."""
        ...

    async def read(self) -> bytes:
        """Further content; b"" at the end.

        :raises UpstreamError: upstream.timeout if it stopped arriving, upstream.bad_answer if it broke off
        """
        ...


class Backends(Protocol):
    """Where admitted requests go: knows who takes which."""

    def at(self, path: bytes, client_id: str, method: bytes) -> "Backend":
        """Who takes a request.

        :param path: of the target, as received; a query may follow
        :param client_id: "" if nobody was verified
        """
        ...


class Backend(Protocol):
    """Who takes one request."""

    assertions: Assertions | None

    def ask(
        self, head: bytes, body: Body | None, head_only: bool, delivery: "Delivery"
    ) -> AbstractAsyncContextManager[BackendAnswer]:
        """Send a request and wait for the head of its answer. An answer that is not read to its end when the context
        is left costs its connection.

        :param delivery: `touched` is set as soon as an octet may have left (R13)
        :raises UpstreamError: there is none
        :raises Refused: internal.error: the body cannot be read again
        """
        ...
