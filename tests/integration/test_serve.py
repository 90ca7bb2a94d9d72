"""`wfm-gateway serve`: start, workers that die, the drain, and what keeps it from starting (R28)."""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.integration.backend import OK, Peer, RecordingBackend, Seen
from tests.integration.client import RawClient
from tests.integration.harness import PUBLIC, Device, make_device
from tests.integration.served import Served, free_port, run, runs, wait_for

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds worker processes in /proc")

OPEN = b"GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n"


class Place:
    """Flags of a gateway in front of `backend`, with a store of its own, on a port of its own."""

    def __init__(self, backend: RecordingBackend, directory: Path) -> None:
        self.port = free_port()
        self.store = f"embedded:{directory}/store"
        self.upstream = backend.url

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def flags(self, workers: int = 1) -> list[str]:
        """Arguments of `serve`."""
        return [
            *("--listen", f"127.0.0.1:{self.port}", "--upstream", self.upstream, "--public-url", PUBLIC),
            *("--store", self.store, "--workers", str(workers)),
        ]


@pytest.fixture
def place(backend: RecordingBackend, tmp_path: Path) -> Place:
    """Where to serve."""
    return Place(backend, tmp_path)


def register(place: Place, device: Device, directory: Path) -> None:
    """Register a device with the command."""
    file = directory / "device.pem"
    file.write_bytes(device.certificate)
    done = run("clients", "add", "--id", device.client_id, "--cert", str(file), "--store", place.store)
    assert done.returncode == 0, done.stderr


def forwarded(place: Place, device: Device) -> bool:
    """Does a signed request pass? In its first second the store refuses what was signed before it began (R13)."""
    with RawClient(place.address) as client:
        got = client.ask(device.request())
        assert got.status == 200 or got.reason in ("store.lost_memory", "store.unavailable"), got.body
        return got.status == 200


def test_the_other_plane_is_chosen_in_the_file(place: Place, backend: RecordingBackend, tmp_path: Path) -> None:
    device = make_device("dev1")
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'[listen]\naddress = "127.0.0.1:{place.port}"\npublic_url = "{PUBLIC}"\nworkers = 1\nplane = "aiohttp"\n'
        f'[upstream]\nurl = "{backend.url}"\n[store]\nurl = "{place.store}"\n'
    )
    assert 'plane = "aiohttp"' in run("check", "--config", str(file)).stdout
    with Served("--config", str(file)) as served:
        assert "workers       1, aiohttp plane" in "\n".join(served.said)
        register(place, device, tmp_path)
        wait_for(lambda: forwarded(place, device))
    file.write_text(file.read_text().replace("aiohttp", "nginx"))
    refused = run("check", "--config", str(file))
    assert refused.returncode == 2
    assert "listen.plane" in refused.stderr


def test_serve_tells_what_it_does_and_leaves_with_0(place: Place, backend: RecordingBackend, tmp_path: Path) -> None:
    device = make_device("dev1")
    with Served(*place.flags(workers=2)) as served:
        said = "\n".join(served.said)
        for text in (
            f"127.0.0.1:{place.port}",
            PUBLIC,
            "margo",
            place.store,
            backend.url,
            "workers       2, native plane",
        ):
            assert text in said
        assert len(served.workers()) == 2
        # While it runs, the command speaks to the same store.
        register(place, device, tmp_path)
        wait_for(lambda: forwarded(place, device))
        assert served.stop() == 0
    # What was registered survives.
    with Served(*place.flags()) as served:
        wait_for(lambda: forwarded(place, device))


def test_everything_killed_loses_nothing(place: Place, backend: RecordingBackend, tmp_path: Path) -> None:
    device = make_device("dev1")
    with Served(*place.flags()) as served:
        register(place, device, tmp_path)
        workers = served.workers()
        served.process.kill()
        served.process.wait()
        # Workers notice that nobody watches them any longer.
        wait_for(lambda: not any(runs(pid) for pid in workers))
    with Served(*place.flags()):
        wait_for(lambda: forwarded(place, device))


def test_worker_that_dies_is_replaced_and_its_queue_is_served(place: Place, backend: RecordingBackend) -> None:
    """R28: its socket stays open in the supervisor."""
    with Served(*place.flags()) as served:
        (worker,) = served.workers()
        os.kill(worker, signal.SIGSTOP)
        with RawClient(place.address) as queued:
            queued.send(OPEN)
            os.kill(worker, signal.SIGKILL)
            assert queued.answer().status == 200
        (other,) = served.workers()
        assert other != worker
        assert f"pid {worker}" in served.wait_said("SIGKILL")
        assert served.stop() == 0


