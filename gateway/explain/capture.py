"""Reads a captured request as people paste it, undoes what tools and editors did to it, and says so."""

import re
from typing import Final

import msgspec

from gateway.explain import framing
from gateway.explain.shown import count, shown

_BOM: Final = b"\xef\xbb\xbf"
_CURL_NOISE: Final = re.compile(rb"(?:\*( |$)|[{}] \[[0-9]+ bytes data\])")
_VERSION: Final = re.compile(rb"(?<= )HTTP/(?:2(?:\.0)?|3)(?=\r?\Z)")


class Capture(msgspec.Struct, frozen=True):
    """One request as it goes to the strict reader: `head` with its empty line, `framed` the body as on the wire, `body`
    the content itself."""

    head: bytes
    framed: bytes
    body: bytes
    notes: tuple[str, ...]


def read(raw: bytes, body: bytes | None = None) -> Capture:
    """Normalise a capture. The notes say what was changed: the strict reader sees the result, not the capture.

    :param body: takes the place of whatever stands behind the head
    """
    notes: list[str] = []
    text = _undress(raw, notes)
    head, rest = _split(text, notes)
    version = _VERSION.search(head.split(b"\n", 1)[0])
    if version is not None:
        notes.append(
            f"the capture says {shown(version[0])}: read as HTTP/1.1, which is what a load balancer makes of it for "
            "the gateway"
        )
        head = head[: version.start()] + b"HTTP/1.1" + head[version.end() :]
    if body is not None:
        framed = framing.replaced(head, body, notes)
    else:
        framed = framing.repaired(head, rest, notes)
    return Capture(framed.head, framed.octets, framed.content, tuple(notes))


def _undress(raw: bytes, notes: list[str]) -> bytes:
    """Take off what was put around the request: byte order mark, code fence, indentation, the marks of `curl -v`."""
    text = raw
    if text.startswith(_BOM):
        text = text.removeprefix(_BOM)
        notes.append("removed a UTF-8 byte order mark in front")
    if text[:1] in (b"\r", b"\n"):
        text = text.lstrip(b"\r\n")
        notes.append("removed empty lines in front")
    if text.startswith(b"```"):
        fence, _, text = text.partition(b"\n")
        text = re.split(rb"\r?\n```", text, maxsplit=1)[0]
        notes.append(f"removed the code fence {shown(fence.strip(), 20)}")
    if any(re.match(rb">[ \t]?[A-Z]+ \S+ HTTP/", line) for line in text.split(b"\n", 200)[:200]):
        return _from_curl(text, notes)
    indent = re.match(rb"[ \t]+(?=[A-Z]+ )", text)
    if indent is not None:
        lines = text.split(b"\n")
        notes.append(f"removed an indentation of {count(len(indent[0]), 'character')}")
        return b"\n".join(line.removeprefix(indent[0]) for line in lines)
    return text


def _from_curl(text: bytes, notes: list[str]) -> bytes:
    """Keep the lines that `curl -v` marks with `>`, and what stands behind them until the answer begins."""
    kept: list[bytes] = []
    begun = ended = False
    for line in text.split(b"\n"):
        if line.startswith(b">") and not ended:
            begun = True
            kept.append(line[2:] if line.startswith(b"> ") else line[1:])
        elif line.startswith(b"<"):
            ended = True
        elif begun and not ended and not _CURL_NOISE.match(line):
            kept.append(line)
    notes.append('removed the "> " marks, and the other lines, of a `curl -v` log')
    return b"\n".join(kept)


def _split(text: bytes, notes: list[str]) -> tuple[bytes, bytes]:
    """The head with CR LF after each line and the empty line at its end, and what follows."""
    end = re.search(rb"\n\r?\n", text)
    if end is None:
        head, rest = text.rstrip(b"\r\n") + b"\n\n", b""
        if not head.strip():
            return b"", b""
        notes.append("added the empty line at the end of the head")
        bare = b"\r\n" not in text
    else:
        head, rest = text[: end.end()], text[end.end() :]
        bare = re.search(rb"(?<!\r)\n", head) is not None
    if bare and b"\n" in text.rstrip(b"\r\n"):
        notes.append("the lines of the head end with LF alone: made them CR LF, as they are on the wire")
    head = re.sub(rb"\r?\n", b"\r\n", head)
    return head, rest
