"""Section `[log]`: what is written down."""

from typing import Literal

from msgspec import Struct


class Log(Struct, frozen=True, kw_only=True, gc=False):
    """`requests`: which requests get a line of their own."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    requests: Literal["refused", "all", "none"] = "refused"
