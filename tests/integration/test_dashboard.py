"""The dashboard in a real browser, in front of a real gateway."""

import http.client
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.dashboard.page import PAGE, POLICY
from tests.fault.valkey import Valkey
from tests.integration.backend import RecordingBackend
from tests.integration.harness import Device
from tests.integration.served import Served
from tests.integration.test_observe import Place, ask
from tests.support.browser import MISSING, Browser

needs_browser = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a listener per worker")
TOKEN = "correct-horse-battery-staple"
EVIL = '"><img src=x onerror=document.title=1><script>document.title=2</script>'


@pytest.fixture
def place(tmp_path: Path, backend: RecordingBackend, valkey: Valkey) -> Place:
    return Place(tmp_path, backend.url, f"unix://{valkey.socket}")


def figures(place: Place, *, token: str | None = None, host: str | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", place.observe, timeout=20)
    try:
        fields = {} if token is None else {"Authorization": f"Bearer {token}"}
        connection.request("GET", "/dashboard.json", headers=fields | ({} if host is None else {"Host": host}))
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body.startswith(b"{") else body
    finally:
        connection.close()


@needs_browser
def test_it_shows_what_happens_while_it_happens(place: Place, device: Device, backend: RecordingBackend) -> None:
    """R29: what a device sent is text there, whatever stands in it."""
    with Served("-c", str(place.file)), Browser() as browser:
        assert ask(place, *(device.request() for _ in range(5))) == [200] * 5
        evil = device.request(keyid=EVIL.replace('"', "'"), created=1)
        assert ask(place, evil, device.request(label="odd", send_alg=True, created=1)) == [401, 401]
        browser.go(f"http://127.0.0.1:{place.observe}/")
        # A request is counted when its client has taken the answer, and the page asks once a second.
        browser.until(lambda: "7 in all" in browser.text("#tiles") and browser.text("#failing td.name"))
        browser.until(lambda: browser.text("#status") == "ready")
        browser.until(lambda: re.search(r"accepted\s+5\n", browser.text("#verdicts")))
        browser.until(lambda: browser.text("#failing").splitlines()[1].startswith("dev1\t2\tpolicy.too_old"))
        assert browser.run("return document.querySelector('#failing button').dataset.command") == (
            f"wfm-gateway explain -c {place.file} --id dev1 -"
        )
        browser.until(lambda: {"upstream", "claim", "verify", "key", "read"} <= set(browser.text("#stages").split()))
        browser.until(lambda: "2 of 2 workers" in browser.text("#store"))
        assert backend.url in browser.text("#upstream")
        assert browser.text("#soonest").split()[-1] in ("h", "d") or "dev1" in browser.until(
            lambda: browser.text("#soonest")
        )
        # It goes on by itself.
        assert ask(place, *(device.request() for _ in range(3))) == [200] * 3
        browser.until(lambda: "10 in all" in browser.text("#tiles"))
        browser.until(lambda: browser.run("return document.querySelectorAll('#traffic polygon').length") == 3)
        assert "since the start" in browser.text(".period")
        browser.until(lambda: re.search(r"accepted\s+8\n", browser.text("#verdicts")))
        browser.run("document.querySelector('#minute').click()")
        assert browser.text(".period") == "last minute"
        assert "policy.too_old" not in browser.text("#verdicts"), "it was before the page was opened"
        assert browser.run("return document.querySelectorAll('img').length") == 0
        assert browser.run("return document.title") == "wfm-gateway"
        assert browser.console() == []


@needs_browser
def test_what_a_device_calls_itself_is_no_markup(place: Place, device: Device) -> None:
    """R29. No such id passes R2; if one did, it would still be text."""
    with Served("-c", str(place.file)), Browser() as browser:
        browser.go(f"http://127.0.0.1:{place.observe}/")
        browser.until(lambda: browser.text("#tiles"))
        browser.run(
            "const shot = structuredClone(history.at(-1)); const evil = arguments[0];"
            "shot.failing = [{client_id: evil, count: 1, unsure: 0, reason: evil, detail: evil, request_id: evil, at: 0,"
            " explain: evil}]; shot.series.verdicts_total = [[evil, evil, 3]]; shot.unsafe = [evil]; shot.store = evil;"
            "shot.certificates = {expiring: 1, expired: 0, damaged: 0, at: 0, soonest: [{ends: 0, realm: evil,"
            " client_id: evil}]}; shot.health.reasons = [{reason: evil, detail: evil}];"
            "history.length = 0; history.push(shot); show();",
            EVIL,
        )
        for part in ("#failing", "#verdicts", "#unsafe", "#store", "#soonest", "#troubles"):
            assert EVIL in browser.text(part), part
        assert browser.run("return document.querySelectorAll('img').length") == 0
        assert browser.run("return document.querySelectorAll('script').length") == 1
        assert browser.run("return document.title") == "wfm-gateway"


@needs_browser
def test_it_says_when_the_gateway_is_gone(place: Place) -> None:
    with Browser() as browser:
        with Served("-c", str(place.file)):
            browser.go(f"http://127.0.0.1:{place.observe}/")
            browser.until(lambda: browser.text("#status") == "ready")
        browser.until(lambda: browser.text("#status") == "no answer")
        with Served("-c", str(place.file)):
            browser.until(lambda: browser.text("#status") == "ready")


def test_the_page_loads_and_runs_nothing_else() -> None:
    assert not re.search(rb"""(?:src|href|action)\s*=|https?://(?!www\.w3\.org/2000/svg)|@import|url\(""", PAGE)
    assert b"innerHTML" not in PAGE
    assert POLICY.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in POLICY


def opened(place: Place, tmp_path: Path, address: str, token: bool) -> None:
    text = place.file.read_text().partition("[observe]")[0]
    text += f'[observe]\naddress = "{address}:{place.observe}"\n'
    if token:
        (tmp_path / "look").touch(0o600)
        (tmp_path / "look").write_text(TOKEN + "\n")
        text += 'token_file = "look"\n'
    place.file.write_text(text)


def test_r29_without_a_token_it_is_closed_where_others_can_connect(place: Place, tmp_path: Path) -> None:
    opened(place, tmp_path, "0.0.0.0", token=False)
    with Served("-c", str(place.file)):
        status, told = figures(place)
        assert (status, "observe.token_file" in told["detail"]) == (403, True)
        assert place.ask("/metrics")[0] == place.ask("/readyz")[0] == 200
        assert figures(place, host="evil.example")[0] == 421


@needs_browser
def test_r29_with_a_token_it_asks_for_it(place: Place, tmp_path: Path) -> None:
    opened(place, tmp_path, "127.0.0.1", token=True)
    with Served("-c", str(place.file)), Browser() as browser:
        for wrong in (None, "", TOKEN[:-1], TOKEN + "x"):
            assert figures(place, token=wrong)[0] == 401
        assert figures(place, token=TOKEN)[1]["workers"]["serving"] == 2
        browser.go(f"http://127.0.0.1:{place.observe}/")
        browser.until(lambda: "observe.token_file" in browser.text("#door"))
        enter = "document.querySelector('#token').value = arguments[0]; document.querySelector('#door button').click()"
        browser.run(enter, "wrong")
        browser.until(lambda: browser.text("#wrong") == "this is not the token")
        assert browser.text("#tiles") == ""
        browser.run(enter, TOKEN)
        browser.until(lambda: browser.text("#status") == "ready" and browser.text("#tiles"))
