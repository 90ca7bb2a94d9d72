"""Acceptance on first contact is rate-limited and capped, for all workers together (R19)."""

import pytest

from gateway.config.onboarding import Onboarding
from gateway.onboarding.tofu import FirstContact
from gateway.onboarding.verdict import Reject
from gateway.reasons import Reason
from tests.fault.valkey import Valkey

NOW = 1_700_000_010.0
BOUNDS = FirstContact(Onboarding(tofu_per_minute=3, tofu_clients=5))


def contact(store: Valkey, realm: str = "default", now: float = NOW) -> Reason | None:
    """One first contact; what is refused is taken back, as the flow does it."""
    in_minute, _, in_all = [store.client.execute_command(*command) for command in BOUNDS.count(realm, now)]
    verdict = BOUNDS.judge(in_minute, in_all)
    if verdict is None:
        return None
    store.client.execute_command(*BOUNDS.undo(realm))
    return verdict.reason


@pytest.fixture(scope="module")
def _store(tmp_path_factory: pytest.TempPathFactory) -> object:
    with Valkey(tmp_path_factory.mktemp("vk")) as server:
        yield server


@pytest.fixture
def store(_store: Valkey) -> Valkey:
    _store.client.flushall()
    return _store


def test_r19_so_many_in_a_minute_and_no_more(store: Valkey) -> None:
    assert [contact(store) for _ in range(5)] == [None, None, None, Reason.TRUST_RATE, Reason.TRUST_RATE]
    assert contact(store, now=NOW + 29) is Reason.TRUST_RATE
    assert contact(store, now=NOW + 30) is None
    assert 0 < store.client.ttl("wfmgw:tofu:default:28333333") <= 120


def test_r19_so_many_in_all_and_no_more(store: Valkey) -> None:
    assert [contact(store, now=NOW + 60 * minute) for minute in range(6)] == [None] * 5 + [Reason.TRUST_FULL]
    assert contact(store, now=NOW + 3600) is Reason.TRUST_FULL
    # One that came to nothing makes room for another.
    store.client.execute_command(*BOUNDS.undo("default"))
    assert contact(store, now=NOW + 7200) is None
    assert contact(store, now=NOW + 10800) is Reason.TRUST_FULL


def test_r3_each_realm_has_its_own_bounds(store: Valkey) -> None:
    for _ in range(4):
        contact(store, "one")
    assert contact(store, "one") is Reason.TRUST_RATE
    assert contact(store, "two") is None


def test_the_cap_is_told_before_the_rate() -> None:
    assert BOUNDS.judge(3, 5) is None
    for counts, reason in (((4, 5), Reason.TRUST_RATE), ((3, 6), Reason.TRUST_FULL), ((4, 6), Reason.TRUST_FULL)):
        verdict = BOUNDS.judge(*counts)
        assert isinstance(verdict, Reject)
        assert verdict.reason is reason
