"""Reads durations such as `30d` and `12h` from the command line."""

from typing import Any, Final

import click

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LIMIT_S: Final = 36600 * 86400


class Duration(click.ParamType[int]):
    """A whole number with a unit: s, m, h, d or w; becomes seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds that `value` means."""
        if isinstance(value, int):
            return value
        number, unit = str(value)[:-1], str(value)[-1:].lower()
        if not (number.isascii() and number.isdigit() and unit in _UNITS_S and len(number) < 12):
            self.fail(f"{value!r} is not a duration such as 30d, 12h, 90m or 45s", param, ctx)
        seconds = int(number) * _UNITS_S[unit]
        if seconds > _LIMIT_S:
            self.fail(f"{value!r} is longer than 100 years", param, ctx)
        return seconds
