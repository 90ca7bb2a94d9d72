"""The pool of parsed keys: bounded, and never taken in by a record that misstates its key (R25)."""

import msgspec
import pytest

from gateway._native import Refused
from gateway.model import Algorithm, KeyType
from gateway.reasons import Reason
from gateway.signature.keys import KeyPool
from tests.support.device import Device


@pytest.mark.parametrize(
    "changes",
    [
        {"key_type": KeyType.P384, "bits": 384},
        {"key_type": KeyType.RSA, "bits": 2048},
        {"bits": 384},
        {"spki": b"junk"},
    ],
)
@pytest.mark.parametrize("known_before", [False, True])
def test_r25_a_record_that_misstates_its_key_is_our_trouble(changes: dict[str, object], known_before: bool) -> None:
    certificate, pool = Device().certificate, KeyPool()
    if known_before and "spki" not in changes:
        pool.get(certificate)
    with pytest.raises(Refused) as refused:
        pool.get(msgspec.structs.replace(certificate, **changes))
    assert refused.value.reason == Reason.STORE_ANSWER


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_keys_are_parsed_once(algorithm: Algorithm) -> None:
    certificate, pool = Device(algorithm=algorithm).certificate, KeyPool()
    assert pool.get(certificate) is pool.get(certificate)


def test_a_key_in_use_stays() -> None:
    first, second, third = (Device(which=which).certificate for which in (20, 21, 22))
    pool = KeyPool(2)
    kept = pool.get(first)
    gone = pool.get(second)
    pool.get(first)
    pool.get(third)
    assert pool.get(first) is kept
    assert pool.get(second) is not gone


def test_the_pool_is_bounded_even_if_every_key_is_in_use() -> None:
    # A form that nobody else has keeps count of what is alive.
    class Form:
        alive = 0

        def __init__(self, key: object) -> None:
            Form.alive += 1

        def __del__(self) -> None:
            Form.alive -= 1

    pool = KeyPool(20, Form)
    for which in range(50):
        certificate = Device(which=which).certificate
        pool.get(certificate)
        pool.get(certificate)
        assert Form.alive <= 20
    assert Form.alive == 20