def test_sigterm_finishes_requests_that_have_begun(place: Place, backend: RecordingBackend) -> None:
    go_on = threading.Event()

    def wait(peer: Peer, seen: Seen) -> bool:
        assert go_on.wait(20)
        peer.sock.sendall(OK)
        return True

    backend.script = wait
    with Served(*place.flags()) as served, RawClient(place.address) as client:
        client.send(OPEN)
        backend.wait(lambda: backend.requests)
        served.process.send_signal(signal.SIGTERM)
        wait_for(lambda: refuses(place.address))
        go_on.set()
        got = client.answer()
        assert (got.status, got.values(b"connection")) == (200, [b"close"])
        assert served.process.wait(20) == 0


def test_sigterm_serves_connections_that_wait_in_the_queue(place: Place, backend: RecordingBackend) -> None:
    """R28: the kernel has accepted them, so their clients believe that they are connected."""
    with Served(*place.flags()) as served:
        (worker,) = served.workers()
        os.kill(worker, signal.SIGSTOP)
        with RawClient(place.address) as first, RawClient(place.address) as second:
            first.send(OPEN)
            second.send(OPEN)
            served.process.send_signal(signal.SIGTERM)
            os.kill(worker, signal.SIGCONT)
            for client in (first, second):
                got = client.answer()
                assert got.status == 200, got.body
        assert served.process.wait(20) == 0


def refuses(address: tuple[str, int]) -> bool:
    """Is nobody listening there?"""
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False
    return False


def test_embedded_store_that_dies_is_started_again(place: Place, backend: RecordingBackend, tmp_path: Path) -> None:
    device = make_device("dev1")
    with Served(*place.flags()) as served:
        register(place, device, tmp_path)
        wait_for(lambda: forwarded(place, device))
        pid = served.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        (store,) = [int(child) for child in children if int(child) not in served.workers()]
        os.kill(store, signal.SIGKILL)
        served.wait_said("the embedded store died")
        wait_for(lambda: forwarded(place, device))


def test_port_in_use_is_one_sentence(place: Place) -> None:
    with socket.create_server(place.address):
        done = run("serve", *place.flags())
    assert done.returncode == 2
    assert done.stderr == f"wfm-gateway: cannot listen on 127.0.0.1:{place.port}: address already in use\n"


def test_second_gateway_on_the_port_is_refused(place: Place, tmp_path: Path) -> None:
    """SO_REUSEPORT must not let two gateways share a port by mistake."""
    with Served(*place.flags()):
        other = [*place.flags(), "--store", f"embedded:{tmp_path}/other"]
        done = run("serve", *other)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr


def test_unreachable_store_is_one_sentence(place: Place) -> None:
    done = run("serve", *place.flags(), "--store", f"redis://127.0.0.1:{free_port()}")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([], "--upstream is missing"),
        (["-c", "x.toml", "--workers", "1"], "not both"),
        (["-c", "/nowhere/x.toml"], "cannot be read"),
        (["--upstream", "http://127.0.0.1:1"], "authority"),
        (["--upstream", "http://127.0.0.1:1", "--public-url", PUBLIC, "--profile", "generic"], "--profile"),
        (["--upstream", "http://127.0.0.1:1", "--public-url", PUBLIC, "--base-path", "x"], "--base-path"),
    ],
)
def test_mistakes_in_the_flags_are_one_sentence(flags: list[str], text: str) -> None:
    done = run("serve", *flags)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_unix_socket_and_base_path(place: Place, backend: RecordingBackend, tmp_path: Path) -> None:
    path = str(tmp_path / "gateway.sock")
    # The name that a killed gateway left behind.
    with socket.socket(socket.AF_UNIX) as orphan:
        orphan.bind(path)
    flags = [*place.flags(workers=2), "--listen", f"unix:{path}", "--base-path", "/v1alpha2/margo"]
    with Served(*flags) as served:
        with RawClient(path) as client:
            assert client.ask(OPEN).reason == "request.no_route"
            assert client.ask(OPEN.replace(b"/api", b"/v1alpha2/margo/api")).status == 200
        assert backend.requests[0].values(b"x-forwarded-for") == []
        assert served.stop() == 0
    assert not Path(path).exists()


def test_time_between_signal_and_end_is_short_when_nothing_goes_on(place: Place) -> None:
    with Served(*place.flags(workers=2)) as served, RawClient(place.address) as idle:
        assert idle.ask(OPEN).status == 200
        began = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - began < 10
        assert idle.rest() == b""
