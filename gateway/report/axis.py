"""Axes that begin at zero: round ticks, and figures as people write them."""

import math
from typing import Final

_TICKS: Final = 5


def ticks(most: float, count: int = _TICKS) -> list[float]:
    """Round values from 0 to the first one that is not below `most`, about `count` steps."""
    if not (most > 0 and math.isfinite(most)):
        return [0.0, 1.0]
    raw = most / count
    power: float = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    return [step * number for number in range(math.ceil(most / step * (1 - 1e-9)) + 1)]


def figure(value: float) -> str:
    """A value with three digits that count, thousands apart: 0.123, 12.3, 1,230."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
