"""Answers are read whole, wherever they are cut, and what is none is said to be none."""

import pytest

from gateway.fleet.answer import Unreadable, etag_of, read_answer

PLAIN = b'HTTP/1.1 200 OK\r\nETag: "Ab"\r\nContent-Length: 5\r\n\r\nhello'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"


@pytest.mark.parametrize("whole", [PLAIN, CHUNKED, b"HTTP/1.1 103 Early Hints\r\n\r\n" + PLAIN])
def test_wherever_it_is_cut(whole: bytes) -> None:
    for at in range(len(whole)):
        assert read_answer(whole[:at]) is None
    found = read_answer(whole)
    assert found is not None
    status, _, content, goes_on = found
    assert (status, content, goes_on) == (200, b"hello", True)


@pytest.mark.parametrize(
    ("octets", "status", "goes_on"),
    [
        (b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n', 304, True),
        (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", 204, False),
        (b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 401, False),
    ],
)
def test_without_content(octets: bytes, status: int, goes_on: bool) -> None:
    found = read_answer(octets)
    assert found is not None
    assert (found[0], found[2], found[3]) == (status, b"", goes_on)


def test_head_has_a_length_and_no_content() -> None:
    found = read_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head_only=True)
    assert found is not None
    assert found[2] == b""


def test_the_entity_tag_keeps_its_case() -> None:
    found = read_answer(PLAIN)
    assert found is not None
    assert etag_of(found[1], PLAIN) == b'"Ab"'
    assert etag_of(b"http/1.1 200 ok\r\n", b"HTTP/1.1 200 OK\r\n") is None


@pytest.mark.parametrize(
    "octets",
    [
        PLAIN + b"x",
        CHUNKED + b"x",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * 70_000,
    ],
)
def test_what_is_no_answer(octets: bytes) -> None:
    with pytest.raises(Unreadable):
        read_answer(octets)
