"""The backend behind whatever is measured."""

import http.client
import subprocess
from types import TracebackType
from typing import Self

from benchmarks.load.programs import program


class Backend:
    """Runs on one core, on a port of its own."""

    def __init__(self, core: int) -> None:
        self._core = core
        self.port = 0

    def __enter__(self) -> Self:
        command = ["taskset", "-c", str(self._core), str(program("backend"))]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def requests(self) -> int:
        """How many requests have reached it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/count")
            return int(connection.getresponse().read())
        finally:
            connection.close()
