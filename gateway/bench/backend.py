"""The backend behind the benchmark's gateway: answers polls with 304 and everything else with 200, and costs little."""

import asyncio
import signal
from typing import Final, cast

import click
import uvloop

_UNCHANGED: Final = b'HTTP/1.1 304 Not Modified\r\nETag: "bench"\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n'
_TAKEN: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"


class Backend(asyncio.Protocol):
    """Trusts the gateway before it: one request at a time, framed by Content-Length."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        if end >= 0 and len(data) >= end + 4 + _content_length(data[: end + 2].lower()):
            self._buffer = b""
            self._transport.write(_UNCHANGED if data.startswith(b"GET ") else _TAKEN)
        else:
            self._buffer = data


def _content_length(head: bytes) -> int:
    at = head.find(_LENGTH)
    return 0 if at < 0 else int(head[at + len(_LENGTH) : head.index(b"\r\n", at + 2)])


async def serve() -> None:
    """Serve until SIGTERM or SIGINT on a free port; the first line on standard output is the URL."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(Backend, "127.0.0.1", 0, backlog=1024)
    click.echo(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await stop.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
