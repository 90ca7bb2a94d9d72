"""Who pays for a request, and when: addresses at once, clients and tenants for what is admitted only."""

from pathlib import Path

import pytest

from gateway.config.load import settle
from gateway.config.mistake import Mistake
from gateway.config.rate import Rate, per_second
from gateway.model import Admitted, Refusal
from gateway.reasons import Reason
from gateway.steps import NeedClaim, NeedKey
from tests.support.device import Device
from tests.support.drive import World, config_with

UNKNOWN = b"GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n"


def limited(**rate: object) -> World:
    import msgspec

    return World(msgspec.structs.replace(config_with(), rate=Rate(**rate)))  # type: ignore[arg-type]


def signed(device: Device, serial: int) -> bytes:
    return device.head(params=f';nonce="n{serial}"')


def test_a_client_is_limited_before_it_claims_and_may_come_again() -> None:
    device, world = Device(), limited(per_client="1/s", per_client_burst=2)
    world.know(device.client())
    assert [world.reason(signed(device, serial)) for serial in range(3)] == [None, None, Reason.LIMIT_CLIENT]
    assert len(world.claimed) == 2
    refusal = world.judge(signed(device, 2))
    assert isinstance(refusal, Refusal)
    assert (refusal.client_id, refusal.retry_after_s) == (device.client_id, 1)
    world.clock.advance(1.0)
    assert isinstance(world.judge(signed(device, 2)), Admitted)


def test_retry_after_is_when_there_is_a_token_again() -> None:
    device, world = Device(), limited(per_client="2/m", per_client_burst=1)
    world.know(device.client())
    world.judge(signed(device, 0))
    refusal = world.judge(signed(device, 1))
    assert isinstance(refusal, Refusal)
    assert refusal.retry_after_s == 30


def test_neither_strangers_nor_copies_use_up_a_clients_share() -> None:
    device, stranger = Device(), Device(which=1)
    world = limited(per_client="1/m", per_client_burst=2)
    world.know(device.client())
    first = signed(device, 0)
    assert world.reason(first) is None
    assert [world.reason(first) for _ in range(5)] == [Reason.REPLAY_SEEN] * 5
    assert [world.reason(signed(stranger, serial)) for serial in range(5)] == [Reason.SIGNATURE_WRONG] * 5
    assert world.reason(signed(device, 1)) is None


def test_tenants_share_and_others_do_not() -> None:
    world = limited(per_tenant="1/m", per_tenant_burst=2)
    one, two, other = Device("dev-1"), Device("dev-2", which=1), Device("dev-3", which=2)
    world.know(one.client(tenant="acme"), two.client(tenant="acme"), other.client())
    path = "/api/v1/clients/{}/deployments"

    def get(device: Device, serial: int) -> Reason | None:
        target = path.format(device.client_id)
        return world.reason(device.head(method="GET", target=target, body=b"", params=f';nonce="{serial}"'), b"")

    assert [get(one, 1), get(two, 2), get(one, 3)] == [None, None, Reason.LIMIT_TENANT]
    assert [get(other, serial) for serial in range(5)] == [None] * 5


def test_an_address_is_limited_before_the_store_is_asked() -> None:
    device, world = Device(), limited(per_address="1/s", per_address_burst=1)
    world.know(device.client())
    assert world.reason(signed(device, 0)) is None
    world.steps.clear()
    assert world.reason(signed(device, 1)) is Reason.LIMIT_ADDRESS
    assert not any(isinstance(step, NeedKey) for step in world.steps)
    assert world.reason(UNKNOWN) is Reason.LIMIT_ADDRESS  # open routes as well


def test_bad_signatures_are_limited_before_the_arithmetic() -> None:
    device, stranger = Device(), Device(which=1)
    world = limited(bad_signatures_per_address="1/s", bad_signatures_burst=3)
    world.know(device.client())
    assert [world.reason(signed(stranger, serial)) for serial in range(3)] == [Reason.SIGNATURE_WRONG] * 3
    world.operations = 0
    assert [world.reason(signed(stranger, serial)) for serial in range(50)] == [Reason.LIMIT_SIGNATURES] * 50
    assert world.operations == 0
    assert isinstance(world.judge(UNKNOWN), Refusal) is False  # nothing to verify there
    world.clock.advance(1.0)
    assert world.reason(signed(device, 1)) is None
    assert world.reason(signed(device, 2)) is None  # good ones cost nothing


def test_the_limit_of_bad_signatures_does_not_tell_who_is_registered() -> None:
    world = limited(bad_signatures_per_address="1/m", bad_signatures_burst=2)
    unknown = [world.reason(signed(Device(), serial)) for serial in range(3)]
    assert unknown == [Reason.KEY_UNKNOWN, Reason.KEY_UNKNOWN, Reason.LIMIT_SIGNATURES]


def test_nothing_is_limited_by_default() -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert {world.reason(signed(device, serial)) for serial in range(50)} == {None}
    assert sum(isinstance(step, NeedClaim) for step in world.steps) == 50


@pytest.mark.parametrize("value", ["10", "10/d", "0/s", "-1/s", "1.5/s", "10 /s", ""])
def test_a_rate_that_is_none_is_told(value: str) -> None:
    document = {
        "listen": {"public_url": "https://wfm.example.com"},
        "upstream": {"url": "http://127.0.0.1:1"},
        "rate": {"per_client": value},
    }
    with pytest.raises(Mistake, match=r'rate\.per_client.*a number per second, minute or hour, such as "10/s"'):
        settle(document, Path("/"), "")


def test_units_of_a_rate() -> None:
    assert [per_second(limit) for limit in ("10/s", "30/m", "1800/h")] == [10.0, 0.5, 0.5]
