"""A real Valkey for tests: the bundled binary on a unix socket and a port, to be killed, restarted with or without data."""

import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from gateway.registry.embedded_process import bundled_binary
from gateway.registry.store_url import Endpoint

_START_DEADLINE_S = 15.0


class Valkey:
    """One server in its own directory, with an append-only file that is written at once.

    :param binary: another server than the bundled one
    """

    def __init__(self, directory: Path, binary: str | None = None) -> None:
        self.directory = directory
        self._binary = binary or str(bundled_binary())
        self.socket = str(directory / "s")
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def endpoint(self) -> Endpoint:
        """Its unix socket."""
        return Endpoint(path=self.socket)

    @property
    def client(self) -> redis.Redis:
        """An administrator's connection."""
        assert self._client is not None
        return self._client

    def start(self) -> None:
        """Start it with the data that are there, and wait until it answers."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self._client = redis.Redis(unix_socket_path=self.socket)
        deadline = time.monotonic() + _START_DEADLINE_S
        while True:
            try:
                self._client.ping()
            except redis.exceptions.BusyLoadingError:
                pass
            except redis.exceptions.ConnectionError:
                if self._process.poll() is not None:
                    raise RuntimeError((self.directory / "log").read_text()) from None
            else:
                return
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not start")
            time.sleep(0.005)

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Remove its data; it must not run."""
        assert self._process is None
        for file in (self.directory / "appendonlydir").glob("*"):
            file.unlink()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
