"""Structured fields (RFC 9651): what parses to what, what is refused, and the one serialisation of each value.

The HTTP working group's large set is in `tests/vectors`; this one stands inside the project.
"""

import itertools
from types import ModuleType
from typing import Any

import pytest

from gateway import _native as native
from tests.outcomes import of_structured

# Kind, text, value, canonical text (None: the same as the text).
VALUES: list[tuple[str, bytes, Any, bytes | None]] = [
    # RFC 9651 §3.3.1 to §3.3.8
    ("item", b"42", (42, []), None),
    ("item", b"-0", (0, []), b"0"),
    ("item", b"0042", (42, []), b"42"),
    ("item", b"999999999999999", (999_999_999_999_999, []), None),
    ("item", b"-999999999999999", (-999_999_999_999_999, []), None),
    ("item", b"4.5", (("decimal", "4.5"), []), None),
    ("item", b"-0.10", (("decimal", "-0.1"), []), b"-0.1"),
    ("item", b"-0.0", (("decimal", "0.0"), []), b"0.0"),
    ("item", b"00.500", (("decimal", "0.5"), []), b"0.5"),
    ("item", b"999999999999.999", (("decimal", "999999999999.999"), []), None),
    ("item", b'"hello world"', (("string", "hello world"), []), None),
    ("item", b'"a\\"b\\\\c"', (("string", 'a"b\\c'), []), None),
    ("item", b'""', (("string", ""), []), None),
    ("item", b"foo123/456", (("token", "foo123/456"), []), None),
    ("item", b"*a:b!#$%&'*+-.^_`|~", (("token", "*a:b!#$%&'*+-.^_`|~"), []), None),
    ("item", b":cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg==:", (b"pretend this is binary content.", []), None),
    ("item", b"::", (b"", []), None),
    ("item", b":/+8=:", (b"\xff\xef", []), None),
    ("item", b"?1", (True, []), None),
    ("item", b"?0", (False, []), None),
    ("item", b"@1659578233", (("date", 1659578233), []), None),
    ("item", b"@-1", (("date", -1), []), None),
    (
        "item",
        b'%"This is intended for display to %c3%bcsers."',
        (("display", "This is intended for display to üsers."), []),
        None,
    ),
    ("item", b'%"%41%25%22"', (("display", 'A%"'), []), b'%"A%25%22"'),
    # §3.1.2, §4.2.3.2
    ("item", b"text;a=1;b;c=?0;a=2", (("token", "text"), [("a", 2), ("b", True), ("c", False)]), b"text;a=2;b;c=?0"),
    ("item", b"1;  a=?1", (1, [("a", True)]), b"1;a"),
    ("item", b"  1  ", (1, []), b"1"),
    # §3.1, §3.1.1
    ("list", b"sugar, tea, rum", [(("token", "sugar"), []), (("token", "tea"), []), (("token", "rum"), [])], None),
    ("list", b"a \t,\t b,c", [(("token", "a"), []), (("token", "b"), []), (("token", "c"), [])], b"a, b, c"),
    ("list", b"", [], b""),
    ("list", b"  ", [], b""),
    (
        "list",
        b'("foo";a=1   "b" );lvl=5, ()',
        [([(("string", "foo"), [("a", 1)]), (("string", "b"), [])], [("lvl", 5)]), ([], [])],
        b'("foo";a=1 "b");lvl=5, ()',
    ),
    # §3.2
    (
        "dictionary",
        b"a=?0, b, c;foo=bar",
        [("a", (False, [])), ("b", (True, [])), ("c", (True, [("foo", ("token", "bar"))]))],
        None,
    ),
    ("dictionary", b"a=1, b=2, a=3", [("a", (3, [])), ("b", (2, []))], b"a=3, b=2"),
    (
        "dictionary",
        b"a=?1;x,*k-_.*=(1)",
        [("a", (True, [("x", True)])), ("*k-_.*", ([(1, [])], []))],
        b"a;x, *k-_.*=(1)",
    ),
    ("dictionary", b"", [], b""),
]


@pytest.mark.parametrize(("kind", "text", "value", "canonical"), VALUES)
def test_values(backend: ModuleType, kind: str, text: bytes, value: Any, canonical: bytes | None) -> None:
    assert of_structured(backend, kind, text) == (value, text if canonical is None else canonical)


REFUSED = {
    "item": [
        b"", b" ", b"\t1", b"1\t", b"1 2", b"1,2", b"1000000000000000", b"-1000000000000000", b"0000000000000001", b"-", b"--1",
        b"+1", b"1.", b".1", b"1.0000", b"1000000000000.0", b"1.2.3", b"1e3", b'"a', b'a"', b'"\\a"', b'"\\', b'"\x7f"', b'"\x1f"',
        b'"\t"', b'"\xc3\xa4"', b":YQ:", b":YR==:", b":YQ==", b"YQ==:", b":YQ=:", b":YQ===:", b":Y=Q=:", b":YQ==YQ==:", b":Y Q==:",
        b":-_==:", b":Y:", b"?", b"?2", b"?true", b"@", b"@1.0", b"@a", b'%"%C3%BC"', b'%"%c3"', b'%"%c"', b'%"%zz"', b"%a", b'%"a',
        b'%"\xc3\xbc"', b"(1)", b"a;", b"a;B", b"a;1", b"a; ", b"a ;b", b"a;b=", b"a;b=(1)", b"a;b= 1", b"a;b =1", b"!a", b"a=1",
        b"\x00", b"a\x00", b"'a'", b"{", b"a(", b"/a",
    ],
    "list": [
        b"a,", b",a", b"a,,b", b"a b", b",", b"(a", b"a)", b"(a,b)", b"(a\tb)", b'("a""b")', b"((a))", b"(a);", b"()()", b"\ta",
        b"a;b=(c)",
    ],
    "dictionary": [
        b"a=1,", b",a=1", b"a=1,,b", b"A=1", b"1=a", b"a=", b"a =1", b"a= 1", b"a=1 b=2", b"=1", b"a==1", b"a=(", b"a=1;", b"-a=1",
        b"a=1, b=\xc3\xa4", b'"a"=1', b"(a)",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REFUSED.items() for text in texts])
def test_refused(backend: ModuleType, kind: str, text: bytes) -> None:
    assert of_structured(backend, kind, text) == ("refused", "signature.component_value")


def test_display_strings_are_utf_8_and_nothing_else() -> None:
    # RFC 9651 §4.2.10, RFC 3629 §3: around every border of every octet; Python's decoder is the judge.
    borders = (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0)
    for length in range(1, 5):
        for octets in itertools.product(range(0x80, 0x100), *[borders] * (length - 1)):
            try:
                expected = bytes(octets).decode()
            except UnicodeDecodeError:
                expected = None
            text = b'%"' + b"".join(b"%%%02x" % octet for octet in octets) + b'"'
            try:
                found = native.parse_structured("item", text)[0][1]
            except native.Refused:
                found = None
            assert found == expected, text
