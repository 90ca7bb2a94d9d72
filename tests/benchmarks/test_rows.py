"""The benchmark's table says met only where the median reaches the bar; and every plot and table comes from the raw data."""

import json

import pytest

from benchmarks import report, row
from benchmarks.plots import plots


@pytest.mark.parametrize(
    ("rounds", "verdict"), [([1.0, 1.2, 9.0], "met"), ([1.0, 1.3, 1.3], "missed"), ([1.25], "met")]
)
def test_at_most_judges_the_median(rounds: list[float], verdict: str) -> None:
    assert row.at_most("x", 1.25, rounds).verdict == verdict


@pytest.mark.parametrize(("rounds", "verdict"), [([3.0, 0.1, 4.0], "met"), ([2.9, 2.99, 9.0], "missed")])
def test_at_least_judges_the_median(rounds: list[float], verdict: str) -> None:
    assert row.at_least("x", 3.0, rounds).verdict == verdict


def test_the_middle_half_lies_within_the_rounds() -> None:
    found = row.reported("x", [1.0, 2.0])
    assert (found.measured, found.spread) == ("1.50", "1.25 to 1.75")


def test_a_measure_that_was_not_taken_has_a_reason() -> None:
    found = row.skipped("x", "≤ 1", "no compiler")
    assert (found.verdict, found.note, found.rounds) == ("skipped", "no compiler", ())


def test_stored_results_are_rendered_with_machine_version_and_command() -> None:
    page = report.render()
    for result in report.results():
        assert f"## {result['title']}" in page
        assert result["machine"] in page
        assert f"Command: `{result['command']}`" in page


def test_plots_show_the_rounds() -> None:
    cost = {
        "nginx, plain proxy": {"cpu_us": [20.0, 22.0]},
        "bare verification": {"cpu_us": [60.0, 62.0]},
        "native plane": {"cpu_us": [90.0, 94.0]},
    }
    raw = {
        "loads": {"P-256, 16 connections": cost, "peers": {"gateway": {"rate": [9000.0]}, "Go": {"rate": [3000.0]}}},
        "latency": [{"name": "gateway", "rate": 100.0, "latency_us": [float(at) for at in range(1001)]}],
    }
    drawn = plots(json.loads(json.dumps({"raw": raw})))
    assert set(drawn) == {"cost-p-256", "rates", "latency"}
    assert "limit (nginx + bare verification)" in drawn["cost-p-256"]
    assert "82" in drawn["cost-p-256"]  # (20 + 60 and 22 + 62) in the middle
    assert "92" in drawn["cost-p-256"]


def test_results_without_raw_data_have_no_plot() -> None:
    assert plots({"rows": []}) == {}
