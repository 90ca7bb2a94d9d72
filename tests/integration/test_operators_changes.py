"""What an operator changes is in force in a running gateway within a second (R25), and says so to the device (R26)."""

import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from gateway.model import Status
from gateway.registry.operations import Action, StateChange, prepare_rotation
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from tests.fault.valkey import Valkey
from tests.integration.client import RawClient
from tests.integration.harness import Device, Gateway, make_device

PROMISED_S = 1.0


@pytest.fixture
def store(valkey: Valkey) -> Iterator[Store]:
    with Store.connect(valkey.endpoint, "cli:alice") as opened:
        yield opened


def answer(gateway: Gateway, device: Device) -> tuple[int, str]:
    """Status and reason of one fresh request."""
    with RawClient(gateway.address) as client:
        got = client.ask(device.request())
    return got.status, "" if got.status < 400 else got.reason


def took_s(gateway: Gateway, device: Device, wanted: tuple[int, str], change: Callable[[], object]) -> float:
    """Make a change while the device calls; how long after it the wanted answer came."""
    change()
    began = time.monotonic()
    while answer(gateway, device) != wanted:
        assert time.monotonic() - began < 5 * PROMISED_S
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("action", "reason"),
    [(Action.REVOKE, "key.revoked"), (Action.RETIRE, "key.retired"), (Action.REMOVE, "key.removed")],
)
def test_r25_the_end_of_a_client_is_in_force_within_a_second(
    gateway: Gateway, device: Device, store: Store, action: Action, reason: str
) -> None:
    assert answer(gateway, device) == (200, "")
    change = StateChange("default", "dev1", action, "stolen")
    assert took_s(gateway, device, (403, reason), lambda: store.apply(change)) < PROMISED_S


def test_r25_a_client_that_waits_is_let_in_within_a_second(gateway: Gateway, store: Store) -> None:
    waiting = make_device("dev2")
    registration = prepare("default", "dev2", waiting.certificate, "cert", int(time.time()))
    store.add(msgspec.structs.replace(registration, status=Status.PENDING))
    assert answer(gateway, waiting) == (403, "key.pending")
    change = StateChange("default", "dev2", Action.APPROVE)
    assert took_s(gateway, waiting, (200, ""), lambda: store.apply(change)) < PROMISED_S


def test_r25_both_certificates_count_until_the_overlap_ends(gateway: Gateway, device: Device, store: Store) -> None:
    fresh = make_device("dev1")
    assert answer(gateway, device) == (200, "")
    assert answer(gateway, fresh) == (401, "signature.wrong")
    now_s = int(time.time())

    def rotate(overlap_s: int) -> None:
        rotation = prepare_rotation("default", "dev1", fresh.certificate, "new", now_s, overlap_s)
        assert not store.apply(rotation).outcome.refused

    assert took_s(gateway, fresh, (200, ""), lambda: rotate(3600)) < PROMISED_S
    assert answer(gateway, device) == (200, "")
    assert took_s(gateway, device, (401, "signature.wrong"), lambda: rotate(0)) < PROMISED_S
    assert answer(gateway, fresh) == (200, "")
