"""Counting in a page: exactly what was asked for, never outside of it, and once a request."""

import mmap
import time

import pytest

from gateway._native import HISTOGRAM_BOUNDS_S, HISTOGRAM_SLOTS, Counters, Laps

BUCKETS = HISTOGRAM_SLOTS - 1
STAGES_ROOM = 8 * HISTOGRAM_SLOTS


def numbers(page: bytearray) -> list[int]:
    return memoryview(page).cast("Q").tolist()


def test_numbers_are_added_and_set_and_nothing_else_changes() -> None:
    page = bytearray(8 * 4)
    counters = Counters(page)
    counters.add(1)
    counters.add(1, 41)
    counters.set(3, 2**64 - 1)
    assert numbers(page) == [0, 42, 0, 2**64 - 1]
    assert counters.get(1) == 42


def test_another_mapping_sees_them() -> None:
    memory = mmap.mmap(-1, 4096)
    Counters(memory).add(7)
    assert int.from_bytes(memory[56:64], "little") == 1


@pytest.mark.parametrize("index", [-1, 3, 2**62, -(2**62)])
def test_an_index_outside_is_refused(index: int) -> None:
    counters = Counters(bytearray(8 * 3 + 7))
    for call in (counters.add, counters.get, lambda at: counters.set(at, 1), lambda at: counters.observe(at, 0.1)):
        with pytest.raises(IndexError):
            call(index)


def test_a_histogram_that_does_not_fit_is_refused() -> None:
    page = bytearray(8 * HISTOGRAM_SLOTS)
    counters = Counters(page)
    counters.observe(0, 100.0)
    before = bytes(page)
    with pytest.raises(IndexError):
        counters.observe(1, 0.1)
    assert bytes(page) == before


def test_memory_that_cannot_be_written_or_is_not_aligned_is_refused() -> None:
    with pytest.raises(BufferError):
        Counters(memoryview(b"x" * 64))
    with pytest.raises(ValueError, match="aligned"):
        Counters(memoryview(bytearray(64))[1:])


def test_the_page_stays_as_long_as_the_counters() -> None:
    memory = mmap.mmap(-1, 4096)
    counters = Counters(memory)
    with pytest.raises(BufferError):
        memory.close()
    del counters
    memory.close()


@pytest.mark.parametrize("bucket", range(BUCKETS))
def test_a_duration_is_counted_in_the_first_bucket_that_holds_it(bucket: int) -> None:
    page = bytearray(8 * HISTOGRAM_SLOTS)
    counters = Counters(page)
    durations = [HISTOGRAM_BOUNDS_S[bucket]] if bucket < BUCKETS - 1 else []  # a bound belongs to its bucket
    if bucket:
        durations.append(HISTOGRAM_BOUNDS_S[bucket - 1] + 1e-9)
    for seconds in durations:
        counters.observe(0, seconds)
    found = numbers(page)
    assert [at for at in range(BUCKETS) if found[at]] == [bucket]
    assert found[bucket] == len(durations)
    assert found[BUCKETS] == sum(round(seconds * 1e9) for seconds in durations)


@pytest.mark.parametrize("seconds", [-1e-9, float("nan"), float("inf"), 1e18])
def test_what_is_no_duration_is_refused(seconds: float) -> None:
    page = bytearray(8 * HISTOGRAM_SLOTS)
    with pytest.raises(ValueError, match="not a duration"):
        Counters(page).observe(0, seconds)
    assert not any(page)


def test_the_end_of_a_request_is_counted_once_with_the_stages_it_entered() -> None:
    page = bytearray(8 * (2 + HISTOGRAM_SLOTS + STAGES_ROOM))
    counters, laps = Counters(page), Laps()
    laps.lap(0)
    laps.lap(2)
    laps.lap(2)
    for _ in range(3):
        counters.finish(laps, 0, 1, 2, 2 + HISTOGRAM_SLOTS)
    found = numbers(page)
    assert found[:2] == [1, 1]

    def count(at: int) -> int:
        return sum(found[at : at + BUCKETS])

    assert count(2) == 1
    assert [count(2 + HISTOGRAM_SLOTS * (1 + stage)) for stage in range(8)] == [1, 0, 1, 0, 0, 0, 0, 0]


def test_the_end_of_a_request_that_does_not_fit_changes_nothing() -> None:
    size = 2 + HISTOGRAM_SLOTS + STAGES_ROOM
    page = bytearray(8 * size)
    counters, laps = Counters(page), Laps()
    for places in ((size, 1, 2, 22), (0, size, 2, 22), (0, 1, size - 1, 22), (0, 1, 2, 23), (-1, 1, 2, 22)):
        with pytest.raises(IndexError):
            counters.finish(laps, *places)
    with pytest.raises(TypeError):
        counters.finish(None, 0, 1, 2, 22)  # type: ignore[arg-type]
    assert not any(page)
    counters.finish(laps, 0, 1, 2, 22)
    assert numbers(page)[0] == 1


def test_laps_share_out_the_time_of_a_request() -> None:
    before = time.monotonic()
    laps = Laps()
    while time.monotonic() < before + 0.002:
        pass
    laps.lap(1)
    assert laps.spent_s(0) is None
    spent_s = laps.spent_s(1)
    assert spent_s is not None
    assert 0.0015 < spent_s <= time.monotonic() - before
    assert laps.total_s() >= spent_s


@pytest.mark.parametrize("stage", [8, -1, 2**40])
def test_a_stage_that_there_is_not_is_refused(stage: int) -> None:
    laps = Laps()
    with pytest.raises((IndexError, OverflowError)):
        laps.lap(stage)
    with pytest.raises((IndexError, OverflowError)):
        laps.spent_s(stage)
