"""Names in the store: grammar, and no two things under one name."""

import pytest

from gateway.registry import keys


@pytest.mark.parametrize("text", ["a", "A-Za_z0.9~=", "x" * 128, "...", "client-0a1b-1700000000"])
def test_r2_client_ids_that_are_allowed(text: str) -> None:
    assert keys.is_client_id(text)


@pytest.mark.parametrize("text", ["", "x" * 129, "a/b", "a:b", "a b", "a%2Fb", "a*", "ä", "a\n", "a\0"])
def test_r2_client_ids_that_are_not(text: str) -> None:
    assert not keys.is_client_id(text)
    assert not keys.is_realm(text)


def test_r3_every_key_of_a_client_carries_its_realm() -> None:
    assert keys.client_key("r", "dev1") == b"wfmgw:client:r:dev1"
    assert keys.spki_key("r", "00ff") == b"wfmgw:spki:r:00ff"
    assert keys.client_key("other", "dev1") != keys.client_key("r", "dev1")


def test_the_epoch_can_never_be_a_claim() -> None:
    assert keys.seen_key(b"\0" * 16) == b"wfmgw:seen:" + b"\0" * 16
    assert len(keys.EPOCH) != len(keys.seen_key(b"\0" * 16))
    assert keys.EPOCH.startswith(keys.SEEN_PREFIX)
