"""Explanations of rotations tell whether both keys signed (R23)."""

import msgspec
import pytest

from gateway.config import Onboarding
from gateway.explain import capture as captures
from gateway.explain import judge
from gateway.explain.lookup import Lookup
from gateway.model import Client, Peer
from gateway.reasons import Reason
from gateway.registry.answers import Found, Missing
from tests.support.device import Device
from tests.support.drive import config_with
from tests.unit.pipeline.test_rotation import body_of, rotation


class Registry:
    """Knows one client, and that nothing was claimed."""

    source = "test"
    assumed = False

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, realm: str, client_id: str) -> Found:
        return self._client if client_id == self._client.client_id else Missing()

    def claimed(self, key: bytes) -> bool | None:
        return False

    def subjects(self, realm: str, client_id: str) -> dict[str, str]:
        return {}


def verdict(head: bytes, body: bytes, lookup: Lookup) -> judge.Verdict:
    config = msgspec.structs.replace(config_with(), onboarding=Onboarding(rotation=True, trust=("tofu",)))
    capture = captures.read(head + body)
    reading = judge.read(capture, config)
    return judge.judge(reading, capture, config, Peer("192.0.2.7"), lookup, 1_800_000_000).verdict


@pytest.mark.parametrize(
    ("presented", "reason"),
    [(1, None), (2, Reason.SIGNATURE_POSSESSION)],
)
def test_r23_a_rotation_is_judged_by_both_keys(presented: int, reason: Reason | None) -> None:
    old, new = Device(), Device(which=1)
    body = body_of(Device(which=presented))
    assert verdict(rotation(old, new, body), body, Registry(old.client())).reason == reason


def test_r18_its_body_is_read_strictly() -> None:
    old, new = Device(), Device(which=1)
    found = verdict(rotation(old, new, b"{}"), b"{}", Registry(old.client()))
    assert found.reason is Reason.ONBOARDING_BODY
