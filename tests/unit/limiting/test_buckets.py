"""Token buckets: burst, rate, debt and bounded memory."""

import pytest

from gateway.limiting.buckets import Buckets
from gateway.limiting.limiter import network


def test_a_burst_passes_and_then_the_rate() -> None:
    buckets = Buckets(rate=2, burst=3)
    assert [buckets.take("a", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.take("b", 100.0) == 0.0
    assert buckets.take("a", 100.25) == 0.25
    passed = sum(buckets.take("a", 100.0 + tick / 100) == 0.0 for tick in range(26, 1001))
    assert passed == 20  # two a second


def test_what_is_refused_costs_nothing() -> None:
    buckets = Buckets(rate=1, burst=1)
    assert buckets.take("a", 0.0) == 0.0
    assert all(buckets.take("a", 0.5) for _ in range(100))
    assert buckets.take("a", 1.0) == 0.0


def test_debt_is_paid_unless_it_is_bounded() -> None:
    owing, bounded = Buckets(rate=1, burst=1), Buckets(rate=1, burst=1)
    for _ in range(50):
        owing.spend("a", 0.0)
        bounded.spend("a", 0.0, 2.0)
    assert owing.wait_s("a", 0.0) == pytest.approx(50.0)
    assert bounded.wait_s("a", 0.0) == pytest.approx(2.0)


def test_r5_made_up_keys_do_not_fill_memory() -> None:
    buckets = Buckets(rate=1, burst=2, keys=100)
    for number in range(10_000):
        buckets.take(number, 0.0)
    assert len(buckets) == 100


def test_a_full_bucket_goes_before_an_empty_one() -> None:
    buckets = Buckets(rate=1, burst=5, keys=3)
    for _ in range(5):
        buckets.take("busy", 0.0)
    buckets.take("b", 0.0)
    buckets.take("c", 0.0)
    buckets.take("d", 2.0)  # "b" and "c" are full again, "busy" was used before them
    assert buckets.wait_s("busy", 0.0) == 1.0
    assert len(buckets) == 3


def test_the_least_recently_used_goes_if_none_is_full() -> None:
    buckets = Buckets(rate=1, burst=1, keys=2)
    for key in ("a", "b", "a", "c"):
        buckets.spend(key, 0.0)
    assert buckets.wait_s("b", 0.0) == 0.0
    assert buckets.wait_s("a", 0.0) == 2.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("_hidden:1", "_hidden:2", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert (network(one) == network(other)) is same
