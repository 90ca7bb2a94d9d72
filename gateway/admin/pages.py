"""Lists a page at a time: each page costs about the same, however large the registry is."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE_S: Final = 0.5
"""A page that finds little ends after this long; its reader goes on with the next."""


def fill(read: Callable[[str], tuple[list[T], str]], cursor: str, limit: int) -> tuple[list[T], str | None]:
    """Read pieces until there are `limit` entries or more, or time is up; the cursor of the next page, None behind the
    last.

    :param read: takes a cursor; a piece and the cursor of the next, empty behind the last
    """
    found: list[T] = []
    until_s = time.monotonic() + PATIENCE_S
    while True:
        piece, cursor = read(cursor)
        found += piece
        if not cursor:
            return found, None
        if len(found) >= limit or time.monotonic() >= until_s:
            return found, cursor
