"""Answers of a backend: what is accepted, what goes on, and that aiohttp's parser with `headers.AnswerHead` agrees."""

import asyncio
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser

from gateway._native import Refused, parse_answer
from gateway.proxy.headers import AnswerHead, BadAnswer, status_line
from tests.support.answers import Connected

B = b"\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

GOOD = [
    b"HTTP/1.1 200 OK" + B,
    b"HTTP/1.1 200" + B,
    b"HTTP/1.1 200 " + B,
    b"HTTP/1.0 200 OK" + B,
    b"HTTP/1.0 200 OK\r\nConnection: x, Keep-Alive" + B,
    b"HTTP/1.1 999 Odd  reason " + B,
    b"HTTP/1.1 200 O\x00K\xff\x01" + B,
    b"\r\n\nHTTP/1.1 200 OK" + B,
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\nok",
    b"HTTP/1.1 200 OK\r\nA: \t b \x01\x7f\xff c\t " + B,
    b"HTTP/1.1 200 OK\r\nA:\r\na:b\r\nA: \t " + B,
    b"HTTP/1.1 200 OK\r\nContent-Length: 0002 \t\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: X-One , content-length,x-TWO,\r\nX-One: 1\r\nx-two: 2\r\nX-Three: 3" + B,
    b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, CLOSE" + B,
    b"HTTP/1.1 200 OK\r\nConnection: date\r\nDate: Sun, 22 Nov 2026 03:00:00 GMT" + B,
    b"HTTP/1.1 200 OK\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: a\r\nTrailer: b\r\nUpgrade: c" + B,
    b"HTTP/1.1 200 OK\r\nWfm-Client-Id: dev1\r\nwfm_x: 1\r\nwfmx: 2\r\nwfm: 3\r\nWFM.a: 4\r\nWfm0: 5" + B,
    b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\nA: b\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: x\r\n\r\n",
    b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK" + B,
    CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
    CHUNKED.replace(b"chunked", b" Chunked") + b"1\r\no\r\n0001 \t\r\nk\r\n000\r\n\r\n",
    CHUNKED + b'2;a=b;c="d;\\" e"\r\nok\n0;x\r\nA: b\nC:\t\xff \r\n\n',
    CHUNKED + b"A\r\n0123456789\r\nf\r\nabcdefghijklmno\r\n0\r\n\r\n",
    CHUNKED.replace(b"1.1", b"1.0") + b"2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nup to the end",
    b"HTTP/1.1 200 OK\r\nDate: x\r\n\r\n",
]

