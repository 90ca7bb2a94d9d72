"""A client that writes octets and reads octets: what HTTP libraries would tidy up is what these tests are about."""

import json
import socket
import struct
from typing import Any, Self

DEADLINE_S = 20.0


class Answer:
    """One answer: status line, field lines in order, body as it came (chunks joined)."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        self.status_line, *self.lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.status = int(self.status_line.split(b" ", 2)[1])

    def values(self, name: bytes) -> list[bytes]:
        """Values of the field lines with this name, in order."""
        split = [line.split(b":", 1) for line in self.lines]
        return [value.strip() for key, value in split if key.lower() == name.lower()]

    @property
    def problem(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def reason(self) -> str:
        """The member `reason` of a refusal."""
        return str(self.problem["reason"])


class Broken(Exception):
    """The connection ended in the middle of an answer; `kind` is `eof` or `reset`."""

    def __init__(self, kind: str, received: bytes) -> None:
        super().__init__(kind)
        self.kind = kind
        self.received = received


class RawClient:
    """One connection to the gateway."""

    def __init__(self, address: tuple[str, int] | str | socket.socket) -> None:
        if isinstance(address, socket.socket):
            self.sock = address
        elif isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address)
        self.sock.settimeout(DEADLINE_S)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Write all octets."""
        self.sock.sendall(data)

    def ask(self, data: bytes, head_only: bool = False) -> Answer:
        """Write a request and read one answer."""
        self.send(data)
        return self.answer(head_only)

    def answer(self, head_only: bool = False) -> Answer:
        """Read one answer; interim ones too."""
        head = self.until(b"\r\n\r\n")
        found = Answer(head, b"")
        if head_only or found.status < 200 or found.status in (204, 304):
            return found
        if found.values(b"transfer-encoding") == [b"chunked"]:
            return Answer(head, self._chunks())
        lengths = found.values(b"content-length")
        if lengths:
            return Answer(head, self._exactly(int(lengths[0])))
        return Answer(head, self.rest())

    def rest(self) -> bytes:
        """Everything up to the end of the connection.

        :raises Broken: it ended with a reset
        """
        while (data := self._receive()) != b"":
            self._buffer += data
        data, self._buffer = self._buffer, b""
        return data

    def reset(self) -> None:
        """Go away without a word."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _receive(self) -> bytes:
        try:
            return self.sock.recv(65536)
        except ConnectionResetError:
            raise Broken("reset", self._buffer) from None

    def _more(self) -> None:
        data = self._receive()
        if not data:
            raise Broken("eof", self._buffer)
        self._buffer += data

    def until(self, mark: bytes) -> bytes:
        """Octets up to and including `mark`."""
        while mark not in self._buffer:
            self._more()
        before, _, self._buffer = self._buffer.partition(mark)
        return before + mark

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int(self.until(b"\r\n"), 16)
            data = self._exactly(size + 2)
            if size == 0:
                return body
            body += data[:-2]
