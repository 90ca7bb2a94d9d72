"""Figures and pages for people: small SVG plots and one self-contained HTML page, without any dependency."""

from gateway.report.bars import Bars, bars
from gateway.report.lines import Line, lines

__all__ = ["Bars", "Line", "bars", "lines"]
