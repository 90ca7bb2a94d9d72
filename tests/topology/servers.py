"""Real servers with replicas: started beside each other on free ports, with sentinels that decide within a second."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.reasons import ConfigError
from gateway.registry.embedded_process import bundled_binary

DEADLINE_S = 15.0
MASTER = "the-store"


def binary() -> str:
    """The bundled server; the test is skipped where there is none."""
    try:
        return str(bundled_binary())
    except ConfigError as error:
        pytest.skip(error.message)


def free_port() -> int:
    """A port that nobody has, nor the cluster bus port 10000 above it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55000:
            return port


def until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Wait, blocking, until the condition holds."""
    end_s = time.monotonic() + deadline_s
    while True:
        with contextlib.suppress(redis.exceptions.RedisError):
            if condition():
                return
        assert time.monotonic() < end_s, "did not come true"
        time.sleep(0.01)


class Node:
    """One server process, as a server or as a sentinel."""

    def __init__(self, directory: Path, *options: str, sentinel: bool = False, program: str = "") -> None:
        self._program = program
        self.port = free_port()
        self.directory = directory
        directory.mkdir()
        self._options = options
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        self.client: Any = redis.Redis(port=self.port, socket_timeout=5)

    def speak_tls(self) -> None:
        """Listen with TLS, and not without."""
        self._options += ("--port", "0", "--tls-port", str(self.port))

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    @property
    def alive(self) -> bool:
        """It was started, and not ended."""
        return self._process is not None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        configuration = self.directory / "node.conf"
        if not configuration.exists():
            configuration.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n")
        arguments = [
            self._program or binary(),
            str(configuration),
            *(["--sentinel"] if self._sentinel else ()),
            *self._options,
        ]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(self.client.ping)

    def pause(self) -> None:
        """Let it hang: connections stay, answers do not come."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.client.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def replication(self) -> dict[str, Any]:
        """Its part in the replication."""
        found: dict[str, Any] = self.client.info("replication")
        return found


_DATA = ("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


class SentinelFleet:
    """A master, its replicas and three sentinels, any two of whom may decide."""

    def __init__(self, directory: Path, replicas: int = 1, password: str = "") -> None:
        auth = ("--requirepass", password, "--masterauth", password) if password else ()
        self.nodes = [Node(directory / f"node{number}", *_DATA, *auth) for number in range(1 + replicas)]
        self.sentinels = [
            Node(directory / f"sentinel{number}", *(("--requirepass", password) if password else ()), sentinel=True)
            for number in range(3)
        ]
        self._password = password
        for node in (*self.nodes, *self.sentinels):
            if password:
                node.client = redis.Redis(port=node.port, socket_timeout=5, password=password)

    def start(self) -> None:
        """Start all of them, and wait until a failover is possible."""
        for node in self.nodes:
            node.start()
        for node in self.nodes[1:]:
            node.client.replicaof(*self.nodes[0].address)
        until(lambda: self.nodes[0].replication()["connected_slaves"] == len(self.nodes) - 1)
        until(lambda: all(node.replication()["master_link_status"] == "up" for node in self.nodes[1:]))
        for sentinel in self.sentinels:
            sentinel.start()
            ask = sentinel.client.execute_command
            # As often as is good for a test.
            for name, often_ms in (
                ("info-period", 100),
                ("ping-period", 100),
                ("ask-period", 100),
                ("publish-period", 700),
            ):
                ask("SENTINEL", "DEBUG", name, often_ms)
            ask("SENTINEL", "MONITOR", MASTER, *self.nodes[0].address, "2")
            for name, value in (("down-after-milliseconds", "400"), ("failover-timeout", "4000")):
                ask("SENTINEL", "SET", MASTER, name, value)
            if self._password:
                ask("SENTINEL", "SET", MASTER, "auth-pass", self._password)
        for sentinel in self.sentinels:
            until(lambda sentinel=sentinel: self._is_ready(sentinel))

    def _is_ready(self, sentinel: Node) -> bool:
        said = sentinel.client.execute_command("SENTINEL", "MASTER", MASTER)
        facts = dict(zip(said[::2], said[1::2], strict=True)) if isinstance(said, list) else said
        text = {_text(name): _text(value) for name, value in facts.items()}
        return (text["num-slaves"], text["num-other-sentinels"]) == (str(len(self.nodes) - 1), "2")

    def stop(self) -> None:
        """End all of them."""
        for node in (*self.sentinels, *self.nodes):
            node.kill()

    @property
    def url(self) -> str:
        """The store URL."""
        listed = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{f':{self._password}@' if self._password else ''}{listed}/{MASTER}"

    @property
    def master(self) -> Node:
        """The node that is the master by its own words, the latest if several think so.

        :raises redis.exceptions.ConnectionError: none does at the moment
        """
        masters = []
        for node in self.nodes:
            with contextlib.suppress(redis.exceptions.RedisError):
                if node.replication()["role"] == "master":
                    masters.append(node)
        if not masters:
            raise redis.exceptions.ConnectionError("no node takes itself for the master")
        return masters[-1]


@contextlib.contextmanager
def running(fleet: Any) -> Iterator[Any]:
    """The fleet, started, and ended whatever happens."""
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.stop()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
