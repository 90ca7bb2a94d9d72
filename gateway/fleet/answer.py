"""Reads one answer off the octets of a connection: as little as a load generator needs, as cheaply as it can."""

from typing import Final

HEAD_LIMIT_BYTES: Final = 65_536
_LENGTH: Final = b"\r\ncontent-length:"
_CHUNKED: Final = b"\r\ntransfer-encoding: chunked"
_CLOSES: Final = b"\r\nconnection: close"


class Unreadable(Exception):
    """What came is no HTTP/1.1 answer."""


def read_answer(data: bytes, head_only: bool = False) -> tuple[int, bytes, bytes, bool] | None:
    """Status, head in lower case, content, and whether the connection may go on; None while it is not whole.

    :param head_only: the request was a HEAD
    :raises Unreadable: not an answer, or more than one
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > HEAD_LIMIT_BYTES:
            raise Unreadable("a head without an end")
        return None
    # RFC 9112 §4: status-line = HTTP-version SP status-code SP [ reason-phrase ]
    code = data[9:12]
    if not data.startswith(b"HTTP/1.1 ") or not code.isdigit():
        raise Unreadable("no HTTP/1.1 status line")
    status = int(code)
    if status < 200:  # an interim answer: the one that counts follows
        return read_answer(data[end + 4 :], head_only)
    head = data[: end + 2].lower()
    goes_on = _CLOSES not in head
    begin = end + 4
    if head_only or status in (204, 304):
        return _whole(data, status, head, begin, begin, goes_on)
    at = head.find(_LENGTH)
    if at >= 0:
        length = head[at + len(_LENGTH) : head.index(b"\r\n", at + 2)].strip()
        if not length.isdigit():
            raise Unreadable("a Content-Length that is no number")
        stop = begin + int(length)
        return None if len(data) < stop else _whole(data, status, head, begin, stop, goes_on)
    if _CHUNKED in head:
        return _chunked(data, status, head, begin, goes_on)
    raise Unreadable("an answer without a length")


def _whole(
    data: bytes, status: int, head: bytes, begin: int, stop: int, goes_on: bool
) -> tuple[int, bytes, bytes, bool]:
    if len(data) != stop:
        raise Unreadable("octets after the answer")
    return status, head, data[begin:stop], goes_on


def _chunked(data: bytes, status: int, head: bytes, at: int, goes_on: bool) -> tuple[int, bytes, bytes, bool] | None:
    """RFC 9112 §7.1, without trailers."""
    pieces = []
    while (end := data.find(b"\r\n", at)) >= 0:
        try:
            size = int(data[at:end].partition(b";")[0], 16)
        except ValueError:
            raise Unreadable("a chunk without a size") from None
        at = end + 2
        if len(data) < at + size + 2:
            return None
        pieces.append(data[at : at + size])
        at += size + 2
        if size == 0:
            if len(data) != at:
                raise Unreadable("octets after the answer")
            return status, head, b"".join(pieces), goes_on
    return None


def etag_of(head: bytes, data: bytes) -> bytes | None:
    """The entity tag as it was sent: `head` is in lower case, `data` is not."""
    at = head.find(b"\r\netag:")
    return None if at < 0 else data[at + 7 : head.index(b"\r\n", at + 2)].strip()
