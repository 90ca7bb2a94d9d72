"""A peer: a program that stands between load and backend where the gateway stands."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.macro import process

READY_S: Final = 60.0


class Site(msgspec.Struct, frozen=True):
    """What a peer is given: a folder of its own, the backend's port, the devices' public keys (JSON, keyid to PEM), and
    the core to run on."""

    folder: Path
    backend: int
    keys: Path
    core: int


class Running(msgspec.Struct, frozen=True):
    """What answers on `port`; `pids` are the processes whose CPU time counts, `store` a store's that is told apart."""

    name: str
    port: int
    pids: tuple[int, ...]
    store: tuple[int, ...] = ()

    def cpu_ns(self) -> int:
        """CPU time of all of it so far."""
        return sum(process.cpu_ns(pid) for pid in self.pids)

    def store_ns(self) -> int:
        """CPU time of its store so far."""
        return sum(process.cpu_ns(pid) for pid in self.store)


class Peer(msgspec.Struct, frozen=True):
    """`why_not` says why it cannot run here ("" if it can); `start` runs it for as long as the context lasts."""

    name: str
    why_not: Callable[[], str]
    start: Callable[[Site], contextlib.AbstractContextManager[Running]]


@contextlib.contextmanager
def child(command: Sequence[str | Path], port: int, core: int, log: Path, **environment: str) -> Iterator[int]:
    """A process on one core that listens on `port`; its id.

    :raises RuntimeError: it ended, or did not listen in time
    """
    with log.open("wb") as out:
        running = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **environment},
        )
    try:
        deadline = time.monotonic() + READY_S
        while not _listens(port):
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text().strip()[-300:]}")
            time.sleep(0.02)
        yield running.pid
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
