"""`wfm-gateway explain`: exit statuses, the ways to give a key, and what goes to standard output."""

import base64
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli import main
from gateway.demo.pki import issue, make_authority
from gateway.model import Algorithm
from gateway.signing import Request, SignOptions, load_private_key, raw, sign
from tests.support import certificates as made

URL = "https://wfm.example.com/api/v1/clients/dev-1/capabilities"
NOW = int(time.time())
Run = Callable[..., tuple[int, str, str]]


class Files:
    """A device's key, certificate and requests in a folder."""

    def __init__(self, folder: Path) -> None:
        import datetime

        self.folder = folder
        now = datetime.datetime.now(datetime.UTC)
        authority = make_authority("test", now)
        self.identity = issue(authority, "dev-1", Algorithm.ECDSA_P256_SHA256, now)
        self.other = issue(authority, "dev-2", Algorithm.ECDSA_P256_SHA256, now)
        self.cert = self.write("device.pem", self.identity.certificate_pem)
        self.other_cert = self.write("other.pem", self.other.certificate_pem)
        self.good = self.write("good.http", self.request())

    def write(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def request(self, url: str = URL, created: int = NOW, key_pem: bytes | None = None) -> bytes:
        key = load_private_key(key_pem or self.identity.key_pem)
        return raw(sign(Request("POST", url, b'{"a":1}'), key, SignOptions(created=created)))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run_one(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main.run(["explain", *arguments])
        except SystemExit as left:
            status = int(left.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_one


def test_accepted(run: Run, files: Files) -> None:
    status, out, err = run(files.good, "--cert", files.cert, "--public-url", "https://wfm.example.com")
    assert (status, err) == (0, "")
    assert "12 ✓ Verdict: accepted" in out
    assert "subject CN=dev-1" in out
    assert "What to change" not in out


def test_refused_with_a_hint(run: Run, files: Files) -> None:
    changed = files.write("changed.http", files.request().replace(b"Host: wfm.example.com", b"Host: backend:8080"))
    status, out, _ = run(
        changed, "--cert", files.cert, "--public-url", "https://backend:8080", "--try-host", "wfm.example.com"
    )
    assert status == 1
    assert "refused with 401 signature.wrong" in out
    assert "[host-changed]" in out
    assert '- "@authority": backend:8080' in out
    assert '+ "@authority": wfm.example.com' in out


@pytest.mark.parametrize("form", ["pem", "der", "base64"])
def test_certificates_in_every_form(run: Run, files: Files, form: str) -> None:
    der = x509.load_pem_x509_certificate(files.identity.certificate_pem).public_bytes(Encoding.DER)
    data = {"pem": files.identity.certificate_pem, "der": der, "base64": base64.b64encode(der)}[form]
    assert run(files.good, "--cert", files.write("c", data))[0] == 0


def test_keyid_of(run: Run, files: Files) -> None:
    status, out, _ = run("--keyid-of", files.cert)
    assert status == 0
    assert out.strip().encode() in files.request()
    assert len(out) == 65


def test_base_only_writes_the_exact_octets(run: Run, files: Files) -> None:
    status, out, _ = run(files.good, "--cert", files.cert, "--base-only")
    assert status == 0
    assert out.startswith('"@method": POST\n')
    assert out.splitlines()[-1].startswith('"@signature-params": (')
    assert not out.endswith("\n")
    unsigned = files.write("unsigned.http", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    status, out, err = run(unsigned, "--cert", files.cert, "--base-only")
    assert (status, out) == (1, "")
    assert "no signature base" in err


def test_json(run: Run, files: Files) -> None:
    status, out, _ = run(files.good, "--cert", files.cert, "--json")
    found = json.loads(out)
    assert status == 0
    assert found["accepted"]
    assert base64.b64decode(found["base"]["base64"]).decode() == found["base"]["text"]
    origin = next(step for step in found["steps"] if step["name"] == "origin")
    assert "assumed; give --public-url" in origin["summary"]


def test_time(run: Run, files: Files) -> None:
    old = files.write("old.http", files.request(created=NOW - 3600 * 24 * 3 - 1000))
    assert run(old, "--cert", files.cert)[0] == 1
    assert (
        run(old, "--cert", files.cert, "--now", str(NOW - 3600 * 24 * 3 - 990))[0] == 1
    )  # before the certificate was made
    status, out, _ = run(files.good, "--cert", files.cert, "--now", "created")
    assert status == 0
    assert f"judged as of created={NOW}" in out
    for moment in (str(NOW + 5), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW + 5))):
        assert run(files.good, "--cert", files.cert, "--now", moment)[0] == 0
    assert run(files.good, "--cert", files.cert, "--now", str(NOW + 5000))[0] == 1


def test_standard_input_and_a_body_of_its_own(run: Run, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    head = files.request().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(head)))
    body = files.write("body.json", b'{"a":1}')
    status, out, _ = run("-", "--cert", files.cert, "--body", body)
    assert status == 0
    assert "took the body, 7 octets, from its own file" in out


def test_base_path_and_profile(run: Run, files: Files) -> None:
    below = files.write("below.http", files.request("https://wfm.example.com/margo/api/v1/clients/dev-1/capabilities"))
    status, out, _ = run(below, "--cert", files.cert)
    assert status == 1
    assert "--base-path /margo" in out
    assert run(below, "--cert", files.cert, "--base-path", "/margo")[0] == 0
    anywhere = files.write("anywhere.http", files.request("https://api.example.com/things?x=1"))
    assert run(anywhere, "--cert", files.cert)[0] == 1
    assert run(anywhere, "--cert", files.cert, "--profile", "generic")[0] == 0


CONFIG = """
[listen]
public_url = "https://wfm.example.com"
[upstream]
url = "http://127.0.0.1:9000"
[store]
url = "embedded:data"
[policy]
max_age_s = 60
"""


@pytest.fixture
def registered(files: Files, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(files.folder)
    files.write("gateway.toml", CONFIG.encode())
    for name, cert in (("dev-1", files.cert), ("dev-2", files.other_cert)):
        assert main.run(["clients", "add", "--id", name, "--cert", cert, "-c", "gateway.toml"]) == 0
    return files


def test_a_store_is_only_read(run: Run, registered: Files) -> None:
    before = snapshot(registered.folder)
    assert run(registered.good, "-c", "gateway.toml")[0] == 0
    assert run(registered.good, "--store", "embedded:data", "--json")[0] == 0
    foreign = registered.write("foreign.http", registered.request(key_pem=registered.other.key_pem))
    status, out, _ = run(foreign, "-c", "gateway.toml")
    assert status == 1
    assert "Signed with the key of client dev-2" in out
    assert run(foreign, "-c", "gateway.toml", "--id", "dev-2")[0] == 0
    assert run(registered.good, "-c", "gateway.toml", "--now", str(NOW + 100))[0] == 1  # max_age_s of the file
    unknown = registered.write("unknown.http", registered.request(URL.replace("dev-1", "dev-7")))
    status, out, _ = run(unknown, "-c", "gateway.toml", "--json")
    assert status == 1
    assert json.loads(out)["reason"] == "key.unknown_client"
    assert snapshot(registered.folder) == before


def snapshot(folder: Path) -> list[tuple[str, str]]:
    assert main.run(["clients", "list", "--store", "embedded:data", "--json"]) == 0
    return sorted((path.name, path.read_text()) for path in folder.glob("*.toml"))


MISTAKES: list[tuple[list[str], str]] = [
    ([], "give a file with the raw request"),
    (["good.http"], "--cert FILE"),
    (["nowhere.http", "--cert", "device.pem"], "nowhere.http cannot be read"),
    (["good.http", "--cert", "good.http"], "is neither PEM"),
    (["good.http", "--cert", "device.pem", "--id", "dev-1"], "--id names a client of a store"),
    (["good.http", "--cert", "device.pem", "--now", "yesterday"], "--now"),
    (["good.http", "--cert", "device.pem", "--public-url", "wfm.example.com"], "--public-url"),
    (["good.http", "--cert", "device.pem", "--base-path", "x"], "--base-path"),
    (["good.http", "--store", "embedded:nowhere"], "nowhere"),
    (["good.http", "-c", "nowhere.toml"], "nowhere.toml"),
    (["good.http", "-c", "gateway.toml", "--store", "embedded:data"], "not both"),
    (["good.http", "--keyid-of", "device.pem"], "--keyid-of"),
    (["--keyid-of", "nowhere.pem"], "nowhere.pem cannot be read"),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_mistakes_of_the_operator_are_one_sentence(run: Run, files: Files, arguments: list[str], says: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert files.folder.joinpath("nowhere").exists() is False


def test_help_has_examples(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    assert out.count("wfm-gateway explain ") >= 3


def test_a_weak_certificate_is_refused_in_one_sentence(run: Run, files: Files) -> None:
    weak = files.write("weak.pem", made.pem(made.certificate(made.rsa_spki(made.rsa_modulus(1024), 65537))))
    status, _, err = run(files.good, "--cert", weak)
    assert status == 2
    assert "1024 bits" in err


def test_as_a_process_without_a_terminal(files: Files) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from gateway.cli.main import main; main()", "explain", files.good, "--cert", files.cert],
        capture_output=True, check=False, env={"PATH": "/usr/bin", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    assert b"ok Verdict" in done.stdout
    assert done.stderr == b""
