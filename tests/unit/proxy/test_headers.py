"""Which fields of a backend's answer go on, and what its head says about its body."""

import pytest

from gateway.proxy.headers import AnswerHead, BadAnswer, status_line


def lines(*fields: tuple[bytes, bytes], status: int = 200) -> list[bytes]:
    """What is passed on of these fields."""
    return AnswerHead(fields, status).lines


def test_order_duplicates_and_octets_are_kept() -> None:
    fields = [(b"Set-Cookie", b"a=1"), (b"x-A", b"gr\xc3\xbc\xdf"), (b"set-cookie", b"b=2"), (b"X-Empty", b"")]
    assert lines(*fields) == [b"Set-Cookie: a=1", b"x-A: gr\xc3\xbc\xdf", b"set-cookie: b=2", b"X-Empty: "]


def test_hop_by_hop_fields_end_here() -> None:
    """RFC 9110 §7.6.1."""
    names = [b"Connection", b"Keep-Alive", b"Proxy-Connection", b"TE", b"Trailer", b"Upgrade"]
    assert lines(*[(name, b"x") for name in names], (b"Y", b"1")) == [b"Y: 1"]


def test_connection_options_take_their_fields_along_but_not_the_framing() -> None:
    fields = [(b"Connection", b"X-A , content-length"), (b"x-a", b"1"), (b"Content-Length", b"3"), (b"B", b"2")]
    assert lines(*fields) == [b"Content-Length: 3", b"B: 2"]
    # Also where the option stands behind its field.
    assert lines((b"X-A", b"1"), (b"connection", b"x-a")) == []


@pytest.mark.parametrize("name", [b"Wfm-Client-Id", b"wfm_client_id", b"WFM.X"])
def test_our_own_names_end_here(name: bytes) -> None:
    assert lines((name, b"forged"), (b"Wfmx", b"theirs")) == [b"Wfmx: theirs"]


def test_what_the_head_says_about_the_body() -> None:
    head = AnswerHead([(b"Content-Length", b" 12 "), (b"Date", b"x")], 200)
    assert (head.content_length, head.chunked, head.has_date) == (12, False, True)
    head = AnswerHead([(b"Transfer-Encoding", b"Chunked")], 200)
    assert (head.content_length, head.chunked, head.has_date) == (None, True, False)
    assert head.lines == []
    assert lines((b"Content-Length", b"0"), status=204) == []


@pytest.mark.parametrize(
    "fields",
    [
        [(b"Content-Length", b"1"), (b"content-length", b"1")],
        [(b"Content-Length", b"+1")],
        [(b"Content-Length", b"1, 1")],
        [(b"Content-Length", b"")],
        [(b"Transfer-Encoding", b"gzip, chunked")],
        [(b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")],
        [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"1")],
        [(b"X Y", b"1")],
        [(b"", b"1")],
        [(b"X", b"a\rb")],
        [(b"X", b"a\nSet-Cookie: x")],
        [(b"X", b"a\x00b")],
    ],
)
def test_heads_that_can_be_read_in_two_ways_are_refused(fields: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(BadAnswer):
        AnswerHead(fields, 200)


def test_status_line_keeps_the_phrase_and_its_octets() -> None:
    assert status_line(404, "Not There") == b"HTTP/1.1 404 Not There"
    assert status_line(200, "") == b"HTTP/1.1 200 "
    assert status_line(200, "a\udcffb\r\nX: 1") == b"HTTP/1.1 200 a\xffb  X: 1"
