"""Types of configuration values: each with its range and with the words that an error message uses for it."""

from typing import Annotated, Literal

from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=86_400, description="seconds above 0, at most 86400")]
"""A timeout."""

WholeSeconds = Annotated[int, Meta(ge=1, le=604_800, description="whole seconds from 1 to 604800 (a week)")]
"""A span that is compared with the integers of `created` and `expires`."""

SecondsOrNone = Annotated[int, Meta(ge=0, le=86_400, description="whole seconds from 0 to 86400")]
"""A span that may be switched off with 0."""

Bytes = Annotated[int, Meta(ge=1, le=1 << 40, description="a whole number of bytes from 1 to 1099511627776")]

Count = Annotated[int, Meta(ge=1, le=10_000_000, description="a whole number from 1 to 10000000")]

StructuredType = Literal["item", "list", "dictionary"]
"""The three top-level types of RFC 9651 §3."""
