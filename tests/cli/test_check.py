"""`wfm-gateway check`: a valid file is explained, an invalid one is one sentence and status 2."""

import json
from pathlib import Path
from typing import Any

import cryptography
import pytest

from gateway.cli.check import CLAIM_BYTES
from gateway.cli.main import run
from gateway.signature import batch
from tests.support import certificates as made
from tests.unit.config.documents import write


def check(path: Path, *arguments: str) -> int:
    return run(["check", "-c", str(path), *arguments])


def report(path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert check(path, "--json", *arguments) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_valid_file_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, policy='base_path = "/v1alpha2/margo"', upstream='url = "http://10.0.0.2:9000"')
    assert check(path) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0] == f"# {path} is valid."
    assert 'base_path = "/v1alpha2/margo"' in lines
    assert "max_age_s = 300  # default" in lines
    assert (
        "#   signed      GET HEAD         /v1alpha2/margo/api/v1/clients/{clientId}/deployments  (deployments)" in lines
    )
    assert "# replay window: 1000 requests/s x 360 s x 100 B = 36.0 MB of the store" in lines
    assert any(line.startswith(f"#   rsa      cryptography {cryptography.__version__} (OpenSSL ") for line in lines)
    assert next(line for line in lines if "WARNING" in line).startswith("# WARNING: upstream.url: plain http")


def test_what_is_printed_is_valid_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(write(tmp_path)) == 0
    printed = capsys.readouterr().out
    (tmp_path / "gateway.toml").write_text(printed)
    assert check(tmp_path / "gateway.toml") == 0
    assert capsys.readouterr().out == printed


def test_json_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = report(write(tmp_path, policy='replay = "off"'), capsys)
    assert found["valid"] is True
    assert found["config"]["policy"]["max_age_s"] == 300
    assert found["config"]["store"]["url"] == f"embedded:{tmp_path}/data"
    assert list(found["engines"]) == ["p256", "p384", "ed25519", "rsa"]
    assert found["engines"]["rsa"].startswith("cryptography ")
    assert [warning.split(":")[0] for warning in found["warnings"]] == ["policy.replay"]
    by_name = {route["name"]: route for route in found["routes"]}
    assert by_name["status"] == {
        "name": "status",
        "access": "signed",
        "mode": "enforce",
        "methods": ["POST"],
        "path": "/api/v1/clients/{clientId}/deployments/{deploymentId}/status",
        "realm": "default",
        "client_id": "path",
        "relax": [],
    }
    assert by_name["onboarding-certificate"]["client_id"] is None


def test_an_engine_that_is_not_there_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "missing", lambda: "this CPU has no AVX-512 IFMA")
    path = write(tmp_path, engine='p384 = "batch"')
    assert check(path) == 2
    sentence = 'engine.p384: got "batch", but this CPU has no AVX-512 IFMA; "auto" takes what there is'
    assert capsys.readouterr().err == f"wfm-gateway: {path}: {sentence}\n"


def test_r13_replay_window_is_sized(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, policy="max_age_s = 60\nmax_window_s = 600\nclock_skew_s = 10")
    found = report(path, capsys, "--rate", "5000")
    assert found["replay"] == {"rate": 5000, "window_s": 620, "bytes": 5000 * 620 * CLAIM_BYTES}
    assert found["warnings"] == []


def test_r13_window_that_the_embedded_store_cannot_hold_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(write(tmp_path, store='url = "embedded:data?maxmemory=32mb"'), capsys)
    assert found["warnings"] == [
        "store.url: 1000 requests a second need 36.0 MB of the embedded store, which has 33.6 MB; when it is full, "
        "requests get 503 (?maxmemory= raises it)"
    ]
    assert report(write(tmp_path, store='url = "embedded:data?maxmemory=40mb"'), capsys)["warnings"] == []


def test_replay_off_needs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(write(tmp_path, policy='replay = "off"')) == 0
    assert "# replay window: off\n" in capsys.readouterr().out


def test_generic_routes_show_where_the_client_id_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(
        tmp_path,
        policy='profile = "generic"\nkeyid = "client-id"',
        route='[[route]]\npath = "/k/*"\nclient_id = "keyid"\nrelax = ["semicolon"]\nrealm = "r2"\n'
        '[[route]]\npath = "/o/**"\naccess = "open"\n',
    )
    assert check(path, "--rate", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "#   signed  any method  /k/*  (client id is the keyid; relaxed: semicolon; realm r2)" in lines
    assert "#   open    GET HEAD    /o/**" in lines


def test_r16_modes_stand_beside_their_routes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, policy='mode = "observe"\nmodes = {bundle = "off", status = "enforce"}')
    assert check(path) == 0
    lines = capsys.readouterr().out.splitlines()
    ends = [line.partition("{clientId}")[2] for line in lines if "{clientId}" in line]
    assert "/deployments  (deployments; mode observe)" in ends
    assert "/deployments/{deploymentId}/status  (status)" in ends
    assert [line for line in lines if line.startswith("#   off ") and "(bundle)" in line]
    assert any(line.startswith("# WARNING: policy.mode: observe") for line in lines)


def test_passwords_are_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, store='url = "redis://gate:hunter2@localhost"')
    for arguments in ((), ("--json",)):
        assert check(path, *arguments) == 0
        printed = capsys.readouterr().out
        assert "gate:***@localhost" in printed
        assert "hunter2" not in printed


def test_invalid_file_is_one_sentence_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, policy="max_age = 300")
    assert check(path) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"wfm-gateway: {path}: policy.max_age: unknown key; did you mean policy.max_age_s?\n"


def test_invalid_file_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, listen="")
    assert check(path, "--json") == 2
    found = json.loads(capsys.readouterr().out)
    assert found["valid"] is False
    assert found["reason"] == "config.no_authority"
    assert found["message"].startswith(f"{path}: listen.public_url: missing")


def test_store_settings_are_read_as_the_store_reads_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, store='url = "embedded:data?maxmemory=1kb"')
    assert check(path) == 2
    assert "maxmemory of the embedded store must be at least 16mb" in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--help"]) == 0
    assert "wfm-gateway check -c gateway.toml" in capsys.readouterr().out


def test_file_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check"]) == 2
    assert "--config" in capsys.readouterr().err


def test_r19_authorities_are_read_as_onboarding_reads_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ca.pem").write_bytes(made.OPENSSL_V1_PEM)
    path = write(tmp_path)
    path.write_text(path.read_text() + '\n[onboarding]\ntrust = ["ca"]\n[[onboarding.ca]]\nfile = "ca.pem"\n')
    assert check(path) == 2
    assert "the certificate of CN=dev does not say that it is an authority's" in capsys.readouterr().err
