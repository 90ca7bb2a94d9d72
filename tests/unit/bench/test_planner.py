"""The planner's arithmetic, which is shown so that it can be checked."""

import pytest

from gateway.bench.planner import carried, ordinal


def test_the_arithmetic_is_shown_and_right() -> None:
    answer = carried(poll_us=80, report_us=120, report_every=4, interval_s=15)
    # 80 + 120 / 4 = 110 µs each interval; 700,000 / 110 = 6,363.6 a second; times 15.
    assert answer.devices == 95_454
    assert answer.steps == (
        "a poll costs 80 µs of CPU in the worker, a status report 120 µs",
        "a device that reports with every 4th poll costs 80 + 120 / 4 = 110 µs for each interval of 15 s",
        "one core has 1,000,000 µs a second; at 70% of it 700,000 µs, which is 6,364 devices a second",
        "6,364 × 15 s: one core carries 95,454 devices that poll every 15 s",
    )
    assert answer.sentence == answer.steps[-1]


def test_twice_the_interval_is_twice_the_devices() -> None:
    assert carried(100, 100, 4, 60).devices == pytest.approx(2 * carried(100, 100, 4, 30).devices, abs=1)


def test_a_fleet_that_never_reports() -> None:
    answer = carried(poll_us=100, report_us=1e9, report_every=0, interval_s=10)
    assert answer.devices == 70_000
    assert "a device costs 100 µs for each interval of 10 s" in answer.steps


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (113, "113th")]
)
def test_ordinals(number: int, text: str) -> None:
    assert ordinal(number) == text
