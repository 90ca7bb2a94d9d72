"""The heads that leave the gateway: of requests to the backend and of the backend's answers to the client."""

import re
from collections.abc import Sequence
from typing import Final

from gateway._native import Head
from gateway.model import Admitted, Composed, External, Unverified
from gateway.proxy.assertion import FIELD

_WITH_LENGTH: Final = frozenset({b"POST", b"PUT", b"PATCH"})
"""Methods that anticipate content: `Content-Length: 0` says that there is none (RFC 9110 §8.6)."""

_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""RFC 9110 §7.6.1, RFC 9112 §6.1."""

_OURS: Final = frozenset({b"content-length", b"date"})
"""Fields of an answer that a Connection option cannot take away."""

_TOKEN: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_BAD_VALUE: Final = re.compile(rb"[\x00\r\n]")
"""RFC 9110 §5.5: dangerous in every value; whatever else the backend sends is passed on."""


class BadAnswer(Exception):
    """The backend's head cannot be passed on."""


def admitted_head(admitted: Admitted, fields: bytes, body_length: int | None, assertion: str | None = None) -> bytes:
    """Request line and fields of a verified request; `fields` are the lines that `forward_fields` let through.

    Target, method and Host are what the device signed, octet for octet (R7), so the backend can verify again.

    :param body_length: octets of the body that follows; None if there is none
    :param assertion: value of Wfm-Assertion; None if none is made
    """
    verified = admitted.verified
    candidate, client = verified.candidate, verified.client
    # A device that is onboarded has no id yet.
    who = f"Wfm-Client-Id: {client.client_id}\r\n" if client.client_id else ""
    when = "" if candidate.created is None else f", created={candidate.created}"
    proof = "" if assertion is None else f"{FIELD}: {assertion}\r\n"
    ours = (
        f"{who}Wfm-Client-Cert-Sha256: {verified.certificate.sha256}\r\n"
        f"Wfm-Body-Verified: {'?1' if admitted.body_verified else '?0'}\r\n"
        f'Wfm-Signature: label="{candidate.label}", alg="{verified.algorithm._value_}"{when}, '
        f"components={candidate.components}\r\n{proof}"
    )
    head = admitted.head
    return b"%b%b%b%b%b\r\n" % (
        _first_lines(head.method, target_of(head), verified.authority),
        fields,
        _forwarded(admitted.external, verified.authority),
        ours.encode("ascii"),
        _length(head.method, body_length),
    )


def unverified_head(unverified: Unverified, fields: bytes, body_length: int | None) -> bytes:
    """The head of a request that goes on without proof: as `admitted_head`, but nothing says who sent it (R16)."""
    head, external = unverified.head, unverified.external
    # As it came, if that is another spelling of the authority that is ours; else ours (R7).
    authority = external.authorities[0]
    return b"%b%b%b%b\r\n" % (
        _first_lines(head.method, target_of(head), authority),
        fields,
        _forwarded(external, authority),
        _length(head.method, body_length),
    )


def composed_head(composed: Composed) -> bytes:
    """The head of a request that we compose for an open route: no body, no identity (R16)."""
    # Values were accepted as UTF-8 and must leave as the octets that came.
    fields = "".join([f"{name}: {value}\r\n" for name, value in composed.fields])
    return b"%b%b%b\r\n" % (
        _first_lines(composed.method, composed.target, composed.authority),
        fields.encode(),
        _forwarded(composed.external, composed.authority),
    )


def target_of(head: Head) -> bytes:
    """The target for the backend: the received octets. Of an absolute-form one the path and query (RFC 9112 §3.2.1),
    because that is what was routed; its authority is in Host."""
    if not head.absolute:
        return head.target
    return head.path if head.query is None else head.path + b"?" + head.query


def _first_lines(method: bytes, target: bytes, authority: bytes) -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, target, authority)


def _length(method: bytes, body_length: int | None) -> bytes:
    if body_length is not None:
        return b"Content-Length: %d\r\n" % body_length
    return b"Content-Length: 0\r\n" if method in _WITH_LENGTH else b""


def _forwarded(external: External, authority: bytes) -> bytes:
    address = external.client_address
    client = b"X-Forwarded-For: %b\r\n" % address.encode("ascii") if address else b""
    return b"%bX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (client, external.scheme, authority)


class AnswerHead:
    """What the head of a backend's answer says about its body, and the field lines that go on."""

    __slots__ = ("chunked", "content_length", "has_date", "lines")

    def __init__(self, raw_fields: Sequence[tuple[bytes, bytes]], status: int) -> None:
        """
        :raises BadAnswer: a field that cannot be passed on, or framing that can be read in two ways
        """
        self.content_length: int | None = None
        self.chunked = False
        self.has_date = False
        self.lines: list[bytes] = []
        dropped = _HOP_BY_HOP
        for name, value in raw_fields:
            if name.lower() == b"connection":
                named = {option.strip().lower() for option in value.split(b",")}
                dropped = dropped | (named - _OURS)
        for name, value in raw_fields:
            if _TOKEN.fullmatch(name) is None or _BAD_VALUE.search(value) is not None:
                raise BadAnswer(f"malformed field {name[:64]!r}")
            key = name.lower()
            if key == b"transfer-encoding":
                if self.chunked or value.strip().lower() != b"chunked":
                    raise BadAnswer(f"Transfer-Encoding {value[:64]!r}")
                self.chunked = True
                continue
            if key == b"content-length":
                self._length(value)
                if status == 204:  # RFC 9110 §8.6
                    continue
            elif key in dropped or _is_ours(key):
                continue
            elif key == b"date":
                self.has_date = True
            self.lines.append(name + b": " + value)
        if self.chunked and self.content_length is not None:
            raise BadAnswer("Content-Length beside Transfer-Encoding")

    def _length(self, value: bytes) -> None:
        text = value.strip()
        if self.content_length is not None or not text.isdigit():
            raise BadAnswer(f"Content-Length {value[:64]!r}")
        self.content_length = int(text)


def _is_ours(key: bytes) -> bool:
    # What passes between gateway and backend is nobody else's business, and must not look like it to a hop behind.
    return key[:3] == b"wfm" and len(key) > 3 and not key[3:4].isalnum()


def status_line(status: int, reason: str) -> bytes:
    """The status line as the backend wrote it, but for octets that cannot stand in one."""
    phrase = reason.encode("utf-8", "surrogateescape")
    return b"HTTP/1.1 %d %s" % (status, _BAD_VALUE.sub(b" ", phrase))
