"""forward_fields: which field lines go on to the backend, and which never do (R15, RFC 9110 §7.6.1)."""

import time
from collections.abc import Collection

import pytest

from gateway._native import Candidate, Refused, forward_fields, parse_head, select

SIGNED = (b"Signature-Input", b"Signature", b"Content-Digest")


def head_of(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: a.example", *lines, b"", b""])


def passed(
    *lines: bytes, covered: Collection[str] | None = None, allowed: Collection[bytes] | None = None
) -> list[bytes]:
    """Names that go on of a request with the field `lines`, signed over `covered` or not at all."""
    candidate: Candidate | None = None
    if covered is not None:
        components = " ".join(f'"{name}"' for name in covered)
        lines += (f"Signature-Input: s=({components});created=1".encode(), b"Signature: s=:AAAA:")
        (candidate,) = select(parse_head(head_of(*lines)))
        assert candidate.reason is None
    kept = forward_fields(parse_head(head_of(*lines)), candidate, allowed)
    names = [line.partition(b": ")[0] for line in kept.split(b"\r\n")[:-1]]
    return [name for name in names if covered is None or name not in SIGNED]


def test_the_rest_goes_on_as_it_came() -> None:
    lines = [
        b"B:  two ",
        b"a: one",
        b"B: three",
        b"Empty:",
        "X: grüße 世界".encode(),
        b"Accept: */*",
        b"Date: now",
        b"Via: x",
    ]
    kept = forward_fields(parse_head(head_of(*lines)), None, None)
    octets = "B: two\r\na: one\r\nB: three\r\nEmpty: \r\nX: grüße 世界\r\nAccept: */*\r\nDate: now\r\nVia: x\r\n"
    assert kept == octets.encode()


def test_one_more_field_can_be_left_out_unless_it_is_covered() -> None:
    head = parse_head(head_of(b"A: 1", b"Accept-Encoding: gzip", b"accept_encoding: br"))
    assert forward_fields(head, None, None, b"accept-encoding") == b"A: 1\r\n"
    signed = head_of(
        b"Accept-Encoding: gzip", b'Signature-Input: s=("accept-encoding");created=1', b"Signature: s=:AAAA:"
    )
    (candidate,) = select(parse_head(signed))
    assert b"Accept-Encoding: gzip\r\n" in forward_fields(parse_head(signed), candidate, None, b"accept-encoding")


ALWAYS_REMOVED = [
    "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer", "HTTP2-Settings",
    "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded", "X-Forwarded-Anything", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method", "X-HTTP-Method-Override",
    "X-Method-Override", "Client-Cert", "Client-Cert-Chain", "X-Client-Cert", "X-Client-Cert-Subject", "X-SSL-Client-Verify",
    "X-SSL-Client-S-DN", "SSL-Client-Cert", "SSL-Client-Verify", "X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf", "Proxy",
    "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-SSL-Cert", "X-SSL-Client", "X-SSL-ClientCert",
    "X-Client-DN", "X-Client-Verify", "X-TLS-Client-Cert", "X-ARR-ClientCert", "Cf-Client-Cert-Sha256", "Wfm-Client-Id", "Wfm-Anything",
]  # fmt: skip


@pytest.mark.parametrize("name", ALWAYS_REMOVED)
def test_r15_always_removed(name: str) -> None:
    plain = name.encode()
    spellings = {plain, plain.upper(), plain.lower(), plain.replace(b"-", b"_"), plain.replace(b"-", b".")}
    for spelling in spellings:
        assert passed(b"A: b", spelling + b": x", b"C: d") == [b"A", b"C"], spelling
        # Whatever is covered or allowed.
        lower = spelling.lower()
        assert passed(b"A: b", spelling + b": x", covered=[lower.decode()], allowed=[lower, b"a"]) == [b"A"], spelling


@pytest.mark.parametrize("line", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Expect: 100-continue"])
def test_r15_framing_is_for_the_caller_to_set(line: bytes) -> None:
    assert passed(b"A: b", line, b"C: d") == [b"A", b"C"]


@pytest.mark.parametrize(
    "line", [b"Content_Length: 7", b"transfer.encoding: chunked", b"KEEP_ALIVE: 5", b"Proxy!Connection: x"]
)
def test_r15_folded_spellings_of_framing_are_removed(line: bytes) -> None:
    assert passed(b"A: b", line, b"C: d") == [b"A", b"C"]


@pytest.mark.parametrize(
    "name",
    [
        b"X-Real-IPs", b"Forwarded-By", b"XForwarded", b"X-Forwarde", b"Tea", b"T", b"Proxy-X", b"X-Host", b"X-SSL", b"Hosts", b"Expected",
        b"Client-Certs", b"Client", b"X", b"-", b"_", b"X-Amzn-Trace-Id", b"Wfm", b"Content-Lengths", b"Traceparent", b"Authorization",
    ],
)  # fmt: skip
def test_others_are_not_mistaken_for_removed_ones(name: bytes) -> None:
    assert passed(name + b": x") == [name]


def test_r15_connection_removes_what_it_names() -> None:
    lines = [
        b"X-Hop: 1",
        b"x-hop: 2",
        b"Connection: close, X-HOP ,,\tother",
        b"Other: 3",
        b"connection: third",
        b"Third: 4",
        b"Fourth: 5",
    ]
    assert passed(*lines) == [b"Fourth"]
    assert passed(*lines, covered=["x-hop"]) == [b"X-Hop", b"x-hop", b"Fourth"]
    assert passed(*lines, covered=["other", "third"]) == [b"Other", b"Third", b"Fourth"]


@pytest.mark.parametrize(
    "name",
    [
        b"Content-Type",
        b"Content-Digest",
        b"Content-Anything",
        b"Signature",
        b"Signature-Input",
        b"signature-x",
        b"content_type",
    ],
)
def test_r15_connection_cannot_remove_content_and_signature_fields(name: bytes) -> None:
    assert passed(name + b": x", b"Connection: " + name) == [name]


@pytest.mark.parametrize(
    "option", [b"covere", b"coveredx", b"cover ed", b"covered;x", b'"covered"', b"x covered", b"*"]
)
def test_an_option_is_a_whole_name(option: bytes) -> None:
    assert passed(b"Covered: x", b"Connection: " + option) == [b"Covered"]


@pytest.mark.parametrize(
    "name", [b"Signature_Input", b"SIGNATURE.INPUT", b"Content_Digest", b"content~digest", b"X_Covered", b"x.COVERED"]
)
def test_r15_nothing_passes_that_folds_to_a_verified_name(name: bytes) -> None:
    # A backend of CGI descent would read it instead of, or joined to, the verified field.
    lines = [b"X-Covered: 1", name + b": x", b"Y_Free: 2"]
    assert passed(*lines, covered=["x-covered"]) == [b"X-Covered", b"Y_Free"]
    both = ["x-covered", "x_covered"]
    assert passed(b"X-Covered: 1", b"X_Covered: 2", b"X.Covered: 3", covered=both) == [b"X-Covered", b"X_Covered"]
    assert passed(b"X-Covered: 1", b"X_Covered: 2", covered=["x_covered"]) == [b"X_Covered"]


def test_allowed() -> None:
    lines = [
        b"A: 1",
        b"B: 2",
        b"Signature: x",
        b"Signature-Input: y",
        b"Content-Digest: z",
        b"X-Forwarded-For: 1",
        b"SIGNATURE: w",
    ]
    signed = [b"Signature", b"Signature-Input", b"Content-Digest", b"SIGNATURE"]
    for allowed in ([b"a", b"x-forwarded-for"], (b"a",), {b"a"}, frozenset({b"a"}), {b"a": 1}):
        assert passed(*lines, allowed=allowed) == [b"A", *signed]
    assert passed(*lines, allowed=()) == signed
    assert passed(*lines, allowed=[b"A"]) == signed, "names are given in lower case"


def test_r5_many_options_are_refused_and_cost_little() -> None:
    for count, fits in ((100, True), (101, False)):
        lines = [b"Connection: " + b",".join(b"x%d" % number for number in range(count - 1)) + b", , x"]
        if fits:
            assert passed(b"X0: 1", b"X98: 2", b"X99: 3", *lines) == [b"X99"]
            continue
        with pytest.raises(Refused) as caught:
            parse_head(head_of(*lines))
        assert caught.value.reason == "request.too_many_fields"
    # Options, lines and covered names at their limits: three orders of magnitude above what it takes.
    worst = parse_head(head_of(b"Connection: " + b",".join([b"aa"] * 100), *[b"ab: x"] * 97))
    start = time.thread_time()
    assert forward_fields(worst, None, None).count(b"\r\n") == 97
    assert time.thread_time() - start < 0.1


def test_wrong_arguments_are_type_errors() -> None:
    head = parse_head(head_of())

    class Other:
        def field_names(self) -> list[object]:
            return [b"a", None]

    with pytest.raises(TypeError):
        forward_fields(head, Other(), None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        forward_fields(None, None, None)  # type: ignore[arg-type]
