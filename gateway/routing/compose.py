"""The request of an open route, made anew: of an unsigned one only the target and a few fields go on (R16)."""

from typing import Final

from gateway._native import Head
from gateway.model import Composed, External

PASSED: Final = (b"accept", b"accept-encoding", b"if-modified-since", b"if-none-match", b"user-agent")
"""What a GET of a public document may need; none of them can carry a body or another identity."""


def compose(head: Head, external: External, route: str) -> Composed:
    """A GET or HEAD with the target of `head`, its normal authority, and the `PASSED` fields."""
    fields = tuple((name.decode().title(), value.decode("utf-8")) for name in PASSED for value in head.values(name)[:1])
    target = head.path if head.query is None else head.path + b"?" + head.query
    return Composed(head.method, target, external.authorities[-1], external, fields, route)
