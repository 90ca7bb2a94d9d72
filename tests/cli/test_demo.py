"""`wfm-gateway demo`, as somebody runs it who has nothing but this program."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.config import load
from gateway.model import Algorithm

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from gateway.cli.main import main; main()", "demo"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}
SMALL = ["--devices", "8", "--rate", "60", "--workers", "1"]
DEADLINE_S = 120.0


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def test_json_is_all_there_is_and_every_verdict_is_right() -> None:
    done = demo(*SMALL, "--duration", "4", "--bad", "0.5", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    summary: dict[str, Any] = json.loads(done.stdout)
    assert summary["ok"] is True
    assert summary["requests"] >= 240
    assert summary["mismatches"] == summary["leaked_to_backend"] == summary["missing_at_backend"] == 0
    assert all(row["expected"] == row["got"] for row in summary["verdicts"])
    assert {row["expected"] for row in summary["verdicts"]} >= {"accepted", "digest.mismatch", "signature.wrong"}
    assert set(summary["algorithms"]) == {algorithm.value for algorithm in Algorithm}
    assert summary["accepted"] + summary["refused"] == summary["requests"]
    assert summary["newcomers"] == {"onboarded": 2, "rotated": 1, "revoked": 1}
    counts = {(row["request"], row["expected"]): row["count"] for row in summary["verdicts"]}
    assert counts["onboarding", "accepted"] == counts["onboarding again", "accepted"] == 2
    assert counts["report with the old key", "accepted"] == counts["report with the new key", "accepted"] == 1
    assert counts["report when revoked", "key.revoked"] == counts["onboarding when revoked", "key.removed"] == 1


def test_lines_without_control_codes_and_a_folder_to_keep(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    done = demo(*SMALL, "--duration", "1", "--keep", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "verdicts were the expected ones." in done.stdout
    assert "2 unknown devices have onboarded through the gateway." in done.stdout
    assert " has given itself a new certificate; " in done.stdout
    assert " is revoked: its next request got key.revoked, onboarding again key.removed." in done.stdout
    assert "2 unknown devices onboarded through the gateway; 1 rotated its certificate, 1 was revoked." in done.stdout
    assert f"wfm-gateway sign --key {folder}/devices/" in done.stdout
    assert f"wfm-gateway serve -c {folder}/gateway.toml" in done.stdout
    assert load(folder / "gateway.toml").listen.workers == 1
    keys = sorted((folder / "devices").glob("*.key"))
    assert len(keys) == 8
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)
    again = demo("--keep", str(folder))
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"wfm-gateway: --keep {folder} is not empty; name a new folder\n"


def test_ctrl_c_ends_with_the_summary() -> None:
    with subprocess.Popen(
        [*COMMAND, *SMALL, "--duration", "600"], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if " requests  " in line:  # traffic flows
                process.send_signal(signal.SIGINT)
                break
        rest, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, errors) == (0, "")
    assert "verdicts were the expected ones." in rest
    (address,) = [line.split()[-1] for line in said if "listens on" in line]
    place = urlsplit(address)
    with pytest.raises(ConnectionRefusedError), socket.create_connection((place.hostname, place.port), 5):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the gateway's process in /proc")
def test_a_gateway_that_ends_by_itself_fails_the_run() -> None:
    with subprocess.Popen(
        [*COMMAND, *SMALL, "--duration", "600"], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if " requests  " in line:
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (gateway,) = [pid for pid in children if b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(int(gateway), signal.SIGTERM)
        rest, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, errors) == (1, "")
    assert "The run ended early: the gateway ended by itself" in rest


def test_a_live_table_in_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *SMALL, "--duration", "1.5"], env=ENVIRONMENT, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how Linux tells the end of a terminal
                break
            if not piece:
                break
            said += piece
        process.wait(DEADLINE_S)
    os.close(ours)
    assert process.returncode == 0, said.decode(errors="replace")[-3000:]
    assert said.count(b"must be") > 2, "the table is drawn again and again"
    assert b"\x1b[" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bad", "2"], "Invalid value for '--bad'"),
        (["--devices", "0"], "Invalid value for '--devices'"),
        (["--keep", "/proc/nowhere"], "wfm-gateway: --keep /proc/nowhere cannot be used"),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    done = demo(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
