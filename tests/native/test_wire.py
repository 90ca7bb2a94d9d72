"""WireReader: only whole, strictly read messages get through, however the connection's octets are cut (R4, R5, R14)."""

import random
import resource
import sys
import time
from typing import NamedTuple

import pytest

from gateway._native import Refused, WireReader

GET = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b'5\r\nhello\r\n00A;name="v\r\t"\r\n0123456789\r\n0;x\r\nTrailer-Field: x\r\nOther: y\r\n\r\n'.replace(
    b"\r\t", b"\t"
)
REMADE = b"5\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n"


class Read(NamedTuple):
    """What a reader made of a connection: octets handed on, targets of the heads, state at the end, refusal."""

    octets: bytes
    targets: list[bytes]
    head_pending: bool
    body_pending: bool
    reason: str | None


def read(*pieces: bytes, head_limit_bytes: int = 32768, field_limit: int = 100) -> Read:
    """Feed the pieces one by one to a fresh reader, up to a refusal."""
    reader = WireReader(head_limit_bytes, field_limit)
    octets, targets, reason = b"", [], None
    for piece in pieces:
        try:
            octets += reader.feed(piece)
        except Refused as refused:
            octets += reader.accepted
            reason = refused.reason
        while (head := reader.take_head()) is not None:
            targets.append(head.target)
        if reason is not None:
            break
    return Read(octets, targets, reader.head_pending, reader.body_pending, reason)


def each(data: bytes) -> list[bytes]:
    """`data` in pieces of one octet."""
    return [data[at : at + 1] for at in range(len(data))]


def test_hands_on_what_it_was_given() -> None:
    reader = WireReader()
    assert reader.feed(b"") == b""
    for data in (GET, POST, GET + POST + GET):
        assert reader.feed(data) is data, "without a copy"
    heads = [reader.take_head() for _ in range(6)]
    assert [head and head.target for head in heads] == [b"/a", b"/b", b"/a", b"/b", b"/a", None]
    assert reader.accepted == b""


def test_r4_chunks_are_made_again_and_trailers_dropped() -> None:
    assert read(CHUNKED + CHUNKS + GET) == Read(CHUNKED + REMADE + GET, [b"/c", b"/a"], False, False, None)


def test_a_chunk_is_handed_on_as_it_arrives() -> None:
    reader = WireReader()
    assert reader.feed(CHUNKED) == CHUNKED
    assert reader.feed(b"000") == b""
    assert reader.feed(b"f;a") == b""
    assert reader.feed(b"\r\nab") == b"f\r\nab"
    assert reader.feed(b"c") == b"c"
    assert reader.body_pending
    assert reader.feed(b"defghijklmno\r") == b"defghijklmno"
    assert reader.feed(b"\n0\r\n") == b"\r\n"
    assert reader.feed(b"T: x\r\n\r") == b""
    assert reader.body_pending
    assert reader.feed(b"\nGET") == b"0\r\n\r\n"
    assert reader.head_pending
    assert not reader.body_pending


def test_pending() -> None:
    reader = WireReader()
    states = []
    for octet in each(b"\r\n" + POST):
        reader.feed(octet)
        states.append((reader.head_pending, reader.body_pending))
    head = len(POST) - 5
    between, in_head, in_body = (False, False), (True, False), (False, True)
    assert states == [between] * 2 + [in_head] * (head - 1) + [in_body] * 5 + [between]


def test_a_head_can_be_taken_as_soon_as_it_is_complete() -> None:
    reader = WireReader()
    for octet in each(POST[:-6]):
        reader.feed(octet)
        assert reader.take_head() is None
    assert reader.feed(POST[-6:-5]) == POST[:-5]
    head = reader.take_head()
    assert head is not None
    assert head.content_length == 5


def test_r4_one_crlf_before_a_request_line() -> None:
    assert read(b"\r\n" + GET + b"\r\n" + POST + b"\r\n" + CHUNKED + CHUNKS + b"\r\n" + GET).octets == (
        GET + POST + CHUNKED + REMADE + GET
    )
    for start in (b"\r\n\r\n", b"\n", b"\r\r\n", b"\rG", b"\r\n\n", b"\r\n "):
        assert read(start + GET).reason == "request.bad_request_line", start


@pytest.mark.parametrize("first", [b"\x16\x03\x01\x02", b"\x00", b"\xff", b" GET", b":", b"\x80"])
def test_another_protocol_is_refused_at_its_first_octet(first: bytes) -> None:
    assert read(first[:1]).reason == "request.bad_request_line"


def test_nothing_behind_the_last_message_is_read() -> None:
    # RFC 9112 §9.6
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert read(POST + last + POST + b"\x00" * 99) == Read(POST + last, [b"/b", b"/a"], False, False, None)
    old = b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab"
    assert read(old + GET).octets == old
    assert read(*each(old + GET)).octets == old


