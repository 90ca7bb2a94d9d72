"""Large and deep input: bounded work, a reason from the table, no crash (R5).

The bounds of a connection (32 KiB, 100 fields) keep most of this away from the parsers; they must stand it without them.
"""

import pytest

from gateway import _native as native
from gateway._native import WireReader
from tests.fuzz.requests import REASONS, judge
from tests.native.requests import covering, signed
from tests.outcomes import outcome

MEBIBYTE = 1 << 20
LABELS = 10_000


def with_field(name: bytes, value: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: x\r\n" + name + b": " + value + b"\r\n\r\n"


LARGE = {
    "plain-value": (with_field(b"X", b"a" * MEBIBYTE), "signature.missing"),
    "name": (with_field(b"X" * MEBIBYTE, b"a"), "signature.missing"),
    "host": (b"GET / HTTP/1.1\r\nHost: " + b"h" * MEBIBYTE + b"\r\n\r\n", "signature.missing"),
    "method": (b"M" * MEBIBYTE + b" / HTTP/1.1\r\nHost: x\r\n\r\n", "request.bad_request_line"),
    "target": (covering(b'"@target-uri"', line=b"GET /" + b"a" * MEBIBYTE + b" HTTP/1.1\r\n"), "accepted"),
    "version": (b"GET / HTTP/" + b"1" * MEBIBYTE + b"\r\nHost: x\r\n\r\n", "request.bad_version"),
    "spaces": (with_field(b"X", b" \t" * (MEBIBYTE // 2)), "signature.missing"),
    "no-end": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * MEBIBYTE, "request.bad_field"),
    "many-fields": (
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * (MEBIBYTE // 5) + b"\r\n",
        "request.too_many_fields",
    ),
    "query-parameters": (
        covering(b'"@query-param";name="x"', line=b"GET /?" + b"a&" * (MEBIBYTE // 2) + b" HTTP/1.1\r\n"),
        "signature.component_missing",
    ),
    "query-same-parameter": (
        covering(b'"@query-param";name="x"', line=b"GET /?" + b"x&" * (MEBIBYTE // 2) + b" HTTP/1.1\r\n"),
        "signature.component_value",
    ),
    "percent": (
        covering(b'"@query-param";name="x"', line=b"GET /?x=" + b"%ff" * (MEBIBYTE // 3) + b" HTTP/1.1\r\n"),
        "accepted",
    ),
    "covered-value": (covering(b'"x"', fields=b"Host: x\r\nX: " + b"a" * MEBIBYTE + b"\r\n"), "accepted"),
    "covered-value-bs": (covering(b'"x";bs', fields=b"Host: x\r\nX: " + b"a" * MEBIBYTE + b"\r\n"), "accepted"),
    "signature-value": (signed([b'a=("@method")'], [b"a=:" + b"A" * MEBIBYTE + b":"]), "accepted"),
    "signature-open": (signed([b'a=("@method")'], [b"a=:" + b"A" * MEBIBYTE]), "signature.malformed_value"),
    "label": (signed([b"a" * MEBIBYTE + b'=("@method")'], [b"a" * MEBIBYTE + b"=:AA==:"]), "accepted"),
    "string": (covering(b'"@method"', b';nonce="' + b"n" * MEBIBYTE + b'"'), "accepted"),
    "string-escapes": (covering(b'"@method"', b';nonce="' + b'\\"' * (MEBIBYTE // 2) + b'"'), "accepted"),
    "string-open": (covering(b'"@method"', b';nonce="' + b"n" * MEBIBYTE), "signature.malformed_input"),
    "token": (covering(b'"@method"', b";x=" + b"t" * MEBIBYTE), "accepted"),
    "integer": (covering(b'"@method"', b";created=" + b"1" * MEBIBYTE), "signature.malformed_input"),
    "key": (covering(b'"@method"', b";" + b"k" * MEBIBYTE), "accepted"),
    "display-string": (covering(b'"@method"', b';d=%"' + b"%41" * (MEBIBYTE // 3) + b'"'), "accepted"),
    "component-name": (covering(b'"' + b"n" * MEBIBYTE + b'"'), "signature.component_missing"),
    "components": (covering(b'"a" ' * (MEBIBYTE // 4)), "signature.too_many_components"),
    "spaces-in-a-list": (covering(b" " * MEBIBYTE), "signature.empty_coverage"),
    "component-parameters": (covering(b'"a"' + b";x" * (MEBIBYTE // 2)), "signature.unknown_component_parameter"),
    "signature-parameters": (
        covering(b'"@method"', b"".join(b";p%d" % index for index in range(100_000))),
        "accepted",
    ),
    "same-parameter": (covering(b'"@method"', b";x" * (MEBIBYTE // 2)), "signature.duplicate_parameter"),
    "parentheses": (signed([b"a=" + b"(" * MEBIBYTE], [b"a=:AA==:"]), "signature.malformed_input"),
    "commas": (signed([b"," * MEBIBYTE], [b"a=:AA==:"]), "signature.malformed_input"),
    "digest": (with_field(b"Content-Digest", b"sha-256=:" + b"A" * MEBIBYTE + b":"), "signature.missing"),
    "digests": (
        with_field(b"Content-Digest", b", ".join(b"d%d=:AA==:" % index for index in range(LABELS))),
        "signature.missing",
    ),
    "same-digest": (with_field(b"Content-Digest", b"a=:AA==:," * LABELS + b"b=:AA==:"), "digest.malformed"),
}


@pytest.mark.parametrize(("raw", "verdict"), LARGE.values(), ids=LARGE)
def test_large(raw: bytes, verdict: str) -> None:
    assert judge(raw) == verdict


@pytest.mark.parametrize("raw", [raw for raw, _ in LARGE.values()], ids=LARGE)
def test_a_connection_takes_no_more_than_its_limit(raw: bytes) -> None:
    # R4, R5: head bytes are counted before they are read any further.
    reader = WireReader()
    taken, ending = 0, "open"
    try:
        for at in range(0, len(raw) + 40_000, 1000):
            reader.feed(raw[at : at + 1000] or b"a" * 1000)
            taken += 1000
    except native.Refused as refused:
        ending = refused.reason
    assert ending in REASONS
    assert taken <= 32 * 1024


def test_ten_thousand_labels() -> None:
    inputs = b", ".join(b'l%d=("@method")' % index for index in range(LABELS))
    values = b", ".join(b"l%d=:AA==:" % index for index in range(LABELS))
    assert judge(signed([inputs], [values])) == "signature.too_many_labels"
    assert judge(signed([inputs], [b"l0=:AA==:"])) == "signature.too_many_labels"
    assert judge(signed([b'l0=("@method")'], [values])) == "signature.too_many_labels"
    assert judge(signed([b'a=("@method"), ' * LABELS + b"b=()"], [values])) == "signature.duplicate_label"
    assert judge(signed([inputs + b", l0=()"], [values])) == "signature.duplicate_label"


def test_eight_signatures_with_32_large_components_each() -> None:
    # The most that one request can ask for: every base is made, and each is bounded by the head (see `judge`).
    names = [b"h%d" % index for index in range(32)]
    fields = b"Host: x\r\n" + b"".join(name + b": " + b"v" * 800 + b"\r\n" for name in names)
    components = b" ".join(b'"%s";bs' % name for name in names)
    inputs = b", ".join(b"l%d=(%s)" % (index, components) for index in range(8))
    values = b", ".join(b"l%d=:AA==:" % index for index in range(8))
    assert judge(signed([inputs], [values], fields=fields)) == "accepted"


@pytest.mark.parametrize("kind", ["item", "list", "dictionary"])
@pytest.mark.parametrize(
    "text", [b"(", b"a=(", b'"', b"a;", b"a;b=", b"a,", b"1", b":", b'%"', b"((", b" ", b"\t", b"=", b"@"]
)
def test_deep_structured_fields(kind: str, text: bytes) -> None:
    value = text * (MEBIBYTE // len(text))
    if text == b" " and kind != "item":
        assert native.parse_structured(kind, value) == []
    else:
        assert outcome(native, lambda: native.parse_structured(kind, value)) == ("refused", "signature.component_value")
