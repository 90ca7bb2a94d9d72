"""`wfm-gateway bench`: a whole run with the smallest plan, its page in a browser, and what it says of bad input."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import uvloop
from click.testing import CliRunner

from gateway.bench import plan
from gateway.bench.load import Proof, prove
from gateway.bench.plan import USUAL_BODY, USUAL_COMPONENTS, Plan
from gateway.cli import bench, main
from gateway.demo.device import Device
from gateway.demo.pki import make_key
from gateway.fleet.wire import Pool, Target
from gateway.model import Algorithm

SMALLEST = Plan(
    rsa_bits=(2048,),
    bodies=(0, USUAL_BODY),
    components=(USUAL_COMPONENTS, 8),
    rounds=2,
    calls=1,
    load_rounds=2,
    requests=60,
    slow=30,
    paced_s=0.2,
    workers=(1, 2),
)
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The JSON object and the page of one run."""
    page = tmp_path_factory.mktemp("bench") / "<report> & co.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "quick", lambda: SMALLEST)
        done = CliRunner().invoke(bench.command, ["--quick", "--json", "--html", str(page), "--interval", "30s"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), page


def test_it_measures_what_it_says(run: tuple[dict[str, Any], Path]) -> None:
    found, _ = run
    assert found["ok"] is True
    cells = {(row["algorithm"], row["key"], row["body_bytes"], row["components"]) for row in found["verification_us"]}
    assert len(cells) == len(Algorithm) * 2 * 2
    assert all(
        row[stage]["median"] > 0 for row in found["verification_us"] for stage in ("parse", "base", "arithmetic")
    )
    assert found["replay_claim_us"]["median"] > 0
    assert {(row["choice"], row["at_once"]) for row in found["engines_us"]} >= {("single", 1), ("single", 8)}
    kinds = {(row["request"], row["algorithm"], row["workers"]) for row in found["loads"]}
    assert kinds == {
        ("poll", "ecdsa-p256-sha256", 1),
        ("status report", "ecdsa-p256-sha256", 1),
        ("status report", "ecdsa-p384-sha384", 1),
        ("status report", "ed25519", 1),
        ("status report", "rsa-pss-sha512", 1),
        ("status report", "ecdsa-p256-sha256", 2),
    }
    assert all(row["failures"] == 0 and row["requests_per_s"]["median"] > 0 for row in found["loads"])
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"] <= found["latency_ms"]["max"]
    assert found["answer"]["devices_per_core"] > 0
    assert "poll every 30 s" in found["answer"]["steps"][-1]
    assert all(found[name] for name in ("machine", "versions", "command"))


def test_after_each_load_a_tampered_and_a_repeated_request_is_refused(run: tuple[dict[str, Any], Path]) -> None:
    proof = run[0]["proof"]
    # A warm-up and two rounds: five kinds on one worker and one on two; and the paced load.
    assert (
        proof["loads"]
        == [{"tampered": "401 signature.wrong", "first": "200 accepted", "repeated": "401 replay.seen"}] * 19
    )
    assert proof["sentence"].endswith("all of them were refused with 401.")


def test_r29_the_page_needs_nothing_else_and_escapes(run: tuple[dict[str, Any], Path]) -> None:
    html = run[1].read_text()
    assert set(re.findall(r"https?://[^\"' <]+", html)) == {"http://www.w3.org/2000/svg"}
    assert "<script" not in html
    assert "prefers-color-scheme:dark" in html
    assert "One core carries" not in html.replace(run[0]["answer"]["steps"][-1], "")


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
def test_a_browser_shows_the_page(run: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    assert BROWSER is not None
    picture = tmp_path / "page.png"
    done = subprocess.run(
        [
            BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,2400",
            f"--screenshot={picture}", "--dump-dom", run[1].as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    choices = {row["choice"] for row in run[0]["engines_us"]}
    assert done.stdout.count("<svg") == 5 + (len(choices) > 1)
    assert "How many devices does one core carry?" in done.stdout
    assert "CONSOLE" not in done.stderr, "the page violates its own policy, or a script failed"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 50_000, "a page with plots is no empty page"


def proved(status: str) -> Proof:
    """What `prove` says of a server that always answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"Content-Length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def talk() -> Proof:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            pool = Pool(Target(*server.sockets[0].getsockname()[:2]), 1)
            try:
                key = make_key(Algorithm.ECDSA_P256_SHA256)
                device = Device("dev-1", key, Algorithm.ECDSA_P256_SHA256, "https://wfm.example.com")
                return await prove(pool, device)
            finally:
                pool.close()

    return uvloop.run(talk())


def test_a_gateway_that_lets_everything_in_proves_nothing() -> None:
    assert not proved("200 OK").holds


def test_a_gateway_that_refuses_everything_proves_nothing() -> None:
    assert not proved("401 Unauthorized").holds


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--interval", "0s"], "--interval must be 1s or longer"),
        (["--interval", "soon"], "'soon' is not a duration such as 30d, 12h, 90m or 45s"),
        (["--html", "/nowhere/x.html"], "--html /nowhere/x.html cannot be written: no such file or directory"),
        (["--connections", "10000000"], "--connections 10000000 needs 10000128 open files"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["bench", "--quick", *arguments]) == 2
    assert sentence in capsys.readouterr().err
