"""Onboarding as an operator runs it: `serve` with two workers, the embedded store and the demo's WFM behind it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model import Algorithm
from tests.integration.client import Answer, RawClient
from tests.integration.harness import PUBLIC, Device, make_device
from tests.integration.onboarding import FORMS, request_of, spki_of
from tests.integration.served import ROOT, Served, free_port, run, wait_for

CONFIG = """
[listen]
address = "127.0.0.1:{port}"
public_url = "{public}"
workers = 2
[upstream]
url = "{upstream}"
[store]
url = "embedded:store"
[onboarding]
mode = "{mode}"
trust = ["pinned"]
"""


@pytest.fixture
def wfm() -> Iterator[str]:
    """The demo's WFM; its URL."""
    command = [sys.executable, "-m", "gateway.demo.wfm", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


class Place:
    """A configuration file with a port of its own."""

    def __init__(self, directory: Path, upstream: str, mode: str) -> None:
        self.address = ("127.0.0.1", free_port())
        self.file = directory / "gateway.toml"
        self.file.write_text(CONFIG.format(port=self.address[1], public=PUBLIC, upstream=upstream, mode=mode))

    def ask(self, octets: bytes) -> Answer:
        with RawClient(self.address) as client:
            return client.ask(octets)

    def onboard(self, device: Device, form: str, older: bool = False) -> Answer:
        """In its first second the store refuses what was signed before it began (R13)."""
        answers: list[Answer] = []

        def answered() -> bool:
            answers.append(self.ask(request_of(device, form, older)))
            return answers[-1].status == 201 or answers[-1].reason not in ("store.lost_memory", "store.unavailable")

        wait_for(answered)
        return answers[-1]

    def pin(self, device: Device) -> None:
        done = run("clients", "pin", spki_of(device), "-c", str(self.file))
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["proxy", "local"])
def test_r20_devices_onboard_work_and_survive_a_kill(tmp_path: Path, wfm: str, mode: str) -> None:
    place = Place(tmp_path, wfm, mode)
    devices = [make_device(f"d{index}", list(Algorithm)[index]) for index in range(3)]
    ids: dict[int, str] = {}
    with Served("-c", str(place.file)) as served:
        for index, (device, form) in enumerate(zip(devices, FORMS, strict=True)):
            assert place.onboard(device, form).reason == "trust.untrusted"
            place.pin(device)
            older = index == 2
            answer = place.onboard(device, form, older)
            assert answer.status == 201, answer.body
            ids[index] = answer.problem["client_id" if older else "clientId"]
        assert len(set(ids.values())) == 3
        served.process.kill()
        served.process.wait()
    with Served("-c", str(place.file)):
        for index, device in enumerate(devices):
            again = place.onboard(device, "base64-der")
            assert again.problem == {"clientId": ids[index]}
            known = Device(ids[index], device.key, device.certificate)
            assert place.ask(known.request()).status == 201  # the WFM takes the capabilities
