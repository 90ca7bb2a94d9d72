"""One page: what is written by a worker is what the other side reads, at any moment; and many pages as one."""

import os
from collections.abc import Iterator

import pytest

from gateway._native import HISTOGRAM_SLOTS, Laps
from gateway.observe.fleet import Fleet
from gateway.observe.meter import Meter
from gateway.observe.page import NUMBERS, SPILL, STORY_BYTES, Page, Reading, new_descriptor
from gateway.observe.table import STAGES


@pytest.fixture
def descriptor() -> Iterator[int]:
    made = new_descriptor()
    yield made
    os.close(made)


def test_what_one_process_counts_another_reads(descriptor: int) -> None:
    page, reading = Page(descriptor), Reading(descriptor)
    place = page.open("requests_total", "status", "POST", "200")
    page.counters.add(place, 3)
    assert reading.numbers()["requests_total", ("status", "POST", "200")] == [3]
    later = page.open("verdicts_total", "replay.seen", 'odd "\\\n')
    page.counters.add(place)
    page.counters.add(later)
    numbers = reading.numbers()
    assert numbers["requests_total", ("status", "POST", "200")] == [4]
    assert numbers["verdicts_total", ("replay.seen", 'odd "\\\n')] == [1]


def test_every_stage_has_its_histogram_where_native_code_counts(descriptor: int) -> None:
    page, reading = Page(descriptor), Reading(descriptor)
    spilled = page.open("open_connections")
    laps = Laps()
    laps.lap(STAGES.index("claim"))
    duration = page.open("request_duration_seconds", "accepted")
    page.counters.finish(laps, spilled, spilled, duration, page.stages)
    numbers = reading.numbers()
    counted = {stage: sum(numbers["stage_duration_seconds", (stage,)][:-1]) for stage in STAGES}
    assert counted == {stage: int(stage == "claim") for stage in STAGES}
    assert sum(numbers["request_duration_seconds", ("accepted",)][:-1]) == 1


def test_a_page_before_its_process_begins_is_empty(descriptor: int) -> None:
    assert Reading(descriptor).numbers() == {}
    assert Reading(descriptor).story() == {}


def test_series_beyond_the_room_are_counted_nowhere_and_harm_nobody(descriptor: int) -> None:
    page, reading = Page(descriptor), Reading(descriptor)
    first = page.open("requests_total", "first", "GET", "200")
    places = {page.open("requests_total", str(number), "GET", "200") for number in range(NUMBERS)}
    assert SPILL in places
    page.counters.add(SPILL)
    page.counters.add(first)
    numbers = reading.numbers()
    assert numbers["requests_total", ("first", "GET", "200")] == [1]
    assert sum(sum(value) for value in numbers.values()) == 1
    assert len(numbers) < NUMBERS


def test_a_story_is_replaced_as_a_whole(descriptor: int) -> None:
    page, reading = Page(descriptor), Reading(descriptor)
    page.tell({"failing": ["a" * 1000]})
    page.tell({"failing": []})
    assert reading.story() == {"failing": []}
    page.tell({"failing": ["x" * STORY_BYTES]})
    assert reading.story() == {"failing": []}, "one that does not fit is left out"


def test_a_story_that_is_being_written_is_not_read(descriptor: int) -> None:
    page, reading = Page(descriptor), Reading(descriptor)
    page.tell({"a": 1})
    page._head[2] += 1
    assert reading.story() == {}


def test_counters_survive_the_worker_and_gauges_do_not() -> None:
    fleet = Fleet(2)
    slots = [fleet.new(), fleet.new()]
    for number, slot in enumerate(slots):
        page = Page(slot.descriptor)
        fleet.born(slot)
        page.counters.add(page.open("connections_total"), 10)
        page.counters.set(page.open("open_connections"), 4)
        page.counters.set(page.open("changes_age_seconds"), number)
        page.counters.observe(page.open("request_duration_seconds", "accepted"), 0.001)
    both = fleet.numbers()
    assert both["connections_total", ()] == [20]
    assert both["open_connections", ()] == [8]
    assert both["changes_age_seconds", ()] == [1], "the one that is furthest behind"
    fleet.ended(slots[1])
    rest = fleet.numbers()
    assert rest["connections_total", ()] == [20]
    assert rest["open_connections", ()] == [4]
    assert rest["changes_age_seconds", ()] == [0]
    assert sum(rest["request_duration_seconds", ("accepted",)][:-1]) == 2
    fleet.ended(slots[0])
    assert fleet.numbers()["connections_total", ()] == [20]


def test_a_worker_that_never_began_leaves_nothing_behind() -> None:
    fleet = Fleet(1)
    slot = fleet.new()
    descriptor = slot.descriptor
    fleet.ended(slot)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert fleet.numbers() == {}


class _Head:
    def __init__(self, method: bytes) -> None:
        self.method = method


def test_a_sender_cannot_make_series(descriptor: int) -> None:
    """R5: what is remembered does not grow with what strangers make up."""
    page, reading = Page(descriptor), Reading(descriptor)
    meter = Meter(page)
    for number in range(500):
        head = _Head(b"M%d" % number)
        meter.count("", head, 405, "request.method_not_allowed", "none", Laps())  # type: ignore[arg-type]
    numbers = reading.numbers()
    assert numbers["requests_total", ("none", "other", "405")] == [500]
    assert len(meter._places) == 0


def test_durations_are_kept_apart_by_what_became_of_the_request(descriptor: int) -> None:
    page, reading = Page(descriptor), Reading(descriptor)
    meter = Meter(page)
    head = _Head(b"GET")
    for status, verdict in ((200, "accepted"), (200, "open"), (401, "signature.wrong"), (499, "abandoned")):
        meter.count("deployments", head, status, verdict, "none", Laps())  # type: ignore[arg-type]
    meter.count("", None, 400, "request.bad_field", "none", Laps())
    numbers = reading.numbers()
    counted = {key[1][0]: sum(value[:-1]) for key, value in numbers.items() if key[0] == "request_duration_seconds"}
    assert counted == {"accepted": 2, "refused": 2, "abandoned": 1}
    assert numbers["requests_total", ("deployments", "GET", "200")] == [2]
    assert numbers["requests_total", ("none", "none", "400")] == [1]
    assert numbers["verdicts_total", ("signature.wrong", "none")] == [1]
    assert all(len(value) in (1, HISTOGRAM_SLOTS) for value in numbers.values())
