"""Curves over two axes that begin at zero."""

from collections.abc import Sequence
from html import escape
from typing import Final

import msgspec

from gateway.report import svg
from gateway.report.axis import figure, ticks

_LEFT: Final = 64.0
_TOP: Final = 52.0
_HEIGHT: Final = 240.0
_RIGHT: Final = 24.0


class Line(msgspec.Struct, frozen=True):
    """One curve: points in the order in which they are joined, neither coordinate below zero."""

    name: str
    points: tuple[tuple[float, float], ...]


def lines(
    title: str, x_unit: str, y_unit: str, curves: Sequence[Line], *, marked: bool = False, alone: bool = False
) -> str:
    """One SVG element.

    :param marked: show the points themselves, too
    :param alone: for a file of its own; otherwise `gateway.report.svg.STYLE` is to be in the page
    :raises ValueError: there is no point at all
    """
    points = [point for curve in curves for point in curve.points]
    if not points:
        raise ValueError("a plot needs a point")
    across, up = ticks(max(x for x, _ in points), 8), ticks(max(y for _, y in points))
    right, bottom = svg.WIDTH - _RIGHT, _TOP + _HEIGHT
    x_scale, y_scale = (right - _LEFT) / across[-1], _HEIGHT / up[-1]
    parts = [svg.legend([curve.name for curve in curves], 36)] if len(curves) > 1 else []
    for mark in up:
        y = bottom - mark * y_scale
        parts += [
            svg.line(_LEFT, y, right, y, "grid"),
            svg.text(_LEFT - 8, y + 4, figure(mark), css="soft", anchor="end"),
        ]
    for mark in across:
        x = _LEFT + mark * x_scale
        parts += [
            svg.line(x, bottom, x, bottom + 4, "axis"),
            svg.text(x, bottom + 18, figure(mark), css="soft", anchor="middle"),
        ]
    for number, curve in enumerate(curves):
        places = [(_LEFT + x * x_scale, bottom - y * y_scale) for x, y in curve.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" class="curve s{number % svg.COLOURS}"/>')
        if marked:
            parts += [_dot(place, point, number, curve.name) for place, point in zip(places, curve.points, strict=True)]
    parts += [
        svg.line(_LEFT, bottom, right, bottom, "axis"),
        svg.line(_LEFT, _TOP, _LEFT, bottom, "axis"),
        svg.text(right, bottom + 36, x_unit, css="soft", anchor="end"),
        svg.text(0, bottom + 36, f"↑ {y_unit}", css="soft"),
    ]
    return svg.document(title, bottom + 46, parts, alone=alone)


def _dot(place: tuple[float, float], point: tuple[float, float], number: int, name: str) -> str:
    hint = escape(f"{name}: {figure(point[0])}, {figure(point[1])}")
    where = f'cx="{place[0]:.1f}" cy="{place[1]:.1f}"'
    return f'<circle {where} r="3.5" class="f{number % svg.COLOURS}"><title>{hint}</title></circle>'
