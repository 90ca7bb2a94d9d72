"""Times as people read them: absolute in UTC, and relative to now."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def absolute(seconds: float) -> str:
    """`2026-02-03T04:05:06Z`; the bare number where no calendar reaches."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f}"


def span(seconds: float) -> str:
    """A length of time in its two largest units: `2 h 5 min`."""
    rest = abs(int(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        if rest >= size and len(parts) < 2:
            parts.append(f"{rest // size} {unit}")
            rest %= size
        elif parts:
            break
    return " ".join(parts) or "0 s"


def relative(moment_s: float, now_s: float) -> str:
    """`12 s ago`, `in 3 h`, `now`."""
    away = int(moment_s - now_s)
    if away == 0:
        return "now"
    return f"in {span(away)}" if away > 0 else f"{span(away)} ago"


def both(moment_s: float, now_s: float) -> str:
    """Absolute and relative."""
    return f"{absolute(moment_s)} ({relative(moment_s, now_s)})"
