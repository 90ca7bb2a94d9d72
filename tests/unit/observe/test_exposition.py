"""What Prometheus reads is what was counted; `prometheus_client`'s own parser is the judge."""

import os

from prometheus_client.parser import text_string_to_metric_families

from gateway._native import HISTOGRAM_BOUNDS_S
from gateway.observe.exposition import render
from gateway.observe.page import Page, Reading, new_descriptor
from gateway.observe.table import METRICS, PREFIX


def page_with(*series: tuple[str, ...]) -> tuple[Page, Reading, list[int]]:
    descriptor = new_descriptor()
    page, reading = Page(descriptor), Reading(descriptor)
    os.close(descriptor)
    return page, reading, [page.open(*one) for one in series]


def test_every_metric_is_told_with_its_kind_and_help() -> None:
    made = [(name, *(f"{label} of {name}" for label in row.labels)) for name, row in METRICS.items()
            if name != "stage_duration_seconds"]  # fmt: skip
    _, reading, _ = page_with(*made)
    families = {one.name: one for one in text_string_to_metric_families(render(reading.numbers(), {}).decode())}
    for name, row in METRICS.items():
        family = families[PREFIX + name.removesuffix("_total")]
        assert (family.type, family.documentation) == (row.kind, row.help)
        assert all(set(sample.labels) - {"le"} == set(row.labels) for sample in family.samples)
    assert len(families) == len(METRICS)


def test_labels_are_escaped() -> None:
    odd = 'a"b\\c\nd}e{'
    page, reading, (place,) = page_with(("verdicts_total", odd, "none"))
    page.counters.add(place, 5)
    (family,) = [
        one
        for one in text_string_to_metric_families(render(reading.numbers(), {}).decode())
        if one.name == PREFIX + "verdicts"
    ]
    assert [(sample.labels["reason"], sample.value) for sample in family.samples] == [(odd, 5.0)]


def test_a_histogram_is_cumulative_and_in_seconds() -> None:
    page, reading, (place,) = page_with(("request_duration_seconds", "accepted"))
    for seconds in (0.00001, 0.0009, 0.0009, 0.3, 60.0):
        page.counters.observe(place, seconds)
    text = render(reading.numbers(), {}).decode()
    (family,) = [one for one in text_string_to_metric_families(text) if one.name == PREFIX + "request_duration_seconds"]
    buckets = {float(sample.labels["le"]): sample.value for sample in family.samples if "le" in sample.labels}
    assert set(buckets) == {*HISTOGRAM_BOUNDS_S, float("inf")}
    for bound, count in buckets.items():
        assert count == sum(seconds <= bound for seconds in (0.00001, 0.0009, 0.0009, 0.3, 60.0))
    told = {sample.name: sample.value for sample in family.samples if "le" not in sample.labels}
    assert told == {
        PREFIX + "request_duration_seconds_count": 5.0,
        PREFIX + "request_duration_seconds_sum": 60.30181,
    }


def test_seconds_are_told_of_nanoseconds_and_the_gateways_own_values_as_they_are() -> None:
    page, reading, (place,) = page_with(("worker_cpu_seconds_total",))
    page.counters.set(place, 1_500_000_000)
    text = render(reading.numbers(), {("workers", ("serving",)): 3, ("start_time_seconds", ()): 1e9 + 0.25}).decode()
    assert f"\n{PREFIX}worker_cpu_seconds_total 1.5\n" in text
    assert f'\n{PREFIX}workers{{state="serving"}} 3\n' in text
    assert f"\n{PREFIX}start_time_seconds 1000000000.25\n" in text
