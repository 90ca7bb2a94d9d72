"""Strict reading of one request head: RFC 9112 §3 and §5 without any of their leniencies (R4).

Where several things are wrong, the first one counts in this order: request line, field lines from top to bottom, framing,
Upgrade, Expect, form of the target, Host.
"""

import ipaddress
import re

from tests.reference.message import Head
from tests.reference.refused import Refused

# RFC 9110 §5.6.2: token = 1*tchar; the longest registered method has 17 characters, so 32 are a generous bound.
METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")
NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9112 §3.2: visible ASCII; RFC 9112 knows no fragment in a target.
TARGET = re.compile(rb"[!-\"$-~]+")
VERSION = re.compile(rb"HTTP/[0-9.]*")
ABSOLUTE = re.compile(rb"(https?)://([^/?]*)(.*)", re.IGNORECASE)
# RFC 3986 §3.2.2: reg-name; RFC 3986 §3.2.3: port, here with 1 to 5 digits.
AUTHORITY = re.compile(rb"(\[([0-9A-Fa-f:.]+)\]|(?:[0-9A-Za-z\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{1,5}))?")
LENGTH = re.compile(rb"[0-9]{1,19}")
LENGTH_LIMIT = 2**62  # far above any body limit, and a sum of two still fits 64 bits
# RFC 9110 §5.5: field-vchar, SP and HTAB; obs-text is looked at apart.
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}


def parse_head(raw: bytes, field_limit: int = 100) -> Head:
    """Read one whole head, from the request line to its empty line."""
    first, ending, rest = raw.partition(b"\r\n")
    method, target, version = _request_line(first, ending)
    fields = _field_lines(rest, field_limit)
    minor = int(version[-1:])

    def values(name: bytes) -> list[bytes]:
        return [value for line_name, value in fields if line_name.lower() == name]

    content_length, chunked = _framing(values(b"content-length"), values(b"transfer-encoding"), minor)
    if values(b"upgrade"):
        raise Refused("request.upgrade_refused")
    expectations = {expectation.lower() for expectation in values(b"expect")}
    # RFC 9110 §10.1.1: the only expectation there is; its name does not depend on case.
    if expectations - {b"100-continue"}:
        raise Refused("request.expectation_failed")
    path, query, absolute = _target(method, target)
    host = _host(values(b"host"), minor)
    if absolute is not None:
        scheme, authority = absolute
        if not host or _normal(scheme, authority) != _normal(scheme, host):
            raise Refused("request.bad_host", "the target names another authority")
    options = {option.strip(b" \t").lower() for value in values(b"connection") for option in value.split(b",")}
    # RFC 9112 §9.3
    keep_alive = b"close" not in options and (minor == 1 or b"keep-alive" in options)
    # RFC 9110 §10.1.1: in HTTP/1.0 the expectation is ignored.
    expects_continue = bool(expectations) and minor == 1
    return Head(
        method, target, path, query, absolute is not None, host, minor, content_length, chunked, keep_alive,
        expects_continue, tuple(fields),
    )  # fmt: skip


def _request_line(line: bytes, ending: bytes) -> tuple[bytes, bytes, bytes]:
    # RFC 9112 §3: request-line = method SP request-target SP HTTP-version
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not ending or b"\r" in line or b"\n" in line or not METHOD.fullmatch(method):
        raise Refused("request.bad_request_line")
    if not target or target.startswith(b" ") or not VERSION.fullmatch(version):
        raise Refused("request.bad_request_line")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Refused("request.bad_version")
    if not TARGET.fullmatch(target):
        raise Refused("request.bad_target")
    return method, target, version


def _field_lines(rest: bytes, field_limit: int) -> list[tuple[bytes, bytes]]:
    fields: list[tuple[bytes, bytes]] = []
    while True:
        line, ending, rest = rest.partition(b"\r\n")
        if not line and ending:
            break
        if len(fields) == field_limit:
            raise Refused("request.too_many_fields")
        if not ending:
            raise Refused("request.bad_field", "a line without its end")
        fields.append(_field_line(line))
    if rest:
        raise Refused("request.bad_framing", "more than a head")
    return fields


def _field_line(line: bytes) -> tuple[bytes, bytes]:
    # RFC 9112 §5: field-line = field-name ":" OWS field-value OWS; a bare CR or LF is a control character here.
    name, colon, value = line.partition(b":")
    if not colon or not NAME.fullmatch(name) or CONTROL.search(value):
        raise Refused("request.bad_field")
    value = value.strip(b" \t")
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("request.bad_field", "obs-text that is not UTF-8") from None
    return name, value


def _framing(lengths: list[bytes], codings: list[bytes], minor: int) -> tuple[int, bool]:
    # RFC 9112 §6.1, §6.3
    if len(lengths) + len(codings) > 1:
        raise Refused("request.bad_framing")
    if codings:
        if minor == 0 or codings[0].lower() != b"chunked":
            raise Refused("request.bad_framing")
        return -1, True
    if lengths:
        if not LENGTH.fullmatch(lengths[0]) or int(lengths[0]) > LENGTH_LIMIT:
            raise Refused("request.bad_framing")
        return int(lengths[0]), False
    return -1, False


def _target(method: bytes, target: bytes) -> tuple[bytes, bytes | None, tuple[bytes, bytes] | None]:
    """Path, query and, for absolute-form, scheme and authority."""
    if method == b"PRI":
        raise Refused("request.bad_version", "the preface of HTTP/2")
    absolute, rest = None, target
    if not target.startswith(b"/"):
        match = ABSOLUTE.fullmatch(target)
        if match is None:
            raise Refused("request.bad_target", "authority-form, asterisk-form or nonsense")
        absolute, rest = (match[1], match[2]), match[3]
    if method.upper() == b"CONNECT":
        raise Refused("request.bad_target", "a tunnel")
    path, mark, query = rest.partition(b"?")
    return path or b"/", query if mark else None, absolute


def _host(hosts: list[bytes], minor: int) -> bytes:
    # RFC 9112 §3.2
    if not hosts and minor == 0:
        return b""
    if len(hosts) != 1:
        raise Refused("request.bad_host")
    match = AUTHORITY.fullmatch(hosts[0])
    if match is None or int(match[3] or b"0") > 65535:
        raise Refused("request.bad_host")
    if match[2] is not None:
        try:
            ipaddress.IPv6Address(match[2].decode("ascii"))
        except ValueError:
            raise Refused("request.bad_host", "no IPv6 address") from None
    return hosts[0]


def _normal(scheme: bytes, authority: bytes) -> bytes:
    # RFC 9110 §4.2.3: case of the host and the default port make no difference.
    return authority.lower().removesuffix(DEFAULT_PORTS[scheme.lower()])
