"""`wfm-gateway fleet` against a real gateway, and against servers that are none."""

import asyncio
import datetime
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.installation import CA_FILE, PUBLIC_URL, Installation, running
from gateway.demo.pki import make_authority

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from gateway.cli.main import main; main()", "fleet"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}
DEADLINE_S = 120.0


def fleet(*arguments: str, files: int | None = None) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    if files is not None:
        command = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh", *command]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A gateway with one worker before the demo WFM; it lets devices of the authority in the folder onboard."""
    folder = tmp_path_factory.mktemp("site")
    authority = make_authority("Fleet Test CA", datetime.datetime.now(datetime.UTC))
    (folder / CA_FILE).write_bytes(authority.certificate_pem)
    (folder / "ca.key").write_bytes(authority.key_pem)
    ready: list[Installation] = []
    changed = threading.Condition()
    end = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with running(folder, 1) as installation:
            with changed:
                ready.append(installation)
                changed.notify()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        with changed:
            assert changed.wait_for(lambda: ready, DEADLINE_S)
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(DEADLINE_S)
        loop.close()


def run(site: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    return fleet("--target", site.gateway_url, "--public-url", PUBLIC_URL, *arguments)


def issuer(site: Installation) -> list[str]:
    return ["--issuer", str(site.folder / CA_FILE), str(site.folder / "ca.key")]


def test_new_devices_onboard_and_every_answer_is_judged(site: Installation, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = run(
        site, *issuer(site), "--devices", "40", "--interval", "1s", "--ramp", "1s", "--duration", "6s", "--bad", "0.3",
        "--outage", "3s:1s", "--json", "--html", str(report),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["ok"] is True
    assert found["devices"] == 40
    assert found["requests"] > 150
    assert found["faults"] == 0
    counts = {(row["request"], row["expected"]): row["count"] for row in found["verdicts"]}
    assert set(counts) == {
        ("poll", "accepted"),
        ("status report", "accepted"),
        ("replayed", "accepted"),
        ("replayed", "replay.seen"),
        ("stale", "policy.too_old"),
        ("tampered body", "digest.mismatch"),
        ("wrong key", "signature.wrong"),
        ("no signature", "signature.missing"),
    }
    assert found["refused_as_expected"] + found["let_through"] == found["requests"]
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"] <= found["latency_ms"]["max"]
    assert found["served_after_outage_s"] > 0
    # Nobody was there in the fourth second; then all came back at once.
    rates = [row["requests_per_s"] for row in found["over_time"]]
    assert rates[3] == 0
    assert rates[4] >= 40
    html = report.read_text()
    assert html.count("<svg") == 3
    assert "<script" not in html


def test_registered_devices_of_a_folder(site: Installation, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    made = fleet("--make", str(keys), *issuer(site), "--devices", "12", "--alg", "ed25519")
    assert made.returncode == 0
    assert f"wfm-gateway clients import {keys}" in made.stdout
    assert len(list(keys.glob("*.key"))) == 12
    assert all(path.stat().st_mode & 0o077 == 0 for path in keys.glob("*.key"))
    quick = ["--keys", str(keys), "--interval", "1s", "--ramp", "0s", "--duration", "2s", "--bad", "0", "--ahead", "2s"]

    unknown = run(site, *quick)
    assert (unknown.returncode, unknown.stdout.strip()) == (2, "")
    assert "refuses fleet-00 (key.unknown_client): register the devices first" in unknown.stderr

    importing = [*COMMAND[:-1], "clients", "import", str(keys), "-c", str(site.config_file)]
    subprocess.run(importing, env=ENVIRONMENT, check=True, capture_output=True, timeout=DEADLINE_S)
    done = run(site, *quick)
    assert (done.returncode, done.stderr) == (0, "")
    assert "12 devices, 15 requests a second once all have joined" in done.stdout
    assert "No faults." in done.stdout
    assert "Signed up to 2 s ahead in other processes" in done.stdout
    assert "\x1b" not in done.stdout

    wrong = fleet("--target", site.gateway_url, *quick)
    assert wrong.returncode == 2
    assert "(signature.wrong): --public-url must be what the gateway has as public_url" in wrong.stderr


def test_ctrl_c_ends_the_run_with_what_was_measured(site: Installation) -> None:
    arguments = ["--target", site.gateway_url, "--public-url", PUBLIC_URL, *issuer(site)]
    quick = ["--devices", "5", "--interval", "1s", "--ramp", "0s", "--duration", "600s"]
    with subprocess.Popen(
        [*COMMAND, *arguments, *quick], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "in flight" in line and " 0 requests" not in line:
                break
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert "No faults." in rest


def test_devices_that_nobody_trusts_do_not_onboard(site: Installation) -> None:
    done = run(site, "--devices", "3", "--duration", "2s")
    assert done.returncode == 2
    assert "does not onboard new devices (trust.untrusted): it must trust their authority (--issuer)" in done.stderr


def test_a_target_without_such_a_route(site: Installation) -> None:
    done = fleet("--target", site.gateway_url, "--public-url", PUBLIC_URL + "/v7", "--devices", "1")
    assert done.returncode == 2
    assert "has no route /v7/api/v1/clients/nobody/deployments (404)" in done.stderr


class _Careless(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def test_a_target_that_does_not_verify_is_told_so() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Careless) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            done = fleet("--target", f"http://127.0.0.1:{server.server_address[1]}", "--devices", "1")
        finally:
            server.shutdown()
            thread.join()
    assert done.returncode == 2
    assert "answers 200 to a request without a signature: it does not verify" in done.stderr


def test_bad_input_is_one_sentence_each(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    empty = tmp_path / "empty"
    empty.mkdir()
    target = ["--target", nobody]
    for arguments, sentence in (
        ([], "--target URL is missing"),
        (["--target", "wfm.example.com"], "--target 'wfm.example.com' is not http:// or https:// with a host"),
        (
            [*target, "--keys", str(tmp_path / "none")],
            f"the key directory {tmp_path}/none cannot be read (no such file",
        ),
        ([*target, "--keys", str(empty)], f"{empty} holds 0 keys (ID.key) where at least 1 must be"),
        ([*target, "--devices", "1"], f"{nobody} cannot be reached (connect: ConnectionRefusedError): is the gateway"),
        ([*target, "--interval", "0s"], "--interval must be 1s or longer"),
        ([*target, "--interval", "15"], "'15' is not a duration such as 30d, 12h, 90m or 45s"),
        ([*target, "--outage", "5s"], "--outage '5s' is not AT:FOR, such as 60s:30s"),
        ([*target, "--outage", "80s:10s"], "must last at least 1s, and end before --duration does"),
        ([*target, "--html", str(tmp_path / "no" / "x.html")], "x.html cannot be written: no such file or directory"),
        (["--make", str(tmp_path)], f"--make {tmp_path} is not empty; name a new folder"),
    ):
        done = fleet(*arguments)
        assert done.returncode == 2, arguments
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_the_soft_limit_of_open_files_is_raised_and_the_hard_one_told() -> None:
    done = fleet("--target", "http://127.0.0.1:1", "--devices", "1", "--connections", "5000", files=1000)
    assert done.returncode == 2
    assert "--connections 5000 needs 5128 open files, and this process may have 1000 (`ulimit -Hn`)" in done.stderr
    command = 'ulimit -S -n 300 && exec "$@"'
    arguments = [*COMMAND, "--target", "http://127.0.0.1:1", "--devices", "1", "--connections", "1000"]
    raised = subprocess.run(
        ["sh", "-c", command, "sh", *arguments],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert "cannot be reached" in raised.stderr
