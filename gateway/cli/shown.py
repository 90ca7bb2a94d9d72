"""Makes text that a device or a file name supplied safe to print (R29), and times and sizes easy to read."""

from datetime import UTC, datetime


def shown(text: str) -> str:
    """The text on one line, with control, formatting and unassigned characters as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def moment(seconds: int) -> str:
    """Seconds since 1970 as `2026-01-31T12:00:00Z` (RFC 3339)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
