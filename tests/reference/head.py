"""Strict reading of one request head: RFC 9112 §3 and §5 without any of their leniencies (R4)."""

import re

from tests.reference.message import Head
from tests.reference.refused import Refused

# RFC 9110 §5.6.2: token = 1*tchar
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9112 §3.2.1 and §3.2.2, seen as bytes: visible ASCII, no fragment.
TARGET = re.compile(rb"[!-\"$-~]+")
# RFC 3986 §3.2: host [ ":" port ]; userinfo has no place in Host (RFC 9110 §4.2.4).
AUTHORITY = re.compile(
    rb"(\[[0-9A-Za-z:.\-_~!$&'()*+,;=]+\]|(?:[0-9A-Za-z\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(:[0-9]*)?"
)
ABSOLUTE = re.compile(rb"(https?)://([^/?]*)(.*)", re.IGNORECASE)
LENGTH = re.compile(rb"[0-9]{1,19}")
# RFC 9110 §5.5: field-vchar, SP and HTAB; obs-text is looked at apart.
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def parse_head(raw: bytes, field_limit: int = 100) -> Head:
    """Read one whole head, from the request line to its empty line."""
    if not raw.endswith(b"\r\n\r\n"):
        raise Refused("request.bad_field", "the head does not end with an empty line")
    first, *lines = raw[:-4].split(b"\r\n")
    method, target, minor = _request_line(first)
    fields = []
    for line in lines:
        fields.append(_field_line(line))
        if len(fields) > field_limit:
            raise Refused("request.too_many_fields")
    path, query, authority = _target(target)

    def values(name: bytes) -> list[bytes]:
        return [value for line_name, value in fields if line_name.lower() == name]

    host = _host(values(b"host"), minor, authority)
    content_length, chunked = _framing(values(b"content-length"), values(b"transfer-encoding"), minor)
    if values(b"upgrade"):
        raise Refused("request.upgrade_refused")
    expectations = values(b"expect")
    # RFC 9110 §10.1.1: the only expectation there is; its name does not depend on case.
    if [e.lower() for e in expectations] not in ([], [b"100-continue"]):
        raise Refused("request.expectation_failed")
    options = {o.strip(b" \t").lower() for value in values(b"connection") for o in value.split(b",")}
    # RFC 9112 §9.3
    keep_alive = b"close" not in options and (minor == 1 or b"keep-alive" in options)
    return Head(
        method, target, path, query, authority is not None, host, minor, content_length, chunked, keep_alive,
        bool(expectations), tuple(fields),
    )  # fmt: skip


def _request_line(line: bytes) -> tuple[bytes, bytes, int]:
    # RFC 9112 §3: request-line = method SP request-target SP HTTP-version
    parts = line.split(b" ")
    if len(parts) != 3 or not TOKEN.fullmatch(parts[0]) or not parts[1]:
        raise Refused("request.bad_request_line")
    method, target, version = parts
    if not re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
        raise Refused("request.bad_request_line")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Refused("request.bad_version")
    if not TARGET.fullmatch(target):
        raise Refused("request.bad_target")
    return method, target, int(version[-1:])


def _target(target: bytes) -> tuple[bytes, bytes | None, bytes | None]:
    """Path, query and, for absolute-form, authority."""
    authority = None
    rest = target
    if not target.startswith(b"/"):
        absolute = ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise Refused("request.bad_target", "authority-form, asterisk-form or nonsense")
        authority, rest = absolute[2], absolute[3]
        if not AUTHORITY.fullmatch(authority):
            raise Refused("request.bad_target", "authority")
    path, mark, query = rest.partition(b"?")
    return path or b"/", query if mark else None, authority


def _field_line(line: bytes) -> tuple[bytes, bytes]:
    # RFC 9112 §5: field-line = field-name ":" OWS field-value OWS; a bare CR or LF is a control character here.
    name, colon, value = line.partition(b":")
    if not colon or not TOKEN.fullmatch(name) or CONTROL.search(value):
        raise Refused("request.bad_field")
    value = value.strip(b" \t")
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("request.bad_field", "obs-text that is not UTF-8") from None
    return name, value


def _host(hosts: list[bytes], minor: int, authority: bytes | None) -> bytes:
    # RFC 9112 §3.2
    if len(hosts) > 1 or (minor == 1 and len(hosts) != 1):
        raise Refused("request.bad_host")
    host = hosts[0] if hosts else b""
    if hosts and not AUTHORITY.fullmatch(host):
        raise Refused("request.bad_host")
    if authority is not None and authority.lower() != host.lower():
        raise Refused("request.bad_host", "the target names another authority")
    return host


def _framing(lengths: list[bytes], codings: list[bytes], minor: int) -> tuple[int, bool]:
    # RFC 9112 §6.1, §6.3
    if (lengths and codings) or len(lengths) > 1 or len(codings) > 1:
        raise Refused("request.bad_framing")
    if codings:
        if minor == 0 or codings[0].lower() != b"chunked":
            raise Refused("request.bad_framing")
        return -1, True
    if lengths:
        if not LENGTH.fullmatch(lengths[0]):
            raise Refused("request.bad_framing")
        return int(lengths[0]), False
    return -1, False
