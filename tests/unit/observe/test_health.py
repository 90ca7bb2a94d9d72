"""What a probe is told, and why."""

import time

import pytest

from gateway.observe import health
from gateway.observe.fleet import Fleet
from gateway.observe.health import Health, judge
from gateway.observe.page import Page


def reasons(found: Health) -> list[str]:
    return [one.reason for one in found.reasons]


class Place:
    """A fleet whose workers are pages in this process."""

    def __init__(self, wanted: int) -> None:
        self.fleet = Fleet(wanted)
        self.pages: list[Page] = []

    def worker(self, connected: bool = True) -> None:
        slot = self.fleet.new()
        page = Page(slot.descriptor)
        self.fleet.born(slot)
        page.counters.set(page.open("store_connected"), int(connected))
        page.beat()
        slot.serving = True
        self.pages.append(page)

    def judge(self) -> Health:
        return judge(self.fleet, self.fleet.numbers())


def test_it_is_ready_when_all_workers_serve() -> None:
    place = Place(2)
    place.worker()
    assert (place.judge().status, reasons(place.judge())) == ("not_ready", ["starting"])
    place.worker()
    place.fleet.started = True
    assert place.judge() == Health("ready")
    assert place.judge().ready


def test_a_worker_that_is_missing_degrades_and_none_stops() -> None:
    place = Place(2)
    place.fleet.started = True
    assert (place.judge().status, reasons(place.judge())) == ("not_ready", ["no_worker"])
    place.worker()
    found = place.judge()
    assert (found.status, reasons(found), found.reasons[0].detail) == (
        "degraded", ["worker_missing"], "1 of 2 workers serve",
    )  # fmt: skip
    assert found.ready


def test_without_the_store_it_is_degraded() -> None:
    place = Place(2)
    place.fleet.started = True
    place.worker()
    place.worker(connected=False)
    found = place.judge()
    assert (found.status, reasons(found)) == ("degraded", ["store_unreachable"])
    assert found.reasons[0].detail.startswith("1 of 2 workers are connected to the store")


def test_whoever_drains_gets_no_requests() -> None:
    place = Place(1)
    place.fleet.started = True
    place.worker()
    place.fleet.draining = True
    assert (place.judge().status, reasons(place.judge())) == ("not_ready", ["draining"])


def test_a_worker_whose_loop_stands_still_serves_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(2)
    place.fleet.started = True
    place.worker()
    place.worker()
    later_ns = time.monotonic_ns() + int((health.STUCK_S + 1) * 1e9)
    monkeypatch.setattr(time, "monotonic_ns", lambda: later_ns)
    assert (place.judge().status, reasons(place.judge())) == ("not_ready", ["no_worker", "worker_stuck"])
    place.pages[0].beat()
    assert (place.judge().status, reasons(place.judge())) == ("degraded", ["worker_stuck"])
