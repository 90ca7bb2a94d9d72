"""Changing a gateway while it runs: SIGHUP, `wfm-gateway reload`, workers replaced under traffic, socket activation."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.backend import OK, Peer, RecordingBackend, Seen
from tests.integration.client import Broken, RawClient
from tests.integration.harness import PUBLIC
from tests.integration.served import Served, free_port, run, runs, wait_for

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds worker processes in /proc")

OPEN = b"GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n"
UNSIGNED = b"GET /api/v1/clients/dev1/deployments HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n"


class Place:
    """A configuration file of a gateway in front of `backend`."""

    def __init__(self, backend: RecordingBackend, directory: Path) -> None:
        self.port = free_port()
        self.file = directory / "gateway.toml"
        self._backend = backend
        self.write()

    def write(
        self,
        errors: str = "problem",
        port: int | None = None,
        beside: str = "",
        workers: int = 1,
        plane: str = "native",
    ) -> None:
        self.file.write_text(
            f'[listen]\naddress = "127.0.0.1:{port or self.port}"\npublic_url = "{PUBLIC}"\nworkers = {workers}\n'
            f'plane = "{plane}"\n'
            f'[upstream]\nurl = "{self._backend.url}"\n[errors]\nformat = "{errors}"\n{beside}\n'
        )

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def flags(self) -> tuple[str, str]:
        return "-c", str(self.file)


@pytest.fixture
def place(backend: RecordingBackend, tmp_path: Path) -> Place:
    """Where to serve."""
    return Place(backend, tmp_path)


def refusal_type(place: Place) -> list[bytes]:
    """The media type of a refusal, which `[errors] format` decides."""
    with RawClient(place.address) as client:
        return client.ask(UNSIGNED).values(b"content-type")


def test_a_changed_file_is_in_force_after_reload(place: Place) -> None:
    with Served(*place.flags) as served:
        assert refusal_type(place) == [b"application/problem+json"]
        place.write(errors="legacy")
        done = run("reload", *place.flags)
        assert (done.returncode, done.stderr) == (0, "")
        assert "read again" in done.stdout
        assert refusal_type(place) == [b"application/json"]
        # The signal alone does the same.
        place.write()
        served.said.clear()
        served.process.send_signal(signal.SIGHUP)
        served.wait_said("read again")
        assert refusal_type(place) == [b"application/problem+json"]
        assert served.stop() == 0


def test_a_bad_file_changes_nothing_and_says_why(place: Place) -> None:
    with Served(*place.flags) as served:
        workers = served.workers()
        place.write(beside='[polcy]\nreplay = "off"')
        done = run("reload", *place.flags)
        assert done.returncode == 2
        assert "policy" in done.stderr
        served.process.send_signal(signal.SIGHUP)
        assert "polcy" in served.wait_said("nothing changed")
        assert served.workers() == workers
        assert refusal_type(place) == [b"application/problem+json"]


@pytest.mark.parametrize("name", ["listen.address", "listen.workers"])
def test_what_needs_a_restart_is_named(place: Place, name: str) -> None:
    with Served(*place.flags):
        if name == "listen.address":
            place.write(port=free_port())
        else:
            place.write(workers=2)
        done = run("reload", *place.flags)
    assert done.returncode == 1
    assert f"{name} cannot change while it runs" in done.stdout


def test_flags_cannot_be_read_again(backend: RecordingBackend, tmp_path: Path) -> None:
    flags = ["--listen", f"127.0.0.1:{free_port()}", "--upstream", backend.url, "--public-url", PUBLIC]
    with Served(*flags, "--store", f"embedded:{tmp_path}/store", "--workers", "1") as served:
        served.process.send_signal(signal.SIGHUP)
        assert "started with flags" in served.wait_said("nothing changed")


def test_reload_without_a_gateway_is_one_sentence(place: Place) -> None:
    done = run("reload", *place.flags)
    assert done.returncode == 2
    assert "no gateway runs" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_note_of_a_killed_gateway_is_not_believed(place: Place) -> None:
    with Served(*place.flags) as served:
        workers = served.workers()
        served.process.kill()
        served.process.wait()
        wait_for(lambda: not any(runs(pid) for pid in workers))
        done = run("reload", *place.flags)
    assert (done.returncode, "no gateway runs" in done.stderr) == (2, True)


def test_r28_no_request_is_lost_while_workers_are_replaced(place: Place, backend: RecordingBackend) -> None:
    """New connections all the time, and one request that has begun before."""
    place.write(workers=2)
    go_on = threading.Event()

    def slowly(peer: Peer, seen: Seen) -> bool:
        if b"slow" in seen.request_line:
            assert go_on.wait(20)
        peer.sock.sendall(OK)
        return True

    backend.script = slowly
    ended = threading.Event()
    statuses: list[int] = []
    lost: list[Exception] = []

    def ask() -> None:
        while not ended.is_set():
            try:
                with RawClient(place.address) as client:
                    statuses.append(client.ask(OPEN).status)
            except (OSError, Broken) as error:
                lost.append(error)

    with Served(*place.flags) as served, RawClient(place.address) as begun:
        before = served.workers()
        begun.send(OPEN.replace(b"certificate ", b"certificate?slow "))
        backend.wait(lambda: backend.requests)
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for round_ in range(2):
                done = run("reload", *place.flags, "--workers")
                assert (done.returncode, done.stdout) == (0, "2 workers replaced\n")
                if round_ == 0:
                    go_on.set()
                    assert begun.answer().status == 200
            asked = len(statuses)
            wait_for(lambda: len(statuses) > asked + 10)
        finally:
            go_on.set()
            ended.set()
            for thread in threads:
                thread.join()
        wait_for(lambda: not set(before) & set(served.workers()) and len(served.workers()) == 2)
        assert (lost, set(statuses)) == ([], {200})


@pytest.mark.parametrize("plane", ["native", "aiohttp"])
def test_r28_an_idle_connection_outlives_a_reload(place: Place, backend: RecordingBackend, plane: str) -> None:
    """Its client, often a balancer, may be about to write: it is told to close with the next answer, not by a reset."""
    place.write(plane=plane)
    with Served(*place.flags) as served, RawClient(place.address) as idle, RawClient(place.address) as silent:
        (before,) = served.workers()
        assert idle.ask(OPEN).values(b"connection") == []
        assert silent.ask(OPEN).status == 200
        assert run("reload", *place.flags).returncode == 0
        got = idle.ask(OPEN)
        assert (got.status, got.values(b"connection")) == (200, [b"close"])
        assert idle.rest() == b""
        # What stays silent does not keep the gateway from ending.
        assert runs(before)
        began = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - began < 20
        assert silent.rest() == b""


def activation(listener: socket.socket) -> list[str]:
    """A command that hands `listener` to what follows it, as systemd does (sd_listen_fds(3))."""
    script = (
        f"import os, sys; os.dup2({listener.fileno()}, 3); "
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", script]


def test_socket_activation_keeps_connections_while_the_gateway_is_exchanged(place: Place) -> None:
    """A binary upgrade: what connects between two gateways waits in the socket."""
    place.write(workers=2, port=free_port())  # not what is passed
    with socket.create_server(place.address) as listener:
        listener.set_inheritable(True)
        with Served(*place.flags, before=activation(listener)) as served:
            assert f"127.0.0.1:{place.port}" in served.wait_said("socket activation")
            with RawClient(place.address) as client:
                assert client.ask(OPEN).status == 200
            assert served.stop() == 0
        with RawClient(place.address) as early:
            early.send(OPEN)
            with Served(*place.flags, before=activation(listener)) as served:
                assert early.answer().status == 200
                assert served.stop() == 0


def test_a_passed_descriptor_that_is_no_listener_is_one_sentence(place: Place, tmp_path: Path) -> None:
    with socket.socket() as idle:
        idle.set_inheritable(True)
        done = run("serve", *place.flags, before=activation(idle))
    assert done.returncode == 2
    assert "stream socket that listens" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Where states are sent; bound as systemd's own."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(20)
        yield one


def test_states_are_told_to_systemd(place: Place, systemd: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": str(systemd.getsockname())}
    with Served(*place.flags, environment=environment) as served:
        assert systemd.recv(4096).startswith(b"READY=1\n")
        os.kill(served.process.pid, signal.SIGUSR2)
        assert b"1 workers replaced" in systemd.recv(4096)
        assert served.stop() == 0
        assert systemd.recv(4096).startswith(b"STOPPING=1\n")
