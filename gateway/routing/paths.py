"""What a request path may look like before anybody routes by it (R1), and what a client id may look like (R2).

The signature covers raw bytes, the backend acts on what it makes of them. A path on which two readers could differ is
refused here, so that what was signed is what is executed.
"""

import re
from enum import IntFlag
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from gateway._native import Refused
from gateway.reasons import Reason


class Offence(IntFlag):
    """What R1 refuses unless a route of profile `generic` relaxes it (%2F also passes inside of `{deviceId}`)."""

    NONE = 0
    ENCODED_SLASH = 1
    SEMICOLON = 2
    PERCENT = 4
    EMPTY_SEGMENT = 8
    NON_ASCII = 16


class Segments(msgspec.Struct, frozen=True, gc=False):
    """The `raw` bytes between the slashes, the last empty after a trailing slash; `offences` is a sum of `Offence`."""

    raw: list[bytes]
    offences: int


# Everything that has one meaning: visible ASCII without the percent sign, the backslash and the semicolon.
_PLAIN: Final = bytes(octet for octet in range(0x21, 0x7F) if octet not in b"%\\;")
_DOT: Final = ord(".")
_ID: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~=-"
_ENCODED_SLASH: Final = re.compile(rb"%2[Ff]")
# C0, DEL and C1 controls; bytes that are not UTF-8 come out as surrogates, which two decoders repair in two ways.
_NEVER: Final = re.compile("[\x00-\x1f\x7f-\x9f\\\\\ud800-\udfff]")
# Some servers cut path parameters off (`..;x` becomes `..`), so a segment is judged up to its semicolon.
_DOT_SEGMENT: Final = re.compile(r"/\.{1,2}(?:[/;]|\Z)")
_EMPTY_SEGMENT: Final = re.compile(r"/[/;]")


def check(path: bytes) -> Segments:
    """Split a raw path at its slashes. Linear in its length.

    :raises Refused: request.ambiguous_path for what no route can relax: dot segments, NUL, controls, backslash, bytes
        that are not UTF-8
    """
    segments = path.split(b"/")
    first = segments.pop(0)  # empty, as every path begins with a slash
    # R1: nearly every path is plain. The rest (which may be harmless too) is looked at closely.
    if first or not segments or path.translate(None, _PLAIN) or b"" in segments or (_DOT in path and b"/." in path):
        return _check_closely(path, segments)
    return Segments(segments, 0)


def read_client_id(segment: bytes) -> str | None:
    """The client id in one raw segment, compared literally and never decoded; None if it is none (R2)."""
    if not 0 < len(segment) <= 128 or segment.translate(None, _ID):
        return None
    return segment.decode()


def _check_closely(path: bytes, raw: list[bytes]) -> Segments:
    if not path.startswith(b"/"):
        raise Refused(Reason.REQUEST_PATH, "the path does not begin with a slash")
    # Whole-path operations only: a loop over segments would make 16,000 slashes expensive (R5).
    separated = _ENCODED_SLASH.sub(b"/", path)
    text = unquote_to_bytes(separated).decode("utf-8", "surrogateescape")  # one decoding
    if _NEVER.search(text):
        raise Refused(Reason.REQUEST_PATH, "a backslash, a control character or bytes that are not UTF-8")
    if _DOT_SEGMENT.search(text):
        raise Refused(Reason.REQUEST_PATH, "a dot segment")
    offences = 0
    if len(separated) != len(path):
        offences |= Offence.ENCODED_SLASH
    if ";" in text:
        offences |= Offence.SEMICOLON
    if "%" in text:
        offences |= Offence.PERCENT
    # Only a plain slash may end a path.
    if _EMPTY_SEGMENT.search(text) or (text.endswith("/") and not path.endswith(b"/")):
        offences |= Offence.EMPTY_SEGMENT
    if not text.isascii():
        offences |= Offence.NON_ASCII
    return Segments(raw, int(offences))
