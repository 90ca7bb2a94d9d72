"""`wfm-gateway check` rehearses revocation lists: which are in order, and what follows where one is not (R19)."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import run
from tests.support.openssl import CA, Workshop
from tests.unit.config.documents import write


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    shop = Workshop(tmp_path_factory.mktemp("pki"))
    shop.root("vendor")
    shop.root("other")
    shop.issue("middle", by="vendor", extensions=CA)
    shop.issue("bad", by="vendor")
    return shop


def configured(folder: Path, shop: Workshop, crl: str, bundle: tuple[str, ...] = ("vendor",), stale: str = "") -> Path:
    (folder / "ca.pem").write_bytes(b"".join(shop.path(name).read_bytes() for name in bundle))
    path = write(folder)
    section = f'[onboarding]\ntrust = ["ca"]\n{stale}\n[[onboarding.ca]]\nfile = "ca.pem"\ncrl = "{crl}"\n'
    path.write_text(path.read_text() + section)
    return path


def report(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["check", "-c", str(path), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_current_list_is_told_with_its_end(
    shop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vendor.crl").write_bytes(shop.crl("vendor", revoked=("bad",)))
    path = configured(tmp_path, shop, "vendor.crl")
    found = report(path, capsys)
    assert found["warnings"] == []
    (one,) = found["revocation_lists"]
    assert (one["authority"], one["state"], one["revoked"]) == ("CN=vendor", "current", 1)
    assert run(["check", "-c", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("# Revocation lists; without a current one certificates are refused (onboarding.stale_crl):")
    assert lines[at + 1] == (
        f"#   {tmp_path}/vendor.crl  CN=vendor: 1 revoked, current, nextUpdate {one['next_update']}"
    )


@pytest.mark.parametrize(
    ("stale", "consequence"),
    [("", "are refused until there is (trust.stale_crl)"), ('stale_crl = "accept"', "are accepted, revoked ones too")],
)
def test_what_a_stale_list_means_is_said(
    shop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str], stale: str, consequence: str
) -> None:
    options = ("-crl_lastupdate", "20250101000000Z", "-crl_nextupdate", "20250108000000Z")
    (tmp_path / "vendor.crl").write_bytes(shop.crl("vendor", options=options))
    found = report(configured(tmp_path, shop, "vendor.crl", stale=stale), capsys)
    assert found["revocation_lists"][0]["state"] == "stale"
    assert found["warnings"][-1] == (
        f"onboarding.ca[0].crl: {tmp_path}/vendor.crl is past its nextUpdate (2025-01-08T00:00:00Z); certificates that "
        f"CN=vendor issued {consequence}"
    )


def test_an_authority_without_a_list_is_told(
    shop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vendor.crl").write_bytes(shop.crl("vendor"))
    found = report(configured(tmp_path, shop, "vendor.crl", ("vendor", "middle")), capsys)
    assert [(one["authority"], one["state"]) for one in found["revocation_lists"]] == [
        ("CN=vendor", "current"),
        ("CN=middle", "missing"),
    ]
    assert [warning.partition("; ")[0] for warning in found["warnings"]] == [
        f"onboarding.ca[0].crl: {tmp_path}/vendor.crl has no list of CN=middle"
    ]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda shop: b"<html>", "is no revocation list in PEM or DER"),
        (lambda shop: shop.crl("other"), "is a list of CN=other, who is no authority of this entry"),
    ],
)
def test_a_list_that_cannot_be_used_is_told(
    shop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any, why: str
) -> None:
    (tmp_path / "vendor.crl").write_bytes(make(shop))
    found = report(configured(tmp_path, shop, "vendor.crl"), capsys)
    assert found["warnings"] == [
        f"onboarding.ca[0].crl: {tmp_path}/vendor.crl {why}; certificates of its authorities are refused until there is "
        "(trust.stale_crl)"
    ]


def test_a_url_is_told_and_not_fetched(shop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configured(tmp_path, shop, "http://127.0.0.1:9/vendor.crl")
    found = report(path, capsys)
    assert (found["warnings"], found["revocation_lists"][0]["state"]) == ([], "fetched")
    assert run(["check", "-c", str(path)]) == 0
    assert "fetched while the gateway runs, every 3600 s or before its nextUpdate" in capsys.readouterr().out