STREAMS = {
    "accepted": b"\r\n" + GET + POST + b"\r\n" + CHUNKED + CHUNKS + GET + CHUNKED + b"0\r\n\r\n" + POST,
    "closing": CHUNKED.replace(b"Host", b"Connection: close\r\nHost") + CHUNKS + GET,
    "bad field": POST + b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    "bare LF in a field": POST + b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare LF in a request line": POST + b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare CR": POST + b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "bad chunk end": CHUNKED + b"5\r\nhello\rxworld",
    "bad chunk size": CHUNKED + b"5\r\nhello\r\n5 \r\nworld",
    "reserved trailer": GET + CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\nWFM_client_id: x\r\n\r\n" + GET,
    "unfinished": GET + POST[:-2],
    "unfinished head": GET + CHUNKED + CHUNKS + GET[:-2],
    "garbage": GET + b"\x00\x01\x02",
}


@pytest.mark.parametrize("name", STREAMS)
def test_r4_the_cut_makes_no_difference(name: str) -> None:
    stream = STREAMS[name]
    whole = read(stream)
    for cut in range(len(stream) + 1):
        assert read(stream[:cut], stream[cut:]) == whole, cut
    assert read(*each(stream)) == whole
    rng = random.Random(name)
    for _ in range(300):
        cuts = sorted(rng.choices(range(len(stream) + 1), k=rng.randrange(1, 9)))
        assert read(*(stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True))) == whole, cuts


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_each_truncation_gives_a_part_of_the_whole(stream: bytes) -> None:
    whole = read(stream)
    for end in range(len(stream)):
        part = read(stream[:end])
        assert whole.octets.startswith(part.octets)
        assert whole.targets[: len(part.targets)] == part.targets
        assert part.reason in (None, whole.reason)


