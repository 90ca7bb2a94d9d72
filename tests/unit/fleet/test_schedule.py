"""The plan of a fleet: even arrivals, a ramp, reports, misbehaviour, and the return after an outage."""

import random
from collections import Counter
from itertools import pairwise

from gateway.fleet.schedule import POLL, REPORT, Beat, Outage, Pace, Schedule

TRICKS = ("stale", "replayed")


def beats(pace: Pace, horizon_s: float, step_s: float = 0.25) -> list[Beat]:
    schedule = Schedule(pace, TRICKS, random.Random(5))
    found: list[Beat] = []
    at = 0.0
    while at < horizon_s:
        at += step_s
        found += schedule.until(at)
    return found


def test_it_is_in_order_and_cuts_do_not_matter() -> None:
    pace = Pace(devices=50, interval_s=3, ramp_s=4, bad=0.1, outage=Outage(6, 2))
    found = beats(pace, 12)
    assert [beat.due_s for beat in found] == sorted(beat.due_s for beat in found)
    assert found == Schedule(pace, TRICKS, random.Random(5)).until(12)


def test_each_device_polls_once_in_each_interval() -> None:
    found = beats(Pace(devices=40, interval_s=5, ramp_s=0, report_every=0), 20)
    assert Counter(beat.device for beat in found) == dict.fromkeys(range(40), 4)
    for device in range(40):
        due = [beat.due_s for beat in found if beat.device == device]
        assert [round(b - a, 6) for a, b in pairwise(due)] == [5, 5, 5]


def test_arrivals_are_even_once_all_have_joined() -> None:
    found = beats(Pace(devices=1000, interval_s=10, ramp_s=7, report_every=0), 40)
    steady = Counter(int(beat.due_s) for beat in found if beat.due_s >= 20)
    assert all(98 <= count <= 102 for count in steady.values())


def test_the_ramp_lets_devices_join_bit_by_bit() -> None:
    found = beats(Pace(devices=1000, interval_s=10, ramp_s=20, report_every=0), 20)
    first = {beat.device: beat.due_s for beat in reversed(found)}
    # Half of them have joined after 10 s, and each begins within an interval of that.
    assert 150 < sum(due_s < 10 for due_s in first.values()) < 350
    assert len(first) > 700


def test_reports_come_with_every_so_many_polls() -> None:
    pace = Pace(devices=20, interval_s=1, ramp_s=0, report_every=4)
    kinds = Counter(beat.kind for beat in beats(pace, 16))
    assert kinds == {POLL: 320, REPORT: 80}
    assert pace.requests_per_s == 25


def test_reports_are_spread_over_the_intervals() -> None:
    pace = Pace(devices=100, interval_s=10, ramp_s=0, report_every=4, outage=Outage(25, 5))
    found = Counter(int(beat.due_s) for beat in beats(pace, 62) if beat.kind == REPORT and beat.due_s >= 30)
    assert set(found) == {30, 40, 50, 60}
    assert all(20 <= count <= 30 for count in found.values())


def test_a_share_misbehaves_in_every_way() -> None:
    kinds = Counter(beat.kind for beat in beats(Pace(devices=500, interval_s=1, ramp_s=0, bad=0.2), 4))
    bad = kinds["stale"] + kinds["replayed"]
    assert 0.17 < bad / kinds.total() < 0.23
    assert min(kinds["stale"], kinds["replayed"]) > 100


def test_after_an_outage_all_return_in_one_moment_and_stay_in_step() -> None:
    """The reference device has no back-off."""
    pace = Pace(devices=100, interval_s=10, ramp_s=5, report_every=0, outage=Outage(20, 3))
    found = beats(pace, 44)
    assert not [beat for beat in found if 20 <= beat.due_s < 23]
    late = Counter(beat.due_s for beat in found if beat.due_s >= 23)
    assert late == {23: 100, 33: 100, 43: 100}


def test_an_outage_during_the_ramp_does_not_hurry_those_who_come_later() -> None:
    pace = Pace(devices=100, interval_s=10, ramp_s=50, report_every=0, outage=Outage(10, 5))
    at_once = {beat.device for beat in beats(pace, 16) if beat.due_s == 15}
    assert 5 < len(at_once) < 60
