"""How the registry's times are told."""

from datetime import UTC, datetime


def moment(seconds: int) -> str:
    """Seconds since 1970 as `2026-01-31T12:00:00Z` (RFC 3339)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
