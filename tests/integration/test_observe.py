"""The private listener of a real gateway: health and metrics over all of its workers."""

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.config.observe import DEFAULT
from gateway.registry.keys import EPOCH
from tests.fault.valkey import Valkey
from tests.integration.backend import OK, Peer, RecordingBackend, Seen
from tests.integration.client import RawClient
from tests.integration.harness import PUBLIC, Device
from tests.integration.served import Served, free_port, run, wait_for

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds worker processes in /proc")

OPEN = b"GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n"


class Place:
    """A configuration with ports of its own, and whoever looks at its private listener."""

    def __init__(self, folder: Path, upstream: str, store: str, workers: int = 2, more: str = "") -> None:
        self.port, self.observe = free_port(), free_port()
        self.file = folder / "gateway.toml"
        self.file.write_text(
            f'[listen]\naddress = "127.0.0.1:{self.port}"\npublic_url = "{PUBLIC}"\nworkers = {workers}\n'
            f'[upstream]\nurl = "{upstream}"\n[store]\nurl = "{store}"\n'
            f'[observe]\naddress = "127.0.0.1:{self.observe}"\n{more}'
        )

    def ask(self, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.observe, timeout=20)
        try:
            connection.request(method, path, headers={} if host is None else {"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def health(self) -> tuple[int, str, list[str]]:
        status, body = self.ask("/readyz")
        told: dict[str, Any] = json.loads(body)
        return status, told["status"], [one["reason"] for one in told["reasons"]]

    def metrics(self) -> dict[str, float]:
        status, body = self.ask("/metrics")
        assert status == 200
        found = {}
        for family in text_string_to_metric_families(body.decode()):
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
                found[sample.name.removeprefix("wfm_gateway_") + (f"{{{labels}}}" if labels else "")] = sample.value
        return found


@pytest.fixture
def place(tmp_path: Path, backend: RecordingBackend, valkey: Valkey) -> Place:
    return Place(tmp_path, backend.url, f"unix://{valkey.socket}")


def ask(place: Place, *requests: bytes) -> list[int]:
    """Each on a connection of its own, so that more than one worker gets some."""
    found = []
    for request in requests:
        with RawClient(("127.0.0.1", place.port)) as client:
            found.append(client.ask(request).status)
    return found


def test_requests_are_counted_over_all_workers_and_outlive_them(place: Place, device: Device) -> None:
    accepted = "requests_total{route=capabilities,method=POST,code=200}"
    signed = "verdicts_total{reason=accepted,algorithm=ecdsa-p256-sha256}"
    with Served("-c", str(place.file)) as served:
        assert ask(place, *(device.request() for _ in range(12))) == [200] * 12
        assert ask(place, device.request(created=1), OPEN, OPEN.replace(b"GET", b"PROPFIND")) == [401, 200, 405]
        again = device.request()
        assert ask(place, again, again) == [200, 401]
        # A request has ended when its client has taken the answer, which may be a moment after it was read here.
        found = wait_for(lambda: (said := place.metrics())["stage_duration_seconds_count{stage=read}"] == 17 and said)
        assert found[accepted] == found[signed] == 13
        assert found["requests_total{route=capabilities,method=POST,code=401}"] == 2
        assert found["requests_total{route=onboarding-certificate,method=GET,code=200}"] == 1
        assert found["requests_total{route=none,method=other,code=405}"] == 1
        assert found["verdicts_total{reason=policy.too_old,algorithm=none}"] == 1
        assert found["verdicts_total{reason=replay.seen,algorithm=ecdsa-p256-sha256}"] == 1
        assert found["verdicts_total{reason=open,algorithm=none}"] == 1
        assert found["request_duration_seconds_count{verdict=accepted}"] == 14
        assert found["request_duration_seconds_count{verdict=refused}"] == 3
        stages = {name: found[f"stage_duration_seconds_count{{stage={name}}}"] for name in
                  ("read", "key", "verify", "body", "claim", "upstream")}  # fmt: skip
        assert stages == {"read": 17, "key": 14, "verify": 14, "body": 14, "claim": 14, "upstream": 14}
        wait_for(lambda: place.metrics()["replay_claims_total{answer=claimed}"] == 13)
        found = place.metrics()
        assert found["replay_claims_total{answer=seen}"] == 1
        assert found["connections_total"] >= 17
        assert found["store_connected"] == found["workers{state=serving}"] == found["workers{state=configured}"] == 2
        (built,) = [name for name in found if name.startswith("build_info{")]
        assert "plane=native" in built
        assert "cryptography" in built
        assert found[built] == 1
        before = served.workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: place.metrics()["workers{state=serving}"] == 2 and not set(before) & set(served.workers()))
        assert ask(place, device.request()) == [200]
        after = wait_for(lambda: (said := place.metrics())[accepted] == 14 and said)
        assert after["worker_restarts_total"] == 2
        went_down = {name for name, value in found.items()
                     if name.split("{")[0].endswith(("_total", "_bucket", "_count", "_sum")) and after[name] < value}  # fmt: skip
        assert went_down == set()


def test_r29_only_under_a_name_of_ours(place: Place) -> None:
    with Served("-c", str(place.file)):
        for path in ("/metrics", "/livez", "/readyz", "/startupz", "/"):
            assert place.ask(path, host="evil.example")[0] == 421
            assert place.ask(path, host="evil.example:80")[0] == 421
        assert place.ask("/livez", host=f"10.0.0.7:{place.observe}")[0] == 200
        assert place.ask("/livez", method="POST")[0] == 405
        assert place.ask("/etc/passwd")[0] == 404


def test_health_from_the_start_to_the_drain(tmp_path: Path, backend: RecordingBackend) -> None:
    held = threading.Event()

    def hold(peer: Peer, seen: Seen) -> bool:
        assert held.wait(20)
        peer.sock.sendall(OK)
        return True

    backend.script = hold
    with Valkey(tmp_path) as valkey:
        valkey.client.set(EPOCH, int((time.time() - 3600) * 1000))
        place = Place(tmp_path, backend.url, f"unix://{valkey.socket}", workers=1)
        assert "no answer" in run("health", "-c", str(place.file)).stdout
        with Served("-c", str(place.file)) as served, RawClient(("127.0.0.1", place.port)) as client:
            assert place.health() == (200, "ready", [])
            assert (place.ask("/livez")[0], place.ask("/startupz")[0]) == (200, 200)
            done = run("health", "-c", str(place.file))
            assert (done.returncode, done.stdout) == (0, "ready\n")
            valkey.kill()
            wait_for(lambda: place.health() == (200, "degraded", ["store_unreachable"]))
            done = run("health", "--address", f"127.0.0.1:{place.observe}")
            assert done.returncode == 0
            assert done.stdout.startswith("degraded: store_unreachable: 0 of 1 workers")
            client.send(OPEN)
            backend.wait(lambda: backend.requests)
            served.process.send_signal(signal.SIGTERM)
            wait_for(lambda: place.health()[:2] == (503, "not_ready") and "draining" in place.health()[2])
            assert place.ask("/livez")[0] == 200
            done = run("health", "-c", str(place.file), "--ready")
            assert (done.returncode, done.stdout.split(":")[0]) == (1, "not ready")
            held.set()
            assert client.answer().status == 200
            assert served.process.wait(20) == 0


def test_a_second_gateway_on_one_machine_starts_without_a_listener_that_nobody_asked_for(place: Place) -> None:
    host, _, port = DEFAULT.rpartition(":")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def ours() -> bool:
            # Another gateway of the tests may have it for a moment.
            try:
                taken.bind((host, int(port)))
            except OSError:
                return False
            return True

        wait_for(ours)
        taken.listen()
        place.file.write_text(place.file.read_text().partition("[observe]")[0])
        with Served("-c", str(place.file)) as served:
            assert DEFAULT in served.wait_said("WARNING: no dashboard, health and metrics")
        place.file.write_text(place.file.read_text() + f'[observe]\naddress = "{DEFAULT}"\n')
        refused = run("serve", "-c", str(place.file))
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert f"cannot listen on {DEFAULT}" in refused.stderr


def test_certificates_near_their_end_are_told(place: Place, device: Device) -> None:
    with Served("-c", str(place.file)):
        found = wait_for(lambda: (said := place.metrics()).get("survey_timestamp_seconds") and said)
    assert (found["certificates_expiring"], found["certificates_expired"], found["records_damaged"]) == (1, 0, 0)
