"""The Forwarded field by the grammar of RFC 7239 §4."""

import time

import pytest

from gateway._native import Refused
from gateway.reasons import Reason
from gateway.routing.forwarded import Element, read_forwarded


@pytest.mark.parametrize(
    ("line", "elements"),
    [
        # Examples of RFC 7239 §4, §6.3 and §7.1
        (b'for="_gazonk"', [Element(b"_gazonk")]),
        (b'For="[2001:db8:cafe::17]:4711"', [Element(b"[2001:db8:cafe::17]:4711")]),
        (b"for=192.0.2.60;proto=http;by=203.0.113.43", [Element(b"192.0.2.60", None, b"http")]),
        (b"for=192.0.2.43, for=198.51.100.17", [Element(b"192.0.2.43"), Element(b"198.51.100.17")]),
        (b'for=192.0.2.43, for="[2001:db8:cafe::17]"', [Element(b"192.0.2.43"), Element(b"[2001:db8:cafe::17]")]),
        (b"for=_hidden, for=_SEVKISEK", [Element(b"_hidden"), Element(b"_SEVKISEK")]),
        (
            b"for=192.0.2.43,for=198.51.100.17;by=203.0.113.60;proto=http;host=example.com",
            [Element(b"192.0.2.43"), Element(b"198.51.100.17", b"example.com", b"http")],
        ),
        # Quoted strings hide the separators, and quoted pairs what they escape
        (rb'for="a,b;c=\"d\"\\", host="x\:1"', [Element(b'a,b;c="d"\\'), Element(None, b"x:1")]),
        (b'host="a.example:8443";proto="https"', [Element(None, b"a.example:8443", b"https")]),
        # Empty elements and pairs (RFC 9110 §5.6.1.2, RFC 7239 §4)
        (b"", []),
        (b", ,\t,for=a ,, ", [Element(b"a")]),
        (b";for=a;;proto=b;", [Element(b"a", None, b"b")]),
        (b"for=a ; proto=b", [Element(b"a", None, b"b")]),
        (b'secret=x;ext="y"', [Element()]),
    ],
)
def test_what_the_grammar_takes(line: bytes, elements: list[Element]) -> None:
    assert read_forwarded([line]) == elements


def test_lines_are_one_list() -> None:
    assert read_forwarded([b"for=a, for=b", b"for=c"]) == [Element(b"a"), Element(b"b"), Element(b"c")]


@pytest.mark.parametrize(
    "line",
    [
        b"for",
        b"for=",
        b"=a",
        b"for =a",
        b"for= a",
        b"for=a b",
        b"for=a proto=b",
        b'for="a',
        b'for="a\\',
        b'for="a"b',
        b'for="a"host=b',
        b"for=[::1]",
        b"for=1.2.3.4:80",
        b"host=a.example:443",
        b"for=a;for=a",
        b"for=a;FOR=b",
        b"by=a;by=b",
        b"f\xc3\xb6r=a",
        b"for=\xc3\xb6",
        b'for="\x01"',
        b"for=a, ???",
    ],
)
def test_r6_what_does_not_parse_is_refused(line: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read_forwarded([line])
    assert caught.value.reason == Reason.REQUEST_PROXY_FIELDS


@pytest.mark.parametrize(
    "unit", [b",", b";", b"for=a,", b"a", b'"', b"\\", b" ", b'for="', b'a="b;c";', b"a=", b"for=a;"]
)
def test_r5_a_long_field_is_not_dear(unit: bytes) -> None:
    line = b'a="' * (unit == b"\\") + unit * (32_000 // len(unit))
    started = time.process_time()
    try:
        read_forwarded([line])
    except Refused:
        line = b""
    assert time.process_time() - started < 0.1
