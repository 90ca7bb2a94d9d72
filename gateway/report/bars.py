"""Horizontal bars: one for each category and series, side by side or on top of each other, from zero."""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.report import svg
from gateway.report.axis import figure, ticks

_BAR: Final = 15.0
_GAP: Final = 9.0
_TOP: Final = 48.0
_VALUE: Final = 92.0
"""Room behind the longest bar, for its figure."""


class Bars(msgspec.Struct, frozen=True):
    """One series: a value for each category, and the lowest and highest of its middle half where that is known."""

    name: str
    values: tuple[float, ...]
    halves: tuple[tuple[float, float], ...] = ()


def bars(
    title: str,
    unit: str,
    categories: Sequence[str],
    series: Sequence[Bars],
    *,
    stacked: bool = False,
    alone: bool = False,
) -> str:
    """One SVG element.

    :param unit: of the axis, such as `µs of CPU per request`
    :param stacked: the series of one category add up
    :param alone: for a file of its own; otherwise `gateway.report.svg.STYLE` is to be in the page
    :raises ValueError: no category, or a series with another number of values
    """
    if not categories or any(len(one.values) != len(categories) for one in series):
        raise ValueError("every series needs one value for each category, and there must be one")
    left = min(260.0, svg.LETTER * max(map(len, categories)) + 12)
    rows = 1 if stacked else len(series)
    pitch = rows * _BAR + _GAP
    bottom = _TOP + pitch * len(categories)
    sums = [sum(one.values[at] for one in series) for at in range(len(categories))]
    longest = max(max(one.values) for one in series) if not stacked else max(sums)
    longest = max([longest, *(high for one in series for _, high in one.halves)])
    marks = ticks(longest)
    scale = (svg.WIDTH - left - _VALUE) / marks[-1]
    parts = [svg.legend([one.name for one in series], 36)] if len(series) > 1 else []
    for mark in marks:
        x = left + mark * scale
        parts += [
            svg.line(x, _TOP - 4, x, bottom, "grid"),
            svg.text(x, bottom + 15, figure(mark), css="soft", anchor="middle"),
        ]
    for at, category in enumerate(categories):
        y = _TOP + at * pitch + _GAP / 2
        parts.append(svg.text(left - 8, y + rows * _BAR / 2 + 4, category, anchor="end"))
        reached = 0.0
        for number, one in enumerate(series):
            value = one.values[at]
            hint = f"{category}, {one.name}: {figure(value)} {unit}"
            parts.append(svg.rect(left + reached * scale, y, value * scale, _BAR - 1, f"f{number % svg.COLOURS}", hint))
            if stacked:
                reached += value
                continue
            end = left + value * scale
            if one.halves:
                end = max(end, left + one.halves[at][1] * scale)
                parts.append(_whisker(one.halves[at], left, scale, y + (_BAR - 1) / 2))
            parts.append(svg.text(end + 6, y + 11, figure(value), css="soft"))
            y += _BAR
        if stacked:
            parts.append(svg.text(left + reached * scale + 6, y + 11, figure(reached), css="soft"))
    parts += [svg.line(left, _TOP - 4, left, bottom, "axis"), svg.text(left, bottom + 33, unit, css="soft")]
    return svg.document(title, bottom + 42, parts, alone=alone)


def _whisker(half: tuple[float, float], left: float, scale: float, y: float) -> str:
    low, high = left + half[0] * scale, left + half[1] * scale
    return "".join(
        svg.line(*ends, "whisker") for ends in ((low, y, high, y), (low, y - 3, low, y + 3), (high, y - 3, high, y + 3))
    )