@pytest.mark.parametrize(
    ("stream", "accepted", "reason"),
    [
        (POST + b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", POST, "request.bad_target"),
        (POST + b"GET / HTTP/3\r\nHost: a\r\n\r\n", POST, "request.bad_version"),
        (POST + b"GET / HTTP/1.1\r\n\r\n", POST, "request.bad_host"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", b"", "request.upgrade_refused"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", b"", "request.expectation_failed"),
        (CHUNKED.replace(b"Host", b"Content-Length: 1\r\nHost") + CHUNKS, b"", "request.bad_framing"),
        (CHUNKED + b"0\r\nbad\r\n\r\n", CHUNKED, "request.bad_field"),
        (CHUNKED + b"0\r\nT: x\n\r\n", CHUNKED, "request.bad_field"),
        (CHUNKED + b"0\r\n\nGET", CHUNKED, "request.bad_field"),
        (CHUNKED + b"0\r\n folded\r\n\r\n", CHUNKED, "request.bad_field"),
        (CHUNKED + b"1\r\nx\r\n0\r\nT: \xff\r\n\r\n", CHUNKED + b"1\r\nx\r\n", "request.bad_field"),
        (CHUNKED + b"1\r\nx\r\n0\r\nwfm.tenant: y\r\n\r\n", CHUNKED + b"1\r\nx\r\n", "request.reserved_name"),
        (CHUNKED + b"2\r\nxy\nz", CHUNKED + b"2\r\nxy", "request.bad_chunk"),
        (CHUNKED + b"2\r\nxyz\r\n", CHUNKED + b"2\r\nxy", "request.bad_chunk"),
    ],
)
def test_r4_a_refusal_is_final(stream: bytes, accepted: bytes, reason: str) -> None:
    reader = WireReader()
    for again in (stream, b"", GET, b"\x00"):
        with pytest.raises(Refused) as caught:
            reader.feed(again)
        assert caught.value.reason == reason
        assert reader.accepted == (accepted if again is stream else b"")
    assert reader.body_pending == (CHUNKED in stream)


@pytest.mark.parametrize(
    "size", [b"5", b"05", b"0000000000000005", b"5;a", b"5;a=b;c", b'5;a="x y"', b"5;" + b"x" * 256]
)
def test_chunk_sizes(size: bytes) -> None:
    assert read(CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n").octets == CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"


def test_large_chunk_sizes() -> None:
    largest = b"4000000000000000"
    assert read(CHUNKED + largest + b"\r\nab") == Read(CHUNKED + largest + b"\r\nab", [b"/c"], False, True, None)
    assert read(CHUNKED + b"DEADBEEF\r\nab").octets == CHUNKED + b"deadbeef\r\nab"


@pytest.mark.parametrize(
    "size",
    [
        b"\r\n", b";a\r\n", b" 5\r\n", b"5 \r\n", b"5\t;a\r\n", b"0x5\r\n", b"-5\r\n", b"+5\r\n", b"5_\r\n", b"g\r\n", b"5\n", b"5\rh",
        b"00000000000000005\r\n", b"4000000000000001\r\n", b"ffffffffffffffff\r\n", b"10000000000000000\r\n", b"5;\x00\r\n", b"5;\n",
        b"5;a\nb\r\n", b"5;a\rb\r\n", b"5;\xc3\xa9\r\n", b"5;" + b"x" * 257 + b"\r\n", b"\xff\r\n", b"5,5\r\n",
    ],
)  # fmt: skip
def test_r4_bad_chunk_sizes(size: bytes) -> None:
    stream = CHUNKED + size + b"hello\r\n0\r\n\r\n"
    assert read(stream) == read(*each(stream)) == Read(CHUNKED, [b"/c"], False, True, "request.bad_chunk")


@pytest.mark.parametrize("limit", [40, 1000, 32768])
def test_r5_head_limit(limit: int) -> None:
    start, end = b"GET / HTTP/1.1\r\nHost: ", b"\r\n\r\n"
    fitting = start + b"a" * (limit - len(start) - len(end)) + end
    for pieces in ([fitting], each(fitting)):
        assert read(*pieces, head_limit_bytes=limit) == Read(fitting, [b"/"], False, False, None)
    # Refused as soon as the limit is reached without an end, whatever else is there.
    longer = fitting[:-4] + b"a" + end
    for pieces in ([longer], each(longer), [longer[:limit]], each(longer[:limit])):
        assert read(*pieces, head_limit_bytes=limit).reason == "request.head_too_large"
    assert read(longer[: limit - 1], head_limit_bytes=limit).reason is None


def test_r5_trailers_are_bounded_like_heads() -> None:
    line = b"T: x\r\n"
    assert read(CHUNKED + b"0\r\n" + line * 100 + b"\r\n").reason is None
    assert read(CHUNKED + b"0\r\n" + line * 101 + b"\r\n").reason == "request.too_many_fields"
    assert read(CHUNKED + b"0\r\n" + b"T: " + b"x" * 32768).reason == "request.head_too_large"
    assert read(GET.replace(b"Host", b"X: y\r\nHost"), field_limit=1).reason == "request.too_many_fields"


@pytest.mark.parametrize("filling", [b"a", b"a: b\r\n", b"\r", b"GET / HTTP/1.1\r\n"])
def test_r5_one_megabyte_of_head_is_cut_off_at_the_limit(filling: bytes) -> None:
    data = b"GET / HTTP/1.1\r\n" + (filling * 1_000_000)[:1_000_000]
    assert read(data).reason == "request.head_too_large"
    reader = WireReader()
    for octet in each(data)[:32767]:
        assert reader.feed(octet) == b""
    with pytest.raises(Refused, match="head_too_large"):
        reader.feed(data[32767:32768])


def test_r5_time_is_linear_in_pieces() -> None:
    # A reader that looks at the whole head again for each piece needs 400 times as long for 20 times as much.
    def seconds(size: int) -> float:
        data = each(b"GET / HTTP/1.1\r\nX: " + b"a" * size)
        best = 9.0
        for _ in range(5):
            reader = WireReader(1 << 20)
            start = time.thread_time()
            for octet in data:
                reader.feed(octet)
            best = min(best, time.thread_time() - start)
        return best

    assert seconds(200_000) < 80 * seconds(10_000)


def peak_bytes() -> int:
    """Largest resident size of this process so far; macOS counts in octets, Linux in KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def test_r5_memory_is_bounded_and_given_back() -> None:
    body = b"x" * 65536
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    before = peak_bytes()
    reader = WireReader()
    reader.feed(CHUNKED)
    for _ in range(2000):  # 125 MiB
        assert len(reader.feed(chunk)) == len(chunk)
    for _ in range(30_000):  # of the list of lines, 2 KiB each
        assert read(GET[:-2] + b"X: y\r\n" * 90 + b"\r\n").reason is None
    large = GET[:-2] + b"X: y\r\n" * 90 + b"X: " + body[:32000]
    for ending, reason in (
        (b"\r\n\r\n", None),
        (b"\n", "request.bad_field"),
        (b"\x00\r\n\r\n", "request.bad_field"),
        (b"", None),
    ):
        for _ in range(2000):  # 60 MiB of each
            assert read(large, ending).reason == reason
    assert peak_bytes() - before < 32 << 20


def test_limits_are_positive() -> None:
    for limits in ((0, 100), (-5, 100), (32768, 0)):
        with pytest.raises(ValueError, match="limits"):
            WireReader(*limits)


def test_only_bytes_are_taken() -> None:
    for wrong in (None, "GET", bytearray(GET), memoryview(GET)):
        with pytest.raises(TypeError):
            WireReader().feed(wrong)  # type: ignore[arg-type]
