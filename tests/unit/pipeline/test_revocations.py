"""Known devices and their authority's revocation list (R19): a revoked certificate counts no longer, others still do."""

import msgspec
import pytest

from gateway.model import Admitted, Certificate
from gateway.pipeline import Pipeline
from gateway.reasons import Reason
from gateway.registry.issued import issuer_id, serial_octets
from gateway.registry.revocations import Revocations, Watch
from tests.support.device import Device
from tests.support.drive import World, config_with

NOW = 1_800_000_000
VENDOR, OTHER = issuer_id(b"vendor"), issuer_id(b"other")
LATER = NOW + 1000


def world_with(device: Device, issued: bytes, watches: dict[bytes, Watch], refuse_stale: bool = True) -> World:
    """A registry with one device, whose certificate has that issuer and number."""
    world = World()
    revocations = Revocations(refuse_stale)
    revocations.replace(watches)
    world.pipeline = Pipeline(config_with(), world.clock, revocations)
    world.know(msgspec.structs.replace(device.client(), certificates=(numbered(device, issued),)))
    return world


def numbered(device: Device, issued: bytes) -> Certificate:
    return msgspec.structs.replace(device.certificate, issued=issued)


@pytest.mark.parametrize(
    ("issued", "watch", "refuse_stale", "reason"),
    [
        (VENDOR + b"\x07", Watch(frozenset({serial_octets(7)}), False, LATER), True, Reason.KEY_REVOKED),
        (VENDOR + b"\x07", Watch(frozenset({serial_octets(7)}), False, NOW - 1), True, Reason.KEY_REVOKED),
        (VENDOR + b"\x07", Watch(frozenset({serial_octets(7)}), False, NOW - 1), False, Reason.KEY_REVOKED),
        (VENDOR + b"\x07", Watch(frozenset(), True, LATER), True, Reason.KEY_REVOKED),
        (VENDOR + b"\x07", Watch(frozenset({serial_octets(8)}), False, LATER), True, None),
        (VENDOR + b"\x07", Watch(frozenset(), False, NOW), True, None),
        (VENDOR + b"\x07", Watch(frozenset(), False, NOW - 1), True, Reason.TRUST_STALE_CRL),
        (VENDOR + b"\x07", Watch(frozenset(), False, NOW - 1), False, None),
        (VENDOR + b"\x07", Watch(), True, Reason.TRUST_STALE_CRL),
        (OTHER + b"\x07", Watch(frozenset({serial_octets(7)}), False, LATER), True, None),
        (b"", Watch(frozenset({serial_octets(7)}), True, LATER), True, None),
    ],
)
def test_r19_what_the_list_says(issued: bytes, watch: Watch, refuse_stale: bool, reason: Reason | None) -> None:
    device = Device()
    assert world_with(device, issued, {VENDOR: watch}, refuse_stale).reason(device.head()) is reason


def test_r19_another_certificate_of_the_client_still_counts() -> None:
    device = Device()
    revoked = Watch(frozenset({serial_octets(7)}), False, LATER)
    world = world_with(device, b"", {VENDOR: revoked})
    certificates = (numbered(device, VENDOR + b"\x07"), numbered(device, VENDOR + b"\x08"))
    world.know(msgspec.structs.replace(device.client(), certificates=certificates))
    admitted = world.judge(device.head())
    assert isinstance(admitted, Admitted)
    assert admitted.verified.certificate.issued == VENDOR + b"\x08"


def test_r12_a_list_that_comes_while_a_slow_body_does_counts() -> None:
    device = Device()
    world = world_with(device, VENDOR + b"\x07", {})
    world.body_took_s = 5.0
    assert world.reason(device.head()) is None
    world.claimed.clear()
    revocations = Revocations()
    world.pipeline = Pipeline(config_with(), world.clock, revocations)
    before = world.pipeline.with_body

    def slow(*arguments: object) -> object:
        revocations.replace({VENDOR: Watch(frozenset({serial_octets(7)}), False, LATER)})
        return before(*arguments)  # type: ignore[arg-type]

    world.pipeline.with_body = slow  # type: ignore[method-assign, assignment]
    assert world.reason(device.head()) is Reason.KEY_REVOKED
