"""The files of `[[onboarding.ca]]` in a running gateway (R19): what changes there decides who is admitted."""

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.proxy import ca_refresh
from tests.fault.valkey import Valkey
from tests.integration.conftest import MakeGateway, register
from tests.integration.harness import Device, Gateway
from tests.integration.onboarding import ask, request_of
from tests.support.openssl import Workshop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    shop = Workshop(tmp_path_factory.mktemp("pki"))
    for name in ("first", "second"):
        shop.root(name)
    return shop


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ca_refresh, "LOOK_S", 0.1)


@pytest.fixture
def bundle(shop: Workshop, tmp_path: Path) -> Path:
    """A file that holds the first authority."""
    path = tmp_path / "bundle.pem"
    write(path, shop, "first")
    return path


def write(path: Path, shop: Workshop, *members: str) -> None:
    """Put another file in the place of the bundle."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(b"".join(shop.path(member).read_bytes() for member in members))
    os.replace(fresh, path)


def device_of(shop: Workshop, name: str, by: str) -> Device:
    pem = shop.issue(name, by=by).read_bytes()
    key = load_pem_private_key((shop.folder / f"{name}.key").read_bytes(), None)
    return Device(name, key, pem)  # type: ignore[arg-type]


def section(bundle: Path, **more: Any) -> dict[str, Any]:
    return {"mode": "local", "trust": ["ca"], "ca": [{"file": str(bundle), **more}]}


def told(gateway: Gateway, device: Device) -> str:
    """The reason of the answer to an onboarding request; empty if the device was admitted."""
    answer = ask(gateway, request_of(device))
    return "" if answer.status == 201 else answer.reason


def loaded(gateway: Gateway, times: int) -> dict[str, Any]:
    """The newest `ca.loaded`, once there were so many."""
    gateway.wait_for(lambda: len(gateway.lines("ca.loaded")) >= times)
    return gateway.lines("ca.loaded")[-1]


def test_r19_authorities_come_and_go_while_the_gateway_runs(
    shop: Workshop, make_gateway: MakeGateway, bundle: Path
) -> None:
    old, new, late = (device_of(shop, name, by) for name, by in (("a", "first"), ("b", "second"), ("c", "first")))
    gateway = make_gateway(onboarding=section(bundle))
    assert told(gateway, new) == "trust.untrusted"
    assert told(gateway, old) == ""
    write(bundle, shop, "first", "second")
    line = loaded(gateway, 1)
    assert (line["level"], line["detail"]) == ("info", f"{bundle}: new: CN=second")
    assert told(gateway, new) == ""
    write(bundle, shop, "second")
    assert loaded(gateway, 2)["detail"] == f"{bundle}: gone: CN=first"
    assert told(gateway, late) == "trust.untrusted"
    # Who is a client stays one.
    assert told(gateway, old) == ""


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path, shop: path.write_bytes(b"-----BEGIN CERTIFICATE-----\n"), "no readable CA certificate"),
        (lambda path, shop: path.write_bytes(shop.issue("leaf", by="first").read_bytes()), "does not say that it is"),
        (lambda path, shop: path.unlink(), "cannot be read"),
    ],
    ids=["cut off", "a device's", "gone"],
)
def test_r19_a_broken_file_changes_nothing_and_is_told_once(
    shop: Workshop, make_gateway: MakeGateway, bundle: Path, damage: Any, why: str
) -> None:
    gateway = make_gateway(onboarding=section(bundle))
    damage(bundle, shop)
    line = gateway.line("ca.failing")
    assert line["level"] == "error"
    assert why in line["detail"]
    assert line["detail"].endswith("what was read before stays in force")
    assert told(gateway, device_of(shop, "d", "first")) == ""
    write(bundle, shop, "first", "second")
    loaded(gateway, 1)
    assert told(gateway, device_of(shop, "e", "second")) == ""
    assert len(gateway.lines("ca.failing")) == 1


def test_r19_a_file_that_is_whole_again_is_told(shop: Workshop, make_gateway: MakeGateway, bundle: Path) -> None:
    gateway = make_gateway(onboarding=section(bundle))
    bundle.unlink()
    gateway.line("ca.failing")
    write(bundle, shop, "first")
    assert loaded(gateway, 1)["detail"] == f"{bundle}: readable again"


def test_r19_a_list_counts_only_while_its_signer_is_an_authority(
    shop: Workshop, make_gateway: MakeGateway, bundle: Path, valkey: Valkey, tmp_path: Path
) -> None:
    """An authority of the same name with another key: the list that the old one signed is worth nothing."""
    crl = tmp_path / "list.crl"
    crl.write_bytes(shop.crl("first"))
    device = device_of(shop, "f", "first")
    register(valkey, device)
    gateway = make_gateway(onboarding=section(bundle, crl=str(crl)) | {"crl_refresh_s": 1})
    assert ask(gateway, device.request()).status == 200
    shop.root("renewed", subject="/CN=first")
    write(bundle, shop, "renewed")
    assert loaded(gateway, 1)["detail"] == f"{bundle}: new: CN=first; gone: CN=first"
    assert ask(gateway, device.request()).reason == "trust.stale_crl"
    assert "is not signed by CN=first" in gateway.line("crl.failing")["detail"]
    crl.write_bytes(shop.crl("renewed"))
    gateway.wait_for(lambda: ask(gateway, device.request()).status == 200)


def test_r19_the_list_of_a_new_authority_is_read_at_once(
    shop: Workshop, make_gateway: MakeGateway, bundle: Path, valkey: Valkey, tmp_path: Path
) -> None:
    """The lists of both lay there before: it is not waited for a change of their file."""
    revoked = device_of(shop, "g", "second")
    register(valkey, revoked)
    crl = tmp_path / "list.crl"
    write(bundle, shop, "first")
    crl.write_bytes(shop.crl("first") + shop.crl("second", revoked=("g",)))
    gateway = make_gateway(onboarding=section(bundle, crl=str(crl)))
    assert "is no authority of this entry" in gateway.line("crl.failing")["detail"]
    assert ask(gateway, revoked.request()).status == 200
    write(bundle, shop, "first", "second")
    loaded(gateway, 1)
    refusal = gateway.wait_for(lambda: (answer := ask(gateway, revoked.request())).status != 200 and answer)
    assert refusal.reason in ("trust.stale_crl", "key.revoked")
    gateway.wait_for(lambda: ask(gateway, revoked.request()).reason == "key.revoked")
