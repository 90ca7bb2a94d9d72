"""Section `[errors]`: the shape of refusals."""

from typing import Literal

from msgspec import Struct


class Errors(Struct, frozen=True, kw_only=True, gc=False):
    """`problem` is RFC 9457; `legacy` the `{"error","message"}` of older Margo servers."""

    format: Literal["problem", "legacy"] = "problem"
