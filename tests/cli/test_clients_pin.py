"""`wfm-gateway clients pin`, `unpin` and `pins` against a real embedded store."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.cli.store_option import open_store, resolve
from gateway.model import Certificate
from gateway.reasons import ConfigError, Reason
from gateway.registry.certificates import describe, read_certificate
from gateway.registry.keys import pin_key
from gateway.registry.pins import fingerprint, is_pin, lookup_keys
from tests.support import certificates as made

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one `clients` command in an empty folder, on the store `embedded:data` there; status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run_one(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main.run(["clients", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_one


def device() -> Certificate:
    return describe(read_certificate(made.OPENSSL_V1_PEM)[1])


def test_r19_the_life_of_a_pin(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dev.pem").write_bytes(made.OPENSSL_V1_PEM)
    known = device()
    colons = ":".join(known.sha256[at : at + 2].upper() for at in range(0, 64, 2))
    assert run("pin", colons, "--note", "press 4") == (0, f"{known.sha256}: pinned\n", "")
    assert run("pin", "--cert", "dev.pem")[:2] == (0, f"{known.sha256}: pinned already\n")
    assert json.loads(run("pin", known.spki_sha256, "--json")[1])["outcome"] == "pinned"
    status, out, err = run("pins")
    assert (status, err) == (0, "2 pins in realm default\n")
    assert any(line.startswith(known.sha256) and line.endswith("press 4") for line in out.splitlines())
    assert run("pins", "--realm", "other")[1:] == ("", "0 pins in realm other\n")
    with open_store(resolve("embedded:data", None, None)) as store:
        values = store._client.mget(lookup_keys("default", known))
        notices = store._client.xrange("wfmgw:changes")
    assert [is_pin(value, "default", known) for value in values] == [True, True]
    assert [fields[b"what"] for _, fields in notices] == [b"pinned", b"pinned"]
    assert run("unpin", known.sha256) == (0, f"{known.sha256}: unpinned\n", "")
    assert run("unpin", "--cert", "dev.pem") == (1, "", f"{known.sha256}: no such pin\n")
    listed = [json.loads(line) for line in run("pins", "--json")[1].splitlines()]
    assert [pin["sha256"] for pin in listed] == [known.spki_sha256]


@pytest.mark.parametrize("arguments", [("pin",), ("unpin",), ("pin", "00" * 32, "--cert", "x.pem")])
def test_a_pin_is_of_one_certificate(run: Run, arguments: tuple[str, ...]) -> None:
    status, _, err = run(*arguments)
    assert status == 2
    assert "FINGERPRINT or --cert" in err


def test_what_cannot_be_pinned(run: Run, tmp_path: Path) -> None:
    assert run("pin", "abc")[0] == 2
    assert run("pin", "--cert", "absent.pem")[0] == 2
    (tmp_path / "weak.pem").write_bytes(made.pem(made.certificate(made.rsa_spki(made.rsa_modulus(1024), 65537))))
    status, _, err = run("pin", "--cert", "weak.pem")
    assert status == 2
    assert "1024 bits" in err


@pytest.mark.parametrize(
    "text",
    [
        "AB" * 32,
        ":".join(["ab"] * 32),
        "sha256 Fingerprint=" + ":".join(["AB"] * 32),
        "SHA256:" + "ab" * 32,
        f"  {'ab' * 32}\n",
    ],
)
def test_fingerprints_as_tools_print_them(text: str) -> None:
    assert fingerprint(text) == "ab" * 32


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 20, "ab" * 32 + "\nab"])
def test_what_is_no_fingerprint(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fingerprint(text)
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_r25_a_stray_reply_pins_nothing() -> None:
    known = device()
    pin = b'{"realm":"default","sha256":"%b","added":1}' % known.sha256.encode()
    assert is_pin(pin, "default", known)
    assert not is_pin(pin, "other", known)
    assert not is_pin(pin.replace(known.sha256[:4].encode(), b"0000"), "default", known)
    for value in (None, b"OK", b"", 1, b"{}", b"\xff"):
        assert not is_pin(value, "default", known)
    assert lookup_keys("default", known)[0] == pin_key("default", known.sha256)
