"""The value of every kind of component in the signature base (RFC 9421 §2.1, §2.2, §2.5), and when there is none."""

import time
from types import ModuleType

import pytest

import tests.reference as reference
from gateway import _native as native
from tests.native.requests import LINE, TYPES, covering
from tests.outcomes import AUTHORITY, SCHEME, of_select, outcome
from tests.reference.base import REGISTERED_TYPES

TARGET = LINE.split(b" ")[1]
DIGEST = b"sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:"

VALUES = {
    b'"@method"': b"POST",
    b'"@target-uri"': b"https://wfm.example.com" + TARGET,
    b'"@authority"': b"wfm.example.com",
    b'"@scheme"': b"https",
    b'"@request-target"': TARGET,
    b'"@path"': b"/a/%2e%2E/b",
    b'"@query"': TARGET[TARGET.index(b"?") :],
    b'"@query-param";name="x"': b"1",
    b'"@query-param";name="y"': b"a%20b",
    b'"@query-param";name="caf%C3%A9"': b"%C3%A9%7E*%27%21",
    b'"@query-param";name="e"': b"",
    b'"@query-param";name="f"': b"",
    b'"@query-param";name=""': b"g",
    b'"@query-param";name="bad"': b"%25zz%EF%BF%BD",
    b'"host"': b"wfm.example.com",
    b'"content-digest"': DIGEST,
    b'"content-digest";sf': DIGEST,
    b'"content-digest";key="sha-256"': DIGEST[8:],
    b'"x-a"': b"1, 2",
    b'"x-a";bs': b":MQ==:, :Mg==:",
    b'"x-a";sf': b"1, 2",
    b'"x-dict"': b"a=1,   b;x=2, c=(a   b);q, a=3",
    b'"x-dict";sf': b"a=3, b;x=2, c=(a b);q",
    b'"x-dict";key="a"': b"3",
    b'"x-dict";key="b"': b"?1;x=2",
    b'"x-dict";key="c"': b"(a b);q",
    b'"x-dict";key="c";sf': b"(a b);q",
    b'"x-obs";bs': b":w6Q=:",
    b'"x-empty"': b"",
    b'"x-empty";bs': b"::",
    b'"x-empty";sf': b"",
    b'"x-item"': b"1.50",
    b'"x-item";sf': b"1.5",
    b'"priority";sf': b"u=1, i",
    b'"signature"': b"a=:AA==:",
    b'"signature";key="a"': b":AA==:",
}


@pytest.mark.parametrize("identifier", VALUES, ids=bytes.decode)
def test_values(backend: ModuleType, identifier: bytes) -> None:
    (candidate,) = backend.select(backend.parse_head(covering(identifier)), TYPES)
    expected = identifier + b": " + VALUES[identifier] + b'\n"@signature-params": (' + identifier + b")"
    assert candidate.base(SCHEME, AUTHORITY) == expected


REFUSALS = {
    b'"absent"': "signature.component_missing",
    b'"absent";bs': "signature.component_missing",
    b'"absent";key="a"': "signature.component_missing",
    b'"x-dict";key="d"': "signature.component_missing",
    b'"x-dict";key="A"': "signature.component_missing",
    b'"x-empty";key="a"': "signature.component_missing",
    b'"@query-param";name="z"': "signature.component_missing",
    b'"@query-param";name="caf"': "signature.component_missing",
    b'"@query-param";name="caf%c3%a9"': "signature.component_missing",
    b'"@query-param";name="dup"': "signature.component_value",
    b'"x-obs"': "signature.component_value",
    b'"x-obs";sf': "signature.component_value",
    b'"x-obs";key="a"': "signature.component_value",
    b'"x-a";key="a"': "signature.component_value",
    b'"host";key="a"': "signature.component_missing",
    b'"content-length";sf': "signature.bad_component_parameter",
    b'"x-unknown";sf': "signature.bad_component_parameter",
    b'"host";sf': "signature.bad_component_parameter",
}


@pytest.mark.parametrize("identifier", REFUSALS, ids=bytes.decode)
def test_refusals(backend: ModuleType, identifier: bytes) -> None:
    (candidate,) = backend.select(backend.parse_head(covering(identifier)), TYPES)
    assert candidate.reason is None
    assert outcome(backend, lambda: candidate.base(SCHEME, AUTHORITY)) == ("refused", REFUSALS[identifier])


