"""`wfm-gateway health`: one line and an exit status, whatever is behind the address."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import group, run
from tests.integration.served import free_port

SAID = {
    "/readyz": (503, b'{"status": "not_ready", "reasons": [{"reason": "draining", "detail": "bye\\u001b[2J"}]}'),
    "/livez": (200, b'{"status": "alive"}'),
    "/startupz": (200, b"<html>"),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = SAID[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["health", *arguments], standalone_mode=False)


def test_no_is_1_with_the_reason_and_nothing_that_a_terminal_obeys(address: str) -> None:
    done = invoke("--address", address)
    assert done.return_value == 1
    assert done.output == "not ready: draining: bye\\x1b[2J\n"


def test_yes_is_0(address: str) -> None:
    done = invoke("--address", address, "--live")
    assert (done.return_value, done.output) == (0, "alive\n")


def test_something_else_behind_the_address(address: str) -> None:
    done = invoke("--address", address, "--started")
    assert (done.return_value, done.output) == (1, f"no answer from {address}: this is not a wfm-gateway\n")


def test_nobody_there(tmp_path: Path) -> None:
    port = free_port()
    done = invoke("--address", f"127.0.0.1:{port}")
    assert (done.return_value, done.output) == (1, f"no answer from 127.0.0.1:{port}: connection refused\n")
    done = invoke("--address", f"unix:{tmp_path}/none")
    assert (done.return_value, done.output) == (1, f"no answer from {tmp_path}/none: no such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--address", "nonsense"], "--address: got nonsense, wanted HOST:PORT or unix:/path"),
        (["--address", "127.0.0.1:1", "-c", "x"], "not both"),
        (["-c", "/absent.toml"], "/absent.toml: cannot be read"),
    ],
)
def test_mistakes_are_2(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["health", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_nobody_can_be_asked_where_it_is_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[listen]\npublic_url = "https://a"\n[upstream]\nurl = "http://b:1"\n[observe]\naddress = "off"\n')
    assert run(["health", "-c", str(file)]) == 2
    assert 'observe.address is "off"' in capsys.readouterr().err
