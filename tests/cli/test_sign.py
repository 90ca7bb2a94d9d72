"""`wfm-gateway sign`: what it prints is what goes out, and mistakes are one sentence."""

import datetime
import http.server
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway._native import parse_head, select
from gateway.cli.sign import command
from gateway.demo.pki import issue, key_pem, make_authority, make_key
from gateway.model import Algorithm
from gateway.reasons import ConfigError

URL = "https://wfm.example.com/api/v1/clients/dev-1/capabilities"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "device.key"
    path.write_bytes(key_pem(make_key(Algorithm.ECDSA_P256_SHA256)))
    return path


@pytest.fixture
def run(key: Path) -> Callable[..., Result]:
    def invoke(*arguments: str, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(command, ["--key", str(key), *arguments], input=stdin)

    return invoke


class Recorder(http.server.BaseHTTPRequestHandler):
    """Keeps the bytes of the last request and answers as told."""

    status = 200
    received: tuple[str, list[tuple[str, str]], bytes] = ("", [], b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        type(self).received = (self.requestline, self.headers.items(), body)
        self.send_response(type(self).status)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"\x1b[1m!")

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[str]:
    Recorder.status = 200
    with http.server.HTTPServer(("127.0.0.1", 0), Recorder) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def head_of(output: bytes) -> bytes:
    return output[: output.index(b"\r\n\r\n") + 4]


def test_prints_one_message_exactly(run: Callable[..., Result]) -> None:
    result = run("POST", URL, "--data", '{"a":1}', "-H", "X-One:  two ")
    assert result.exit_code == 0
    read = parse_head(head_of(result.stdout_bytes))
    assert result.stdout_bytes.endswith(b'\r\n\r\n{"a":1}')
    assert read.values(b"x-one") == [b"two"]
    assert read.values(b"content-type") == [b"application/json"]
    (candidate,) = select(read)
    assert candidate.label == "sig1"
    assert candidate.created is not None
    assert abs(candidate.created - time.time()) < 60
    assert candidate.covers(b"content-digest")
    assert candidate.alg is None


def test_every_option_reaches_the_signature(run: Callable[..., Result]) -> None:
    options = [
        "--label",
        "mine",
        "--created",
        "17",
        "--expires",
        "18",
        "--nonce",
        "n",
        "--tag",
        "t",
        "--keyid",
        "k",
        "--send-alg",
        "--digest",
        "sha-512",
    ]
    result = run(
        *options, "--components", '@method, "@query-param";name="a" content-digest', "PUT", URL + "?a=b", "-d", "x"
    )
    read = parse_head(head_of(result.stdout_bytes))
    assert read.values(b"signature-input") == [
        b'mine=("@method" "@query-param";name="a" "content-digest")'
        b';created=17;expires=18;keyid="k";alg="ecdsa-p256-sha256";nonce="n";tag="t"'
    ]
    assert read.values(b"content-digest")[0].startswith(b"sha-512=:")
    assert read.values(b"content-type") == []


def test_relative_times_and_none(run: Callable[..., Result]) -> None:
    (stale,) = select(parse_head(head_of(run("--created", "-600", "--expires", "+60", "GET", URL).stdout_bytes)))
    assert stale.created is not None
    assert stale.expires is not None
    assert stale.expires - stale.created in (660, 661)
    (bare,) = select(parse_head(head_of(run("--created", "none", "--keyid", "", "GET", URL).stdout_bytes)))
    assert bare.params == b'("@method" "@target-uri" "@authority")'


def test_body_from_file_and_standard_input(run: Callable[..., Result], tmp_path: Path) -> None:
    body = tmp_path / "body.bin"
    body.write_bytes(b"\0\r\n\xff")
    assert run("POST", URL, "--data", f"@{body}").stdout_bytes.endswith(b"\r\n\r\n\0\r\n\xff")
    assert run("POST", URL, "--data", "-", stdin=b"in\0").stdout_bytes.endswith(b"\r\n\r\nin\0")


def test_curl_only_prints(run: Callable[..., Result]) -> None:
    words = shlex.split(run("POST", URL, "--data", "{}", "--curl", "--send", "http://127.0.0.1:1").stdout)
    assert words[0] == "curl"
    assert words[-1] == "http://127.0.0.1:1/api/v1/clients/dev-1/capabilities"
    assert "Host: wfm.example.com" in words


def test_send_writes_the_very_message(run: Callable[..., Result], server: str) -> None:
    result = run("POST", URL, "--data", "{}", "--created", "5", "--send", server)
    line, fields, body = Recorder.received
    assert (result.exit_code, result.stdout_bytes) == (0, b"HTTP/1.1 200 OK\n\x1b[1m!")
    assert line == "POST /api/v1/clients/dev-1/capabilities HTTP/1.1"
    assert [name for name, _ in fields] == [
        "Host", "Content-Type", "Content-Length", "Content-Digest", "Signature-Input", "Signature",
    ]  # fmt: skip
    assert fields[0] == ("Host", "wfm.example.com")
    assert body == b"{}"


def test_a_refusal_is_exit_status_1(run: Callable[..., Result], server: str) -> None:
    Recorder.status = 401
    result = run("GET", URL, "--send", server)
    assert result.exit_code == 1
    assert result.stdout.startswith("HTTP/1.1 401 Unauthorized\n")


def test_certificate_must_be_the_keys(run: Callable[..., Result], key: Path, tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    other = issue(make_authority("CA", now), "dev", Algorithm.ECDSA_P256_SHA256, now)
    certificate, its_key = tmp_path / "dev.pem", tmp_path / "dev.key"
    certificate.write_bytes(other.certificate_pem)
    its_key.write_bytes(other.key_pem)
    result = run("--cert", str(certificate), "GET", URL)
    assert isinstance(result.exception, ConfigError)
    assert result.exception.message == f"{certificate} is not the certificate of the key in {key}"
    assert run("--key", str(its_key), "--cert", str(certificate), "GET", URL).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--key", "/no/such.key", "GET", URL], "/no/such.key cannot be read: No such file or directory"),
        (["POST", URL, "--data", "@/no/such"], "/no/such cannot be read: No such file or directory"),
        (["GET", URL, "-H", "nocolon"], "the field 'nocolon' must have the form 'Name: value'"),
        (["GET", URL, "--created", "yesterday"], "--created 'yesterday' is neither seconds since 1970 nor +N or -N"),
        (["GET", URL, "--expires", "none"], "--expires 'none' is neither seconds since 1970 nor +N or -N"),
        (["GET", URL, "--components", '@method "x'], "--components '@method \"x' is not a list of components"),
        (["GET", "wfm.example.com"], "'wfm.example.com' is not an http or https URL without a fragment"),
        (["--alg", "ed25519", "GET", URL], "the key cannot sign ed25519; it can sign ecdsa-p256-sha256"),
        (["GET", URL, "--send", "127.0.0.1:1"], "--send '127.0.0.1:1' is not http:// or https:// with a host and nothing behind it"),
        (["GET", URL, "--send", "http://127.0.0.1:1"], "http://127.0.0.1:1 cannot be reached: Connection refused"),
        (["GET", URL, "--send", "https://x", "--ca", "/no/ca"], "/no/ca cannot be read as certificates to trust"),
    ],
)  # fmt: skip
def test_mistakes(run: Callable[..., Result], arguments: list[str], sentence: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, ConfigError)
    assert result.exception.message == sentence


