"""Section `[headers]`: which fields of a verified request go on to the backend (R15)."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.config.mistake import wrong
from gateway.config.policy import FIELD_NAME

_FORWARD: Final = '"all", "covered" or a list of lower-case field names'


class Headers(Struct, frozen=True, kw_only=True):
    """`covered`: only what the signature covers; a list: only those, beside the signature's own fields."""

    forward: Annotated[Literal["all", "covered"] | tuple[str, ...], Meta(description=_FORWARD)] = "all"


def settle(headers: Headers) -> Headers:
    """Check the names of a list.

    :raises Mistake: config.invalid
    """
    if isinstance(headers.forward, tuple):
        for name in headers.forward:
            if not FIELD_NAME.fullmatch(name):
                raise wrong("headers.forward", name, _FORWARD)
    return headers
