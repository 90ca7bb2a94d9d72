"""Plots: well-formed, escaped (R29), axes from zero, and lengths that are in proportion."""

import re
from xml.etree import ElementTree

import pytest

from gateway.report import Bars, Line, bars, lines
from gateway.report.axis import figure, ticks

SVG = "{http://www.w3.org/2000/svg}"


def parsed(plot: str) -> ElementTree.Element:
    return ElementTree.fromstring(plot)


def boxes(plot: str, css: str) -> list[tuple[float, float]]:
    """Left edge and width of the bars of one series (the legend's boxes are 10 wide)."""
    found = [
        box
        for box in parsed(plot).iter(SVG + "rect")
        if box.get("class") == css and box.find(SVG + "title") is not None
    ]
    return [(float(box.attrib["x"]), float(box.attrib["width"])) for box in found]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (62.0, [0, 20, 40, 60, 80]),
        (9_400.0, [0, 2000, 4000, 6000, 8000, 10_000]),
        (0.0, [0, 1]),
        (float("inf"), [0, 1]),
    ],
)
def test_ticks_begin_at_zero_and_are_round(most: float, expected: list[float]) -> None:
    assert ticks(most) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.1234, "0.123"), (12.34, "12.3"), (5.0, "5"), (1234.5, "1,234"), (20_000, "20,000")]
)
def test_figures_have_three_digits_that_count(value: float, text: str) -> None:
    assert figure(value) == text


def test_bars_are_as_long_as_their_values() -> None:
    plot = bars("t", "µs", ["a", "b"], [Bars("one", (10.0, 40.0)), Bars("two", (20.0, 0.0))])
    (left, short), (same_left, long) = boxes(plot, "f0")
    assert left == same_left
    assert long == pytest.approx(4 * short, abs=0.5)
    assert boxes(plot, "f1")[1][1] == 0


def test_stacked_bars_begin_where_the_one_before_ends() -> None:
    plot = bars("t", "µs", ["a"], [Bars("one", (10.0,)), Bars("two", (20.0,))], stacked=True)
    ((first, width),) = boxes(plot, "f0")
    ((second, more),) = boxes(plot, "f1")
    assert second == pytest.approx(first + width, abs=0.2)
    assert more == pytest.approx(2 * width, abs=0.2)
    assert "30" in plot  # their sum is written behind them


def test_the_middle_half_is_a_whisker_around_the_end_of_its_bar() -> None:
    plot = bars("t", "µs", ["a"], [Bars("one", (10.0,), ((8.0, 12.0),))])
    ((left, width),) = boxes(plot, "f0")
    whisker = next(item for item in parsed(plot).iter(SVG + "line") if item.get("class") == "whisker")
    assert float(whisker.attrib["x1"]) == pytest.approx(left + 0.8 * width, abs=0.2)
    assert float(whisker.attrib["x2"]) == pytest.approx(left + 1.2 * width, abs=0.2)


def test_curves_go_through_their_points() -> None:
    plot = lines("t", "ms", "%", [Line("a", ((0, 0), (4, 50), (8, 100)))], marked=True)
    curve = next(parsed(plot).iter(SVG + "polyline"))
    first, middle, last = [tuple(map(float, place.split(","))) for place in curve.attrib["points"].split()]
    assert middle == pytest.approx(((first[0] + last[0]) / 2, (first[1] + last[1]) / 2), abs=0.2)
    assert last[1] < first[1], "more is higher up"
    assert len(list(parsed(plot).iter(SVG + "circle"))) == 3


def test_r29_names_are_escaped() -> None:
    evil = '</svg><script>alert("1")</script>'
    for plot in (
        bars(evil, evil, [evil], [Bars(evil, (1.0,)), Bars(evil, (1.0,))]),
        lines(evil, evil, evil, [Line(evil, ((1, 1),)), Line(evil, ((1, 1),))], marked=True),
    ):
        assert not list(parsed(plot).iter(SVG + "script"))
        assert "<script" not in plot


def test_a_plot_for_a_file_brings_its_colours() -> None:
    assert "prefers-color-scheme:dark" in bars("t", "µs", ["a"], [Bars("one", (1.0,))], alone=True)
    assert "<style>" not in bars("t", "µs", ["a"], [Bars("one", (1.0,))])


def test_a_plot_without_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="one value for each category"):
        bars("t", "µs", ["a", "b"], [Bars("one", (1.0,))])
    with pytest.raises(ValueError, match="needs a point"):
        lines("t", "ms", "%", [Line("a", ())])


def test_nothing_is_fetched() -> None:
    plot = bars("t", "µs", ["a"], [Bars("one", (1.0,))], alone=True)
    assert set(re.findall(r"https?://[^\"' ]+", plot)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in plot
    assert "@import" not in plot
