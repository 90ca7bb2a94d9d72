"""Slices of a run, few however long it lasts."""

from gateway.fleet.course import Course


def test_each_answer_counts_where_it_was_due() -> None:
    course = Course(10)
    course.add(0.5, 0.001)
    course.add(0.9, 0.003)
    course.add(2.0, 0.010)
    slices = course.slices()
    assert [(part.at_s, part.requests_per_s) for part in slices] == [(0, 2), (1, 0), (2, 1)]
    assert 2.9 < slices[0].p99_ms < 3.1
    assert slices[1].p50_ms == 0


def test_a_day_has_no_more_slices_than_a_minute() -> None:
    course = Course(86_400)
    course.add(86_399, 0.001)
    assert len(course.slices()) <= 240
