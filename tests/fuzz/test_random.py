"""Random octets and random edits: a value or a reason of the table, and one reading of a stream however it is cut."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import _native as native
from gateway._native import WireReader
from tests.fuzz.requests import REASONS, judge
from tests.outcomes import head_facts
from tests.property.strategies import OCTETS, mutated_requests, signed_requests

NOISE = st.one_of(st.binary(max_size=300), st.lists(OCTETS, max_size=200).map(bytes))


@settings(max_examples=500, deadline=None)
@given(NOISE)
def test_noise_is_no_request(noise: bytes) -> None:
    # No octets that hypothesis finds make a request with a Host and a signature; they all have a reason.
    assert judge(noise).startswith(("request.", "signature.missing"))


@settings(max_examples=500, deadline=None)
@given(NOISE, NOISE)
def test_noise_in_the_fields_of_a_signature(inputs: bytes, values: bytes) -> None:
    raw = b"GET / HTTP/1.1\r\nHost: x\r\nSignature-Input: " + inputs + b"\r\nSignature: " + values + b"\r\n\r\n"
    assert judge(raw) in REASONS


@settings(max_examples=500, deadline=None)
@given(mutated_requests(at_most=12))
def test_many_edits(raw: bytes) -> None:
    assert judge(raw) in REASONS | {"accepted"}


BODIES = st.sampled_from(
    [b"", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\n\r\n", b"zz", b"x" * 18]
)


def read(pieces: list[bytes]) -> tuple[bytes, list[Any], str]:
    """Feed the pieces; what was accepted in all, the heads, and how it ended."""
    reader = WireReader()
    accepted = b""
    ending = "open"
    try:
        for piece in pieces:
            accepted += reader.feed(piece)
    except native.Refused as refused:
        accepted += reader.accepted
        ending = str(refused.reason)
    heads = []
    while (head := reader.take_head()) is not None:
        heads.append(head_facts(head))
    return accepted, heads, ending


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.one_of(mutated_requests(), signed_requests()), BODIES), min_size=1, max_size=3), st.data())
def test_a_stream_reads_the_same_however_it_is_cut(messages: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    stream = b"".join(head + body for head, body in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = read([stream])
    assert read(pieces) == whole
    assert read([stream[at : at + 1] for at in range(len(stream))]) == whole
    assert whole[2] in REASONS | {"open"}
