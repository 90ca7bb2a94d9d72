"""A pool's connection in the hands of a test: a transport that writes nothing, a sink that keeps what it hears."""

from typing import Any

from gateway._native import AnswerSink, Pool, Sending

REQUEST = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


class Transport:
    """What a connection needs of a transport; `written` is what it was given."""

    def __init__(self) -> None:
        self.written = b""
        self.aborted = False
        self.reading = True

    def get_extra_info(self, name: str) -> Any:
        """No socket: nobody can look into it."""
        return None

    def is_closing(self) -> bool:
        """As of asyncio."""
        return self.aborted

    def write(self, data: bytes) -> None:
        """As of asyncio."""
        assert not self.aborted
        self.written += data

    def abort(self) -> None:
        """As of asyncio, but that `connection_lost` is the test's to call."""
        self.aborted = True

    def pause_reading(self) -> None:
        """As of asyncio."""
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        """As of asyncio."""
        assert not self.reading
        self.reading = True


class Heard(AnswerSink):
    """Keeps an answer, and that nothing came after its end."""

    def __init__(self) -> None:
        self.begun: tuple[int, bytes, bool, int, bool] | None = None
        self.content = b""
        self.pieces = 0
        self.ended = False
        self.failed: tuple[str, str] | None = None
        self.can_writes = 0

    def answer_begun(
        self, status: int, head: bytes, has_date: bool, content_length: int, has_body: bool, data: bytes, ended: bool
    ) -> None:
        assert self.begun is None
        self.begun = (status, head, has_date, content_length, has_body)
        self.answer_data(data, ended)

    def answer_data(self, data: bytes, ended: bool) -> None:
        assert not self.ended
        assert self.failed is None
        assert self.begun is not None
        self.content += data
        self.pieces += 1
        self.ended = ended

    def answer_failed(self, reason: str, detail: str) -> None:
        assert not self.ended
        assert self.failed is None
        self.failed = (reason, detail)

    def can_write(self) -> None:
        self.can_writes += 1

    @property
    def reason(self) -> str | None:
        """Of the failure; None if there was none."""
        return None if self.failed is None else self.failed[0]


class Connected:
    """A pool with connections that the test makes: `attempts` counts those that the pool has asked for."""

    def __init__(self, connections: int = 4, **times_s: float) -> None:
        self.attempts = 0
        self.transports: list[Transport] = []
        self.connections: list[Any] = []
        times = {"connect": 5.0, "response": 10.0, "idle": 3.0, "keep": 4.0, **times_s}
        self.pool = Pool(
            self._count, connections, times["connect"], times["response"], times["idle"], times["keep"], 0.0
        )

    def _count(self) -> None:
        self.attempts += 1

    def connect(self) -> Transport:
        """Make the connection that was asked for."""
        transport = Transport()
        connection = self.pool.connection()
        self.transports.append(transport)
        self.connections.append(connection)
        connection.connection_made(transport)
        return transport

    def ask(
        self, head: bytes = REQUEST, body: bytes = b"", streamed: bool = False, head_only: bool = False
    ) -> tuple[Sending, Heard]:
        """Send a request, over a new connection if the pool wants one."""
        heard = Heard()
        before = self.attempts
        sending = self.pool.send(head, body, streamed, head_only, heard)
        if self.attempts > before:
            self.connect()
        return sending, heard