def test_a_server_that_is_not_http(run: Callable[..., Result]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"220 mail.example.com\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        result = run("GET", URL, "--send", f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()
    assert isinstance(result.exception, ConfigError)
    assert result.exception.message.endswith("gave no HTTP answer (BadStatusLine)")


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from gateway.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True, timeout=60
    )


def test_no_traceback_from_the_program() -> None:
    done = program("sign", "--key", "/no/such.key", "GET", URL)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "/no/such.key cannot be read: No such file or directory" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_has_an_example() -> None:
    done = program("sign", "--help")
    assert done.returncode == 0
    assert "wfm-gateway sign --key device.key POST https://" in done.stdout


def test_r23_a_rotation_is_signed_by_both_keys(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).write_bytes(key_pem(make_key(Algorithm.ECDSA_P256_SHA256)))
    url = "https://wfm.example.com/api/v1/clients/dev1/certificate"
    arguments = ["--key", str(tmp_path / "old"), "--rotate-key", str(tmp_path / "new"), "--data", "{}", "POST", url]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    inputs = [line for line in done.output.splitlines() if line.startswith("Signature-Input: ")]
    assert [line.split()[1].partition("=")[0] for line in inputs] == ["sig1", "sig1-new"]
    covered = [line[line.index("(") : line.index(")")] for line in inputs]
    assert covered[0] == covered[1]
    assert 'tag="wfm-rotate"' not in inputs[0]
    assert 'tag="wfm-rotate"' in inputs[1]
    keyids = [line.partition('keyid="')[2][:64] for line in inputs]
    assert keyids[0] != keyids[1]