BAD = [
    b"HTTP/1.1  200 OK" + B,
    b"HTTP/1.2 200 OK" + B,
    b"http/1.1 200 OK" + B,
    b"HTTP/1.1 2000 OK" + B,
    b"HTTP/1.1 20 OK" + B,
    b"HTTP/1.1 099 OK" + B,
    b" HTTP/1.1 200 OK" + B,
    b"ICY 200 OK" + B,
    b"HTTP/1.1 200 OK\rContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nA: b\rc" + B,
    b"HTTP/1.1 200 OK\r\nA: b\x00c" + B,
    b"HTTP/1.1 200 OK\r\nA : b" + B,
    b"HTTP/1.1 200 OK\r\n: b" + B,
    b"HTTP/1.1 200 OK\r\nA b" + B,
    b"HTTP/1.1 200 OK\r\nA@: b" + B,
    b"HTTP/1.1 200 OK\r\n c" + B,
    b"HTTP/1.1 200 OK\r\nA" + B,
    b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    CHUNKED.replace(b"chunked", b"gzip, chunked") + b"2\r\nok\r\n0\r\n\r\n",
    CHUNKED.replace(b"chunked", b"chunked\r\nTransfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n",
    CHUNKED.replace(b"chunked", b"identity") + b"ok",
    CHUNKED.replace(b"chunked", b"") + b"ok",
    CHUNKED + b"2\nok\r\n0\r\n\r\n",
    CHUNKED + b"2\r\nokx\r\n0\r\n\r\n",
    CHUNKED + b"fffffffffffffffff\r\nok",
    CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
    CHUNKED + b" 2\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"2;a\x01\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"2;a\rb\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"2\r\nok\r\n0\r\nA b\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 257 + b"\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + b"HTTP/1.1 200 OK" + B,
]

STRICTER = [
    b"HTTP/2.0 200 OK" + B,
    b"HTTP/0.9 200 OK" + B,
    b"HTTP/1.1 200 OK\r\nA: b\r\n c" + B,
    b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nok",
    CHUNKED + b"ffffffffffffffff\r\nok",
]
"""Refused by us alone: another protocol, a folded line (RFC 9112 §5.2 lets a proxy refuse
it), lengths that do not fit 63 bits."""

LAXER = [
    b"HTTP/1.1 200 OK" + B + b"xx",
    b"HTTP/1.1 204 No Content" + B,
    CHUNKED + b"2\r\nok\r\n0\r\n\r\nxx",
    CHUNKED + b'2;"\r\nok\r\n0\r\n\r\n',
    CHUNKED + b"2;a=b c\r\nok\r\n0\r\n\r\n",
    CHUNKED + b"2\r\nok\r\n0\r\nContent-Length: 4\r\n\r\n",
]
"""Relayed by us alone, if all comes in one read: octets behind an answer end the connection, not the answer; what is
not read in chunks (extensions, trailers) is not judged beyond its octets."""


class Outcome(NamedTuple):
    """What became of an answer: all of it is None if it was refused."""

    status: int | None = None
    head: bytes | None = None
    has_date: bool | None = None
    content_length: int | None = None
    content: bytes | None = None
    ended: bool | None = None


def ours(*pieces: bytes, head_only: bool = False) -> Outcome:
    """What a connection of the pool makes of the octets; the backend then closes."""
    connected = Connected()
    _, heard = connected.ask(head_only=head_only)
    for piece in pieces:
        if not connected.transports[0].aborted:
            connected.connections[0].data_received(piece)
    whole = heard.ended
    if not connected.transports[0].aborted:
        connected.connections[0].eof_received()
    if not connected.transports[0].aborted:
        connected.connections[0].connection_lost(None)
    assert heard.ended is (heard.failed is None)
    detail = "" if heard.failed is None else heard.failed[1]
    if heard.begun is None or (detail and "broke off" not in detail):
        assert heard.reason in ("upstream.bad_answer", "upstream.unreachable")
        return Outcome()
    status, head, has_date, content_length, _ = heard.begun
    return Outcome(status, head, has_date, content_length, heard.content, whole)


class Protocol(BaseProtocol):
    """For aiohttp's parser: nothing pauses."""

    def pause_reading(self) -> None: ...
    def resume_reading(self, resume_parser: bool = True) -> None: ...


def theirs(raw: bytes, head_only: bool, loop: asyncio.AbstractEventLoop) -> Outcome:
    """What aiohttp's parser and our Python code make of them."""
    parser = HttpResponseParser(
        Protocol(loop),
        loop,
        2**20,
        max_line_size=65536,
        max_field_size=65536,
        max_headers=256,
        response_with_body=not head_only,
        read_until_eof=True,
        auto_decompress=False,
    )
    try:
        messages, _, _ = parser.feed_data(raw)
    except HttpProcessingError:
        return Outcome()
    interim = 0
    while interim < len(messages) and messages[interim][0].code < 200 and messages[interim][0].code != 101:
        interim += 1
    if interim >= min(len(messages), 16) or messages[interim][0].code == 101:
        return Outcome()
    message, payload = messages[interim]
    try:
        answer = AnswerHead(message.raw_headers, message.code)
    except BadAnswer:
        return Outcome()
    if payload.exception() is not None or answer.chunked is not message.chunked:
        return Outcome()  # aiohttp does not take `chunked` with white space behind it for chunks
    lines = [status_line(message.code, message.reason), *answer.lines]
    length = -1 if answer.content_length is None else answer.content_length
    content = payload.read_nowait() if getattr(payload, "total_bytes", 0) else b""
    return Outcome(
        message.code, b"".join(line + b"\r\n" for line in lines), answer.has_date, length, content, payload.is_eof()
    )


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """For objects that want one; it never runs."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.mark.parametrize("raw", GOOD)
def test_what_is_accepted_goes_on_as_over_the_other_plane(raw: bytes, loop: asyncio.AbstractEventLoop) -> None:
    found = ours(raw)
    assert found == theirs(raw, False, loop)
    assert found.status is not None


@pytest.mark.parametrize("raw", BAD)
def test_what_is_refused_is_refused_by_the_other_plane_too(raw: bytes, loop: asyncio.AbstractEventLoop) -> None:
    assert ours(raw) == Outcome()
    assert theirs(raw, False, loop) == Outcome()


@pytest.mark.parametrize("raw", STRICTER)
def test_refused_by_us_alone(raw: bytes, loop: asyncio.AbstractEventLoop) -> None:
    assert ours(raw) == Outcome()
    assert theirs(raw, False, loop) != Outcome()


@pytest.mark.parametrize("raw", LAXER)
def test_relayed_by_us_alone(raw: bytes, loop: asyncio.AbstractEventLoop) -> None:
    found = ours(raw)
    assert (found.ended, found.content) == (True, b"" if found.status == 204 else b"ok")
    assert theirs(raw, False, loop) == Outcome()


@pytest.mark.parametrize("raw", [*GOOD, *BAD])
def test_answers_to_head_have_no_content(raw: bytes, loop: asyncio.AbstractEventLoop) -> None:
    head, empty, _ = raw.partition(b"\r\n\r\n")
    if b"HTTP/1.1 1" in raw or not empty:
        return
    raw = head + empty
    found = ours(raw, head_only=True)
    assert found == theirs(raw, True, loop)
    assert found == Outcome() or (found.ended and found.content == b"")


@pytest.mark.parametrize("raw", [*GOOD, *BAD, *STRICTER])
def test_where_the_octets_are_cut_changes_nothing(raw: bytes) -> None:
    whole = ours(raw)
    for cut in range(1, len(raw), max(1, len(raw) // 400)):
        assert ours(raw[:cut], raw[cut:]) == whole
    assert ours(*(raw[at : at + 1] for at in range(len(raw)))) == whole


def test_mutated_answers_are_judged_alike_and_harm_nothing(loop: asyncio.AbstractEventLoop) -> None:
    """Whatever we take, the other plane takes too and reads alike, but for what is told above."""
    rng = random.Random(9112)
    agreed = 0
    for _ in range(6000):
        raw = bytearray(rng.choice(GOOD + BAD))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(raw))
            how = rng.randrange(4)
            if how == 0:
                raw[at] = rng.choice(b"\0\r\n\t :;,0129aAfFgx\xff")
            elif how == 1:
                del raw[at]
            elif how == 2:
                raw.insert(at, rng.choice(b"\r\n 0;:a"))
            else:
                raw[at:at] = raw[at : at + rng.randint(1, 20)]
        octets = bytes(raw)
        found = ours(octets)
        cut = rng.randrange(len(octets) + 1)
        assert ours(octets[:cut], octets[cut:]) == found, octets
        wanted = theirs(octets, False, loop)
        if found == Outcome() or wanted == Outcome():
            continue
        assert found == wanted, octets
        agreed += 1
    assert agreed > 1000


def test_head_alone() -> None:
    raw = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nDate: x\r\nContent-Length: 5\r\n\r\n"
    assert parse_answer(raw) == (200, b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\n", 5, False, True, True)
    for part in (b"", b"HTTP/1.1 200 OK\r\n\r\nx", b"HTTP/1.1 200 OK\r\nA: b", b"\r\n\r\n"):
        with pytest.raises(Refused) as refused:
            parse_answer(part)
        assert refused.value.reason == "upstream.bad_answer"


def test_head_without_end_is_refused_in_time() -> None:
    connected = Connected()
    _, heard = connected.ask()
    sent = 0
    while heard.failed is None:
        connected.connections[0].data_received(b"HTTP/1.1 200 OK\r\n" if sent == 0 else b"A: b\r\n" * 1000)
        sent += 6000
        assert sent < 100_000
    assert heard.reason == "upstream.bad_answer"
    assert connected.transports[0].aborted


@pytest.mark.parametrize(
    "piece", [b"1;" + b"a" * 70_000, b"2\r\nok\r\n0\r\n" + b"A: b\r\n" * 12_000], ids=["extension", "trailers"]
)
def test_what_surrounds_chunks_is_bounded(piece: bytes) -> None:
    assert ours(CHUNKED, piece) == Outcome()
