"""A backend that keeps every octet it receives and answers what the test tells it to, octet for octet."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
DEADLINE_S = 20.0


class Seen:
    """One request as the backend read it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        self.request_line, *self.lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")

    def values(self, name: bytes) -> list[bytes]:
        """Values of the field lines with this name, in order."""
        split = [line.split(b":", 1) for line in self.lines]
        return [value.strip() for key, value in split if key.lower() == name.lower()]


class Peer:
    """One connection from the gateway, in the hands of a script."""

    def __init__(self, sock: socket.socket, record: Callable[[bytes], None]) -> None:
        self.sock = sock
        self._record = record
        self._buffer = b""

    def receive(self) -> bytes:
        """Some octets; b"" at the end of the connection."""
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        self._record(data)
        return data

    def read_until(self, mark: bytes) -> bytes | None:
        """Octets up to and including `mark`; None if the connection ends before."""
        while mark not in self._buffer:
            data = self.receive()
            if not data:
                return None
            self._buffer += data
        before, _, self._buffer = self._buffer.partition(mark)
        return before + mark

    def read_request(self) -> Seen | None:
        """The next request; None at the end of the connection."""
        head = self.read_until(b"\r\n\r\n")
        if head is None:
            return None
        length = int((Seen(head, b"").values(b"content-length") or [b"0"])[0])
        while len(self._buffer) < length:
            data = self.receive()
            if not data:
                return None
            self._buffer += data
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Seen(head, body)

    def reset(self) -> None:
        """End the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Peer, Seen], bool]
"""What to do with one request; returns whether the connection goes on."""


def answer(data: bytes) -> Script:
    """A script that sends `data`."""

    def send(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(data)
        return True

    return send


class RecordingBackend:
    """Listens on 127.0.0.1, one thread per connection. `octets` is everything that ever arrived, on any connection."""

    def __init__(self, port: int = 0) -> None:
        self.script: Script = answer(OK)
        self.read: Callable[[Peer], Seen | None] = Peer.read_request
        """How one request is read: a test may make it stop in the middle."""
        self.octets = bytearray()
        self.requests: list[Seen] = []
        self.connections = 0
        self.ended = 0
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What `upstream.url` must be."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until something that arrives makes `condition` true."""
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE_S), "the backend did not see it"

    def stop_listening(self) -> None:
        """Refuse connections from now on, and end those that are open."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for one in list(self._open):
            with suppress(OSError):
                # A close alone is not seen by the gateway as long as the connection's thread waits in recv.
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        """End everything."""
        if self._listener.fileno() >= 0:
            self.stop_listening()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(DEADLINE_S)
            self._open.add(sock)
            with self._changed:
                self.connections += 1
                self._changed.notify_all()
            threading.Thread(target=self._converse, args=(sock,), daemon=True).start()

    def _record(self, data: bytes) -> None:
        with self._changed:
            self.octets += data
            self._changed.notify_all()

    def _converse(self, sock: socket.socket) -> None:
        peer = Peer(sock, self._record)
        try:
            while (seen := self.read(peer)) is not None:
                with self._changed:
                    self.requests.append(seen)
                    self._changed.notify_all()
                if not self.script(peer, seen):
                    break
        except OSError:
            pass  # the gateway closed it
        finally:
            sock.close()
            self._open.discard(sock)
            with self._changed:
                self.ended += 1
                self._changed.notify_all()
