"""`wfm-gateway serve` as its own process, as an operator runs it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

DEADLINE_S = 30.0
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from gateway.cli.main import main; main()"]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*arguments: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `before` is one that ends by executing what follows it."""
    return subprocess.run(
        [*before, *COMMAND, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        close_fds=not before,
    )


class Served:
    """A running gateway; `said` is what it wrote for the operator."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None, before: Sequence[str] = ()) -> None:
        """
        :param environment: beside ours
        :param before: a command that ends by executing what follows it
        """
        self.said: list[str] = []
        self._arguments = arguments
        self._environment = environment or {}
        self._before = before
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **self._environment}
        self.process = subprocess.Popen(
            [*self._before, *COMMAND, "serve", *self._arguments],
            env=environment,
            close_fds=not self._before,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_said("wfm-gateway: ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(DEADLINE_S)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def wait_said(self, text: str) -> str:
        """Wait for a line that contains `text`, and return it."""

        def found() -> Any:
            return next((line for line in self.said if text in line), None) or self.process.poll() is not None

        with self._changed:
            assert self._changed.wait_for(found, DEADLINE_S), self.said
        return next(line for line in self.said if text in line)

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if b"gateway.proxy.worker" in _command(int(child))]

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.said.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


def runs(pid: int) -> bool:
    """Is there such a process, and is it more than a zombie?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], Any]) -> Any:
    """Wait until the condition holds, and return what it said."""
    deadline = time.monotonic() + DEADLINE_S
    while not (said := condition()):
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.01)
    return said


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
