"""A real browser without a window, driven over WebDriver (W3C) by plain HTTP."""

import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

DRIVER: Final = shutil.which("chromedriver")
CHROMIUM: Final = shutil.which("chromium")
MISSING: Final = DRIVER is None or CHROMIUM is None
"""Tests that need it are skipped then."""

DEADLINE_S: Final = 20.0
_FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--window-size=1280,1600",
)  # fmt: skip


class Browser:
    """One page at a time; `dark` is what it says that its user prefers."""

    def __init__(self, dark: bool = False) -> None:
        self._flags = [*_FLAGS, *(["--force-dark-mode"] if dark else [])]
        self._session = ""

    def __enter__(self) -> Self:
        assert DRIVER is not None
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._driver = subprocess.Popen(
            [DRIVER, f"--port={self._port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self.until(self._ready)
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": {
                    "binary": CHROMIUM,
                    "args": [*self._flags, f"--user-data-dir={self._profile.name}"],
                },
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{made['sessionId']}"
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._call("DELETE", self._session)
        finally:
            self._end()

    def go(self, url: str) -> None:
        """Load a page."""
        self._call("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns, with `arguments`."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        """The text that a person sees of an element; "" if there is none."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def console(self) -> list[str]:
        """What the page complained of since the last time."""
        found = self._call("POST", f"{self._session}/se/log", {"type": "browser"})
        return [one["message"] for one in found if one["level"] in ("SEVERE", "WARNING")]

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until the condition holds, and return what it said."""
        deadline = time.monotonic() + DEADLINE_S
        while not (said := condition()):
            assert time.monotonic() < deadline, "did not come true"
            time.sleep(0.05)
        return said

    def _ready(self) -> bool:
        try:
            return bool(self._call("GET", "/status")["ready"])
        except OSError:
            return False

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            told = json.loads(answer.read())["value"]
            assert answer.status == 200, told
            return told
        finally:
            connection.close()

    def _end(self) -> None:
        self._driver.terminate()
        self._driver.wait(DEADLINE_S)
        self._profile.cleanup()
