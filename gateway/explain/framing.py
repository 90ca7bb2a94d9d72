"""The body of a capture: finds what was on the wire, where a log or an editor kept only the content."""

import re
from typing import Final

import msgspec

from gateway.explain.shown import count

_LENGTH: Final = re.compile(rb"^content-length:[ \t]*([0-9]{1,15})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_CHUNKED: Final = re.compile(rb"^transfer-encoding:[ \t]*chunked[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_FRAMED: Final = re.compile(rb"^(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\r\n]*)?(\r?\n)")


class Framed(msgspec.Struct, frozen=True):
    """The head (perhaps with a field more), the body's `octets` as on the wire, and its `content`."""

    head: bytes
    octets: bytes
    content: bytes


def repaired(head: bytes, rest: bytes, notes: list[str]) -> Framed:
    """The body as the head announces it, from what stands behind the head in a capture."""
    if _CHUNKED.search(head):
        return _chunked(head, rest, notes)
    lengths = _LENGTH.findall(head)
    if lengths:
        return _counted(head, rest, int(lengths[0]), notes)
    if _FRAMED.search(head) or not rest.strip(b"\r\n"):
        return Framed(head, b"", b"")
    notes.append(
        f"found {count(len(rest), 'octet')} behind the head, but neither Content-Length nor Transfer-Encoding: "
        "added Content-Length, for on the wire there must be one"
    )
    return Framed(_with_length(head, len(rest)), rest, rest)


def replaced(head: bytes, body: bytes, notes: list[str]) -> Framed:
    """The body that was given apart from the capture, framed as the head says."""
    notes.append(f"took the body, {count(len(body), 'octet')}, from its own file")
    if _CHUNKED.search(head):
        return Framed(head, _one_chunk(body), body)
    lengths = _LENGTH.findall(head)
    if lengths and int(lengths[0]) != len(body):
        notes.append(f"Content-Length says {lengths[0].decode()}: set to {len(body)}")
        return Framed(_LENGTH.sub(b"Content-Length: %d\r" % len(body), head), body, body)
    if lengths or not body:
        return Framed(head, body, body)
    return Framed(_with_length(head, len(body)), body, body)


def content_of(octets: bytes) -> bytes | None:
    """The content of a chunked body whose line ends may be LF alone; None if it is not chunked (RFC 9112 §7.1)."""
    content: list[bytes] = []
    at = 0
    while True:
        size_line = _SIZE_LINE.match(octets, at)
        if size_line is None:
            return None
        size = int(size_line[1], 16)
        at = size_line.end()
        if size == 0:
            return b"".join(content)
        content.append(octets[at : at + size])
        at += size
        end = re.compile(rb"\r?\n").match(octets, at)
        if end is None:
            return None
        at = end.end()


def _chunked(head: bytes, rest: bytes, notes: list[str]) -> Framed:
    content = content_of(rest)
    if content is None:
        if _SIZE_LINE.match(rest) and b"\r\n" in rest:
            return Framed(head, rest, b"")  # meant to be chunked, and broken: the strict reader says how
        content = re.sub(rb"\r?\n\Z", b"", rest)
        notes.append("the head says chunked, but the capture has the body already put together: chunked it again")
        if content != rest:
            notes.append("removed a line end behind the body, which editors add")
        return Framed(head, _one_chunk(content), content)
    if b"\r\n" not in rest:
        notes.append("the lines between the chunks end with LF alone: made them CR LF")
        return Framed(head, _one_chunk(content), content)
    return Framed(head, rest, content)


def _counted(head: bytes, rest: bytes, length: int, notes: list[str]) -> Framed:
    surplus = len(rest) - length
    if surplus == 0:
        return Framed(head, rest, rest)
    if surplus > 0:
        body, behind = rest[:length], rest[length:]
        if behind.strip(b"\r\n"):
            what = f"cut {count(surplus, 'octet')} behind the body of {length} that Content-Length announces"
        else:
            what = "removed the line end behind the body, which editors add"
        notes.append(what)
        return Framed(head, body, body)
    if surplus < 0 and rest:
        as_crlf = re.sub(rb"(?<!\r)\n", b"\r\n", rest)
        for content, what in (
            (as_crlf, "the lines of the body end with LF alone: made them CR LF, which is as long as announced"),
            (rest + b"\n", "put back a line end (LF) behind the body, which makes it as long as announced"),
            (rest + b"\r\n", "put back a line end (CR LF) behind the body, which makes it as long as announced"),
        ):
            if len(content) == length:
                notes.append(what)
                return Framed(head, content, content)
        if len(as_crlf) > length > len(rest) and as_crlf[:length].rstrip(b"\r\n") == as_crlf.rstrip(b"\r\n"):
            notes.append("the lines of the body end with LF alone: made them CR LF, which is as long as announced")
            return Framed(head, as_crlf[:length], as_crlf[:length])
    notes.append(
        f"the capture has {len(rest)} of the {count(length, 'octet')} that Content-Length announces: "
        "give the body with --body FILE"
    )
    return Framed(head, rest, rest)


def _one_chunk(content: bytes) -> bytes:
    if not content:
        return b"0\r\n\r\n"
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)


def _with_length(head: bytes, length: int) -> bytes:
    return head.removesuffix(b"\r\n") + b"Content-Length: %d\r\n\r\n" % length
