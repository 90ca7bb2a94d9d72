"""The Forwarded field (RFC 7239), read strictly: what does not parse is nobody's statement."""

import re
from typing import Final

import msgspec

from gateway._native import Refused
from gateway.reasons import Reason

# RFC 7239 §4: forwarded-pair = token "=" value ; value = token / quoted-string (RFC 9110 §5.6.2, §5.6.4)
_PAIR: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)="
    rb"(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    rb'|"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)")'
)
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)
# Deviation: white space around a semicolon is skipped, as many senders write it; it cannot mean two things.
_SPACE: Final = re.compile(rb"[\t ]*")


class Element(msgspec.Struct, frozen=True, gc=False):
    """What one hop said: values unquoted, None where it did not say; other parameters are checked and dropped."""

    node: bytes | None = None
    host: bytes | None = None
    proto: bytes | None = None


_KEPT: Final = {b"for": "node", b"host": "host", b"proto": "proto"}


def read_forwarded(lines: list[bytes]) -> list[Element]:
    """The elements of all field lines, in order: the last was added by the hop nearest to us. Linear in their length.

    :raises Refused: request.ambiguous_proxy_fields for anything outside of the grammar, and for a parameter that
        stands twice in an element
    """
    return [element for line in lines for element in _read_line(line)]


def _read_line(line: bytes) -> list[Element]:
    elements: list[Element] = []
    pairs: dict[bytes, bytes] = {}
    at, end = 0, len(line)
    pair_wanted = True
    while True:
        at = _skip(line, at)
        octet = line[at : at + 1]
        if octet in (b",", b""):
            if pairs:  # RFC 9110 §5.6.1.2: empty list elements are skipped
                elements.append(Element(**{_KEPT[name]: value for name, value in pairs.items() if name in _KEPT}))
                pairs = {}
            if at == end:
                return elements
            at, pair_wanted = at + 1, True
        elif octet == b";":
            at, pair_wanted = at + 1, True
        else:
            match = _PAIR.match(line, at)
            if match is None or not pair_wanted:
                raise Refused(Reason.REQUEST_PROXY_FIELDS, f"Forwarded breaks off at byte {at}")
            name = match[1].lower()
            if name in pairs:  # RFC 7239 §4: each parameter at most once per element
                raise Refused(Reason.REQUEST_PROXY_FIELDS, "a parameter of Forwarded stands twice in one element")
            pairs[name] = match[2] if match[2] is not None else _QUOTED_PAIR.sub(rb"\1", match[3])
            at, pair_wanted = match.end(), False


def _skip(line: bytes, at: int) -> int:
    match = _SPACE.match(line, at)
    return at if match is None else match.end()
