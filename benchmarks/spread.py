"""How figures of many rounds are told: the median, and the middle half."""

import statistics


def spread(values: list[float], digits: int = 2) -> str:
    """Median, and the middle half in brackets."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
