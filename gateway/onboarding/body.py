"""Reads the body of an onboarding request: one JSON object with one certificate, in a way that nobody reads otherwise
(R18). The same octets go on to the WFM, so whatever another parser could take for another certificate is refused."""

import base64
import json
import re
from typing import Any, Final

import msgspec
from cryptography import x509

from gateway._native import Refused
from gateway.model import Certificate
from gateway.onboarding.trust import inspect
from gateway.onboarding.verdict import Reject
from gateway.reasons import ConfigError, Reason
from gateway.registry.certificates import read_certificate

LIMIT_BYTES: Final = 65_536
"""Most octets of an onboarding body: a certificate is a few thousand, and its sender is a stranger (R5)."""

CURRENT: Final = "certificate"
OLDER: Final = "public_certificate"
"""The two names of the member, each with its own name in the answer (`clientId`, `client_id`)."""

_SOURCE: Final = "the certificate"
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\r\n]+={0,2}[\r\n]*", re.ASCII)
_PEM: Final = re.compile(
    rb"\s*-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/\s]+={0,2}\s*-----END CERTIFICATE-----\s*", re.ASCII
)


class Presented(msgspec.Struct, frozen=True):
    """What a device presents of itself: its certificate in three forms, and the body that it signed. `older`: the body
    has the older shape."""

    older: bool
    der: bytes
    x509: x509.Certificate
    certificate: Certificate
    body: bytes
    took_s: float = 0.0


def read_presented(body: bytes, took_s: float = 0.0) -> Presented:
    """The certificate in an onboarding body.

    :param took_s: how long the body took to arrive
    :raises Refused: onboarding.bad_body, onboarding.bad_certificate, trust.weak_key
    """
    members = _members(body)
    name, text = _certificate_member(members)
    certificate, der = _read(text)
    known = inspect(der)
    if isinstance(known, Reject):
        raise Refused(known.reason, known.detail)
    return Presented(name == OLDER, der, certificate, known, body, took_s)


def _members(body: bytes) -> dict[str, Any]:
    try:
        # Not from octets: the decoder would guess UTF-16 and UTF-32 too (RFC 8259 §8.1 knows UTF-8 only).
        value = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except Refused:
        raise
    except RecursionError:
        raise _bad_body("nested too deeply") from None
    except ValueError as error:  # JSON's and Unicode's are ones
        raise _bad_body(f"not JSON: {error}"[:150]) from None
    if not isinstance(value, dict):
        raise _bad_body("not an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """R18: names are unique, also for readers that ignore case (Go's do, with Unicode's folding)."""
    folded = {name.casefold() for name, _ in pairs}
    if len(folded) != len(pairs):
        raise _bad_body("a member name stands twice, if case is ignored")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise _bad_body(f"{name} is not JSON")  # RFC 8259 §6


def _certificate_member(members: dict[str, Any]) -> tuple[str, str]:
    named = [name for name in members if name.casefold() in (CURRENT, OLDER)]
    if len(named) != 1:
        raise _bad_body(f"{len(named)} of the members {CURRENT} and {OLDER}, wanted one")
    name = named[0]
    if name not in (CURRENT, OLDER):
        raise _bad_body(f"the member {name[:40]!r} is spelled in another case")
    text = members[name]
    if not isinstance(text, str):
        raise _bad_body(f"the member {name} is not a string")
    return name, text


def _read(text: str) -> tuple[x509.Certificate, bytes]:
    """Base64 of DER, base64 of PEM, or PEM."""
    data = text.encode("utf-8", "surrogatepass")
    if b"-----BEGIN" in data:
        _check_pem(data)
    elif not _BASE64.fullmatch(text):
        raise _bad_certificate("neither PEM nor base64")
    try:
        certificate, der = read_certificate(data, _SOURCE)
    except ConfigError as error:
        raise _bad_certificate(error.message) from None
    _check_inner(data)
    return certificate, der


def _check_inner(data: bytes) -> None:
    """What stands inside of the base64 is one PEM block and nothing beside it, or DER from its first octet on."""
    if b"-----BEGIN" in data:
        return
    squeezed = b"".join(data.split())
    inner = base64.b64decode(squeezed)
    if base64.b64encode(inner) != squeezed:
        raise _bad_certificate("base64 with wrong padding")
    if inner[:1] != b"\x30":
        _check_pem(inner)


def _check_pem(data: bytes) -> None:
    # RFC 7468 §2 lets text stand around a block; a reader that takes other labels could find a certificate there.
    if not _PEM.fullmatch(data):
        raise _bad_certificate("not one PEM block of a certificate and nothing else")


def _bad_body(detail: str) -> Refused:
    return Refused(Reason.ONBOARDING_BODY, detail)


def _bad_certificate(detail: str) -> Refused:
    return Refused(Reason.ONBOARDING_CERTIFICATE, detail)
