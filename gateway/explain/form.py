"""A signature base taken apart, so that it can be put together again as a device with one mistake would (RFC 9421
§2.5)."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

# One line of a base: a component identifier with its parameters (RFC 9421 §2.5), a colon, a space, the value.
_LINE: Final = re.compile(
    rb'("(?:[^"\\]|\\.)*"(?:;[a-z*][a-z0-9_.*-]*(?:="(?:[^"\\]|\\.)*"|=[^";:]*)?)*): (.*)', re.DOTALL
)
PARAMS: Final = b'"@signature-params"'


class Parts(msgspec.Struct, frozen=True):
    """What derived components are made of. `target` is the request target as received, `query` has its `?`."""

    method: bytes
    scheme: bytes
    authority: bytes
    host: bytes
    path: bytes
    query: bytes
    target: bytes


def target_uri(parts: Parts) -> bytes:
    """RFC 9421 §2.2.2."""
    return parts.scheme + b"://" + parts.authority + parts.path + parts.query


_DERIVED: Final[dict[bytes, Callable[[Parts], bytes]]] = {
    b'"@method"': lambda parts: parts.method,
    b'"@authority"': lambda parts: parts.authority,
    b'"@scheme"': lambda parts: parts.scheme,
    b'"@request-target"': lambda parts: parts.target,
    b'"@path"': lambda parts: parts.path,
    b'"@query"': lambda parts: parts.query or b"?",
    b'"host"': lambda parts: parts.host,
}
TARGET_URI: Final = b'"@target-uri"'


class Line(msgspec.Struct, frozen=True):
    """One component: its identifier as RFC 9421 writes it, how it is written in this base, and the value; None means
    that the value follows from the parts."""

    identifier: bytes
    written: bytes
    value: bytes | None


class Form(msgspec.Struct, frozen=True):
    """A signature base by its parts. The defaults are what RFC 9421 says; each field is something that devices get
    wrong."""

    parts: Parts
    lines: tuple[Line, ...]
    params: bytes
    params_name: bytes = PARAMS
    """b"" leaves the last line out."""
    newline: bytes = b"\n"
    colon: bytes = b": "
    tail: bytes = b""
    uri: Callable[[Parts], bytes] = target_uri

    def octets(self) -> bytes:
        """The base."""
        lines = [line.written + self.colon + self._value(line) for line in self.lines]
        if self.params_name:
            lines.append(self.params_name + self.colon + self.params)
        return self.newline.join(lines) + self.tail

    def _value(self, line: Line) -> bytes:
        if line.value is not None:
            return line.value
        if line.identifier == TARGET_URI:
            return self.uri(self.parts)
        return _DERIVED[line.identifier](self.parts)

    def value_of(self, identifier: bytes) -> bytes | None:
        """The value of a component; None if it is not covered."""
        return next((self._value(line) for line in self.lines if line.identifier == identifier), None)

    def covers_any(self, *identifiers: bytes) -> bool:
        """Is one of these components covered?"""
        return any(line.identifier in identifiers for line in self.lines)


class Change(msgspec.Struct, frozen=True):
    """One known mistake, as it would show in this request: a stable `code`, what was `found`, and what to do about it
    on the device, and on the gateway or in front of it."""

    code: str
    title: str
    found: str
    device: str = ""
    gateway: str = ""


class Variation(msgspec.Struct, frozen=True):
    """One change that can be tried. Two of different `axis` can be tried together."""

    axis: str
    change: Change
    apply: Callable[[Form], Form]


def line_of(identifier: bytes, written: bytes, value: bytes) -> Line:
    """A line; derived components take their value from the parts."""
    derived = identifier in _DERIVED or identifier == TARGET_URI
    return Line(identifier, written, None if derived else value)


def take_apart(base: bytes, parts: Parts) -> Form | None:
    """The form of a base that the gateway computed; None if it does not come out the same (it always should)."""
    *lines, last = base.split(b"\n")
    found: list[Line] = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        # A capital name that is let through is still the lower-case component (R9).
        found.append(line_of(match[1].lower() if b";" not in match[1] else match[1], match[1], match[2]))
    form = Form(parts, tuple(found), last.partition(b": ")[2])
    return form if form.octets() == base else None


def with_parts(**changes: bytes) -> Callable[[Form], Form]:
    """A change of the parts, for a variation."""
    return lambda form: msgspec.structs.replace(form, parts=msgspec.structs.replace(form.parts, **changes))


def with_layout(**changes: Any) -> Callable[[Form], Form]:
    """A change of the form's own fields, for a variation."""
    return lambda form: msgspec.structs.replace(form, **changes)