@pytest.mark.parametrize(
    ("target", "path", "query", "uri"),
    [
        (b"/", b"/", b"?", b"https://wfm.example.com/"),
        (b"/a?", b"/a", b"?", b"https://wfm.example.com/a?"),
        (b"/a?b?c=/d", b"/a", b"?b?c=/d", b"https://wfm.example.com/a?b?c=/d"),
        (b"/a;b:c", b"/a;b:c", b"?", b"https://wfm.example.com/a;b:c"),
        (b"//x/y", b"//x/y", b"?", b"https://wfm.example.com//x/y"),
        (b"http://WFM.example.com/a?b", b"/a", b"?b", b"https://wfm.example.com/a?b"),
        (b"https://wfm.example.com", b"/", b"?", b"https://wfm.example.com/"),
        (b"https://wfm.example.com:443?q", b"/", b"?q", b"https://wfm.example.com/?q"),
    ],
)
def test_targets(backend: ModuleType, target: bytes, path: bytes, query: bytes, uri: bytes) -> None:
    # R7: the raw target, nothing decoded or normalised; scheme and authority are arguments.
    raw = covering(b'"@path" "@query" "@target-uri" "@request-target"', line=b"GET " + target + b" HTTP/1.1\r\n")
    (candidate,) = backend.select(backend.parse_head(raw))
    lines = candidate.base(SCHEME, AUTHORITY).split(b"\n")
    assert lines[:-1] == [
        b'"@path": ' + path,
        b'"@query": ' + query,
        b'"@target-uri": ' + uri,
        b'"@request-target": ' + target,
    ]


def test_scheme_and_authority_are_taken_as_given(backend: ModuleType) -> None:
    (candidate,) = backend.select(backend.parse_head(covering(b'"@scheme" "@authority" "@target-uri" "host"')))
    lines = candidate.base(b"http", b"Other.Example:8080").split(b"\n")
    assert lines[:4] == [
        b'"@scheme": http',
        b'"@authority": Other.Example:8080',
        b'"@target-uri": http://Other.Example:8080' + TARGET,
        b'"host": wfm.example.com',
    ]


def test_a_line_of_parameters_has_no_line_feed(backend: ModuleType) -> None:
    (candidate,) = backend.select(backend.parse_head(covering(b'"@method"', b";created=1")))
    assert candidate.base(SCHEME, AUTHORITY) == b'"@method": POST\n"@signature-params": ("@method");created=1'


TEXTS = {"item": b"a;x=1.0", "list": b"a,   (b  c)", "dictionary": b"a=1,   b"}


@pytest.mark.parametrize("name", REGISTERED_TYPES, ids=bytes.decode)
def test_registered_types(name: bytes) -> None:
    # The table of types that `sf` can use stands once on each side, and they agree.
    for text in TEXTS.values():
        fields = b"Host: x\r\n" + name + b": " + text + b"\r\n"
        raw = covering(b'"' + name + b'";sf', fields=fields)
        if name not in (b"signature", b"signature-input"):
            assert of_select(native, raw) == of_select(reference, raw)
    (candidate,) = native.select(native.parse_head(covering(b'"' + name + b'";sf')))
    assert outcome(native, lambda: candidate.base(SCHEME, AUTHORITY)) != (
        "refused",
        "signature.bad_component_parameter",
    )


def test_configured_types_come_before_registered_ones(backend: ModuleType) -> None:
    raw = covering(b'"priority";sf', fields=b"Host: x\r\nPriority: a,   b\r\n")
    for types, value in (({b"priority": "list"}, b"a, b"), ({}, b"a, b"), ({b"other": "item"}, b"a, b")):
        (candidate,) = backend.select(backend.parse_head(raw), types)
        assert candidate.base(SCHEME, AUTHORITY).startswith(b'"priority";sf: ' + value + b"\n")
    (candidate,) = backend.select(backend.parse_head(raw), {b"priority": "item"})
    assert outcome(backend, lambda: candidate.base(SCHEME, AUTHORITY)) == ("refused", "signature.component_value")


@pytest.mark.parametrize(
    "raw",
    [
        covering(b'"priority";key="a"', fields=b"Host: x\r\nPriority: a=(" + b"a " * 13_000 + b")\r\n"),
        covering(b'"@query-param";name="x"', line=b"GET /?x=" + b"%c3%a9" * 4_000 + b" HTTP/1.1\r\n"),
    ],
    ids=["key", "query-param"],
)
def test_r5_a_value_is_made_once_however_many_labels_and_spellings_need_it(raw: bytes) -> None:
    # Who sends it has proven nothing yet, and eight labels with two spellings each would have it made sixteen times.
    (candidate,) = native.select(native.parse_head(raw))
    started = time.thread_time()
    first = candidate.base(SCHEME, AUTHORITY)
    between = time.thread_time()
    assert {candidate.base(SCHEME, AUTHORITY) for _ in range(5)} == {first}
    assert time.thread_time() - between < 2 * (between - started)
