"""Other processes that use an embedded store: a command that holds it for a while, and a gateway to be killed."""

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_COMMAND = """
import sys
from pathlib import Path
from gateway.registry import embedded
from gateway.registry.store_url import EmbeddedStore
with embedded.attach_or_start(EmbeddedStore(Path(sys.argv[1]))):
    print("in", flush=True)
    sys.stdin.readline()
print("out", flush=True)
"""
_GATEWAY = """
import sys
from pathlib import Path
from gateway.registry import embedded
from gateway.registry.store_url import EmbeddedStore
server = embedded.Server(EmbeddedStore(Path(sys.argv[1])))
server.start()
print(server.pid, flush=True)
sys.stdin.readline()
server.stop()
print("out", flush=True)
"""


class Holder:
    """A process that uses the store at `directory` until it is told to leave or killed."""

    def __init__(self, directory: Path, gateway: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _GATEWAY if gateway else _COMMAND, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_in(self) -> str:
        """Wait until it is in; what it says then (of a gateway, the server's pid)."""
        return self._say()

    def leave(self) -> None:
        """Tell it to leave, and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self._say() == "out"
        assert self._process.wait(10) == 0

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def _say(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
