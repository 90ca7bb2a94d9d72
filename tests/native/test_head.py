"""parse_head: what one head says, and what makes it refused (R4, R5, R14). Runs over native code and reference alike."""

import copy
from types import ModuleType

import pytest

from gateway import _native as native

REQUEST = (
    b"POST /api/v1/clients/dev1/status?x=%20&y HTTP/1.1\r\n"
    b"Host: wfm.example.com\r\n"
    b"Content-Type:application/json\r\n"
    b"Content-Length: 12\r\n"
    b"X-Twice: one\r\n"
    b"x-twice: \t two \t \r\n"
    b"Empty:\r\n"
    b"\r\n"
)


def head_of(*lines: bytes, first: bytes = b"GET / HTTP/1.1", host: bytes | None = b"a.example") -> bytes:
    """A head of `first`, Host and the field `lines`."""
    hosts = [] if host is None else [b"Host: " + host]
    return b"\r\n".join([first, *hosts, *lines, b"", b""])


def reason_of(module: ModuleType, raw: bytes, field_limit: int = 100) -> str | None:
    """The reason for which `raw` is refused; None if it is taken."""
    try:
        module.parse_head(raw, field_limit)
    except module.Refused as refused:
        return str(refused.reason)
    return None


def test_says_what_stands_there(backend: ModuleType) -> None:
    head = backend.parse_head(REQUEST)
    assert (head.method, head.target) == (b"POST", b"/api/v1/clients/dev1/status?x=%20&y")
    assert (head.path, head.query) == (b"/api/v1/clients/dev1/status", b"x=%20&y")
    assert (head.host, head.minor, head.absolute) == (b"wfm.example.com", 1, False)
    assert (head.content_length, head.chunked) == (12, False)
    assert (head.keep_alive, head.expects_continue, head.field_count) == (True, False, 6)
    assert head.values(b"x-twice") == [b"one", b"two"]
    assert head.values(b"empty") == [b""]
    assert head.values(b"absent") == head.values(b"") == []
    assert head.fields() == [
        (b"Host", b"wfm.example.com"),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"12"),
        (b"X-Twice", b"one"),
        (b"x-twice", b"two"),
        (b"Empty", b""),
    ]


@pytest.mark.parametrize("name", [b"x-twic", b"x-twicee", b"X-Twice", b"wice", b"\x00-twice", b"x" * 100_000])
def test_values_wants_the_whole_lower_case_name(backend: ModuleType, name: bytes) -> None:
    assert backend.parse_head(REQUEST).values(name) == []


def test_r4_each_truncation_is_refused(backend: ModuleType) -> None:
    # The refusal belongs to the part in which the head ends.
    first_line = REQUEST.index(b"\n") + 1
    for end in range(len(REQUEST)):
        wanted = "request.bad_request_line" if end < first_line else "request.bad_field"
        assert reason_of(backend, REQUEST[:end]) == wanted, REQUEST[:end]


def test_r4_octets_behind_the_head_are_refused(backend: ModuleType) -> None:
    assert reason_of(backend, REQUEST + b"G") == "request.bad_framing"
    assert reason_of(backend, REQUEST + b"\r\n") == "request.bad_framing"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "request.bad_request_line"),
        (b"GET", "request.bad_request_line"),
        (b"GET /", "request.bad_request_line"),
        (b"GET / ", "request.bad_request_line"),
        (b" GET / HTTP/1.1", "request.bad_request_line"),
        (b"GET  / HTTP/1.1", "request.bad_request_line"),
        (b"GET  HTTP/1.1", "request.bad_request_line"),
        (b"GET\t/\tHTTP/1.1", "request.bad_request_line"),
        (b"GET / http/1.1", "request.bad_request_line"),
        (b"GET / HTTP/1.1 ", "request.bad_request_line"),
        (b"GET / HTTP/1.1x", "request.bad_request_line"),
        (b"GET / TTP/1.1", "request.bad_request_line"),
        (b"GET / HTTP/1.1\r", "request.bad_request_line"),
        (b"GET /\r HTTP/1.1", "request.bad_request_line"),
        (b"GET / HTTP/1.1\nHost: b", "request.bad_request_line"),
        (b"G(T / HTTP/1.1", "request.bad_request_line"),
        (b"G\xc3\xa9T / HTTP/1.1", "request.bad_request_line"),
        (b"G\x00T / HTTP/1.1", "request.bad_request_line"),
        (b"M" * 33 + b" / HTTP/1.1", "request.bad_request_line"),
        (b"GET / HTTP/", "request.bad_version"),
        (b"GET / HTTP/1", "request.bad_version"),
        (b"GET / HTTP/0.9", "request.bad_version"),
        (b"GET / HTTP/1.2", "request.bad_version"),
        (b"GET / HTTP/1.10", "request.bad_version"),
        (b"GET / HTTP/11", "request.bad_version"),
        (b"GET / HTTP/2.0", "request.bad_version"),
        (b"PRI * HTTP/2.0", "request.bad_version"),
        (b"GET /a b HTTP/1.1", "request.bad_target"),
        (b"GET /  HTTP/1.1", "request.bad_target"),
        (b"GET /a\tb HTTP/1.1", "request.bad_target"),
        (b"GET /a\x00b HTTP/1.1", "request.bad_target"),
        (b"GET /a\x7fb HTTP/1.1", "request.bad_target"),
        (b"GET /a#b HTTP/1.1", "request.bad_target"),
        (b"GET /\xc3\xa9 HTTP/1.1", "request.bad_target"),
        (b"GET a.example HTTP/1.1", "request.bad_target"),
        (b"OPTIONS * HTTP/1.1", "request.bad_target"),
        (b"GET * HTTP/1.1", "request.bad_target"),
        (b"GET ?x HTTP/1.1", "request.bad_target"),
        (b"GET ftp://a.example/ HTTP/1.1", "request.bad_target"),
        (b"GET http:/a.example/ HTTP/1.1", "request.bad_target"),
        (b"GET http HTTP/1.1", "request.bad_target"),
        (b"GET httpx://a.example/ HTTP/1.1", "request.bad_target"),
        (b"CONNECT a.example:443 HTTP/1.1", "request.bad_target"),
        (b"CONNECT / HTTP/1.1", "request.bad_target"),
        (b"PRI / HTTP/1.0", "request.bad_version"),
        (b"PRI / HTTP/1.1", "request.bad_version"),
        (b"connect / HTTP/1.1", "request.bad_target"),
    ],
)
def test_r4_request_line(backend: ModuleType, line: bytes, reason: str) -> None:
    assert reason_of(backend, head_of(first=line)) == reason


@pytest.mark.parametrize("method", [b"GET", b"get", b"M" * 32, b"!#$%&'*+-.^_`|~09azAZ"])
def test_methods_are_tokens(backend: ModuleType, method: bytes) -> None:
    assert backend.parse_head(head_of(first=method + b" / HTTP/1.1")).method == method


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", None),
        (b"/?", b"/", b""),
        (b"/a?b?c", b"/a", b"b?c"),
        (b"//x/../%2f", b"//x/../%2f", None),
        (b'/a:b@c"<>\\^`{|}~', b'/a:b@c"<>\\^`{|}~', None),
        (b"http://a.example", b"/", None),
        (b"http://a.example?q", b"/", b"q"),
        (b"http://a.example/?", b"/", b""),
        (b"HTTPS://A.EXAMPLE:443/p//q?x=http://b/", b"/p//q", b"x=http://b/"),
    ],
)
def test_r4_targets_stay_raw(backend: ModuleType, target: bytes, path: bytes, query: bytes | None) -> None:
    head = backend.parse_head(head_of(first=b"GET " + target + b" HTTP/1.1"))
    assert (head.target, head.path, head.query) == (target, path, query)
    assert head.absolute is (target[0] != 0x2F)


@pytest.mark.parametrize(
    ("authority", "host", "same"),
    [
        (b"http://a.example", b"A.Example", True),
        (b"http://a.example:80", b"a.example", True),
        (b"http://a.example", b"a.example:80", True),
        (b"https://a.example:443", b"a.example", True),
        (b"https://[2001:db8::A]", b"[2001:DB8::a]:443", True),
        (b"http://a.example:443", b"a.example", False),
        (b"https://a.example:80", b"a.example", False),
        (b"http://a.example:8080", b"a.example", False),
        (b"http://b.example", b"a.example", False),
        (b"http://a.exampl", b"a.example", False),
        (b"http://a.example.", b"a.example", False),
        (b"http://user@a.example", b"a.example", False),
        (b"http://", b"a.example", False),
        (b"https://", b"a.example", False),
        (b"http://:80", b"a.example", False),
    ],
)
def test_r4_absolute_form_agrees_with_host(backend: ModuleType, authority: bytes, host: bytes, same: bool) -> None:
    raw = head_of(first=b"GET " + authority + b"/x HTTP/1.1", host=host)
    assert reason_of(backend, raw) == (None if same else "request.bad_host")


@pytest.mark.parametrize(
    "host",
    [b"a", b"a:1", b"a:65535", b"127.0.0.1:8080", b"[::1]", b"[::ffff:1.2.3.4]:80", b"x_y~-.!$&'()*+,;=", b"%41.b"],
)
def test_good_hosts(backend: ModuleType, host: bytes) -> None:
    assert backend.parse_head(head_of(host=host)).host == host


@pytest.mark.parametrize(
    "host",
    [
        b"", b":80", b"a:", b"a:65536", b"a:100000", b"a:x", b"a:1:2", b"a b", b"a/b", b"a?b", b"a#b", b"u@a", b"a\\b",
        b"a%4", b"a%", b"a%zz", b"\xc3\xa9", b"[", b"[]", b"[::1", b"[::1]x", b"[::1]:", b"[v1.x]", b"[::1%25eth0]", b"[1.2.3.4]",
        b"[:::]", b"[" + b"1" * 50 + b"]", b"[::" + b"0" * 100 + b"1]", b"::1", b"a\tb", b"<a>", b'"a"',
    ],
)  # fmt: skip
def test_r4_bad_hosts(backend: ModuleType, host: bytes) -> None:
    assert reason_of(backend, head_of(host=host)) == "request.bad_host"


def test_r4_exactly_one_host(backend: ModuleType) -> None:
    assert reason_of(backend, head_of(host=None)) == "request.bad_host"
    assert reason_of(backend, head_of(b"host: a.example")) == "request.bad_host"
    old = b"GET / HTTP/1.0"
    assert backend.parse_head(head_of(first=old, host=None)).host == b""
    assert backend.parse_head(head_of(first=old)).host == b"a.example"
    assert reason_of(backend, head_of(b"Host: a.example", first=old)) == "request.bad_host"
    assert reason_of(backend, head_of(first=b"GET http://a.example/ HTTP/1.0", host=None)) == "request.bad_host"


@pytest.mark.parametrize(
    "line",
    [
        b"X : y", b"X\t: y", b" X: y", b"\tX: y", b": y", b":", b"X", b"X\r: y", b"X\n: y", b"X: a\n b", b"X: a\r b", b"X: a\r\n b",
        b"X: a\nY: b", b"X: a\rY: b", b"X: \x00", b"X: \x01", b"X: \x1f", b"X: \x7f", b"X: \x0b", b"X\xc3\xa9: y", b"X(: y", b"X\x00: y",
        b"X: \xff", b"X: \xc3", b"X: \xc0\xaf", b"X: \xed\xa0\x80", b"X: \xf4\x90\x80\x80", b"\rX: y", b"\nX: y", b"X: 12345678\x7f12345678",
        b"X: 12345678\x1f12345678", b"X: 1234567812345678\xff", b"\r", b"X: y\r",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [(), (b"Y: z",)])
def test_r4_bad_fields(backend: ModuleType, line: bytes, before: tuple[bytes, ...]) -> None:
    assert reason_of(backend, head_of(*before, line, b"Z: z")) == "request.bad_field"


def test_r4_every_octet_in_a_name_and_in_a_value(backend: ModuleType) -> None:
    names = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:"
    for octet in range(256):
        one = bytes([octet])
        assert (reason_of(backend, head_of(b"X" + one + b": y")) is None) == (octet in names), octet
        for filling in (b"", b"sixteen octets ."):
            raw = head_of(b"X: a" + filling + one + filling + b"b")
            assert (reason_of(backend, raw) is None) == (octet == 9 or 32 <= octet < 127), octet


def test_obs_text_is_utf8(backend: ModuleType) -> None:
    value = "grüße, 世界 🌍".encode()
    assert backend.parse_head(head_of(b"X: " + value)).values(b"x") == [value]


def test_r4_white_space_around_values_is_trimmed(backend: ModuleType) -> None:
    for spaces in (b"", b" ", b"\t", b" \t \t", b" " * 300):
        head = backend.parse_head(head_of(b"X:" + spaces + b"a \t b" + spaces, b"Y:" + spaces))
        assert (head.values(b"x"), head.values(b"y")) == ([b"a \t b"], [b""])


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 1", b"Content-Length: 1"],
        [b"Content-Length: 1", b"Content-Length: 2"],
        [b"Content-Length: 1", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 1"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Content-Length:"],
        [b"Content-Length: +1"],
        [b"Content-Length: -1"],
        [b"Content-Length: 1, 1"],
        [b"Content-Length: 1 1"],
        [b"Content-Length: 0x1"],
        [b"Content-Length: 1.0"],
        [b"Content-Length: 1_0"],
        [b"Content-Length: \xd9\xa1"],
        [b"Content-Length: 4611686018427387905"],
        [b"Content-Length: 9223372036854775808"],
        [b"Content-Length: 18446744073709551617"],
        [b"Content-Length: 00000000000000000001"],
        [b"Transfer-Encoding:"],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: chunked, chunked"],
        [b"Transfer-Encoding: chunked;x=y"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: chunked,"],
        [b'Transfer-Encoding: "chunked"'],
    ],
)
def test_r4_bad_framing(backend: ModuleType, lines: list[bytes]) -> None:
    assert reason_of(backend, head_of(*lines)) == "request.bad_framing"


def test_r4_no_transfer_encoding_in_http_1_0(backend: ModuleType) -> None:
    lines = [b"Transfer-Encoding: chunked"]
    assert reason_of(backend, head_of(*lines, first=b"POST / HTTP/1.0")) == "request.bad_framing"


@pytest.mark.parametrize("value", [b"0", b"5", b"0005", b"4611686018427387904"])
def test_content_length(backend: ModuleType, value: bytes) -> None:
    head = backend.parse_head(head_of(b"content-LENGTH: " + value + b" "))
    assert (head.content_length, head.chunked) == (int(value), False)


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"CHUNKED"])
def test_chunked_ignores_case(backend: ModuleType, value: bytes) -> None:
    head = backend.parse_head(head_of(b"Transfer-Encoding: " + value))
    assert (head.content_length, head.chunked) == (-1, True)


def test_upgrade_is_refused(backend: ModuleType) -> None:
    assert reason_of(backend, head_of(b"upgrade:")) == "request.upgrade_refused"
    assert reason_of(backend, head_of(b"Upgrade: h2c", b"Connection: upgrade")) == "request.upgrade_refused"
    assert reason_of(backend, head_of(b"Connection: upgrade")) is None


@pytest.mark.parametrize("value", [b"", b"200-ok", b"100-continue, x", b"100-continu", b"100-continue;q=1"])
def test_other_expectations_are_refused(backend: ModuleType, value: bytes) -> None:
    assert reason_of(backend, head_of(b"Expect: " + value)) == "request.expectation_failed"
    both = [b"Expect: 100-continue", b"Expect: " + value]
    assert reason_of(backend, head_of(*both)) == "request.expectation_failed"
    assert reason_of(backend, head_of(*reversed(both))) == "request.expectation_failed"


def test_expectation(backend: ModuleType) -> None:
    assert backend.parse_head(head_of(b"Expect: 100-Continue")).expects_continue
    assert not backend.parse_head(head_of(b"Expect: 100-continue", first=b"GET / HTTP/1.0")).expects_continue


@pytest.mark.parametrize(
    ("lines", "new", "old"),
    [
        ([], True, False),
        ([b"Connection: close"], False, False),
        ([b"Connection: CLOSE"], False, False),
        ([b"Connection: keep-alive"], True, True),
        ([b"Connection: Keep-Alive, close"], False, False),
        ([b"Connection: ,, \t, keep-alive\t,,"], True, True),
        ([b"Connection: x", b"connection: close"], False, False),
        ([b"Connection: closed, aclose, clos, close;x"], True, False),
        ([b"Proxy-Connection: close", b"Keep-Alive: 1"], True, False),
    ],
)
def test_persistence(backend: ModuleType, lines: list[bytes], new: bool, old: bool) -> None:
    assert backend.parse_head(head_of(*lines)).keep_alive is new
    assert backend.parse_head(head_of(*lines, first=b"GET / HTTP/1.0")).keep_alive is old


def test_r5_field_limit(backend: ModuleType) -> None:
    lines = [b"X: y"] * 99
    assert backend.parse_head(head_of(*lines)).field_count == 100
    assert reason_of(backend, head_of(*lines, b"X: y")) == "request.too_many_fields"
    assert reason_of(backend, head_of(b"X: y"), 1) == "request.too_many_fields"
    assert reason_of(backend, head_of(), 1) is None
    assert backend.parse_head(head_of(*lines * 5), 1000).values(b"x") == [b"y"] * 495


@pytest.mark.parametrize(
    "name",
    [
        b"Wfm-Client-Id", b"WFM_CLIENT_ID", b"wfm.client.cert.sha256", b"Wfm~Body!Verified", b"wfm-signature", b"wfm-x", b"wfm_",
        b"Wfm-Assertion", b"Wfm-Realm", b"Wfm-Tenant",
    ],
)  # fmt: skip
def test_r14_reserved_names_fold(backend: ModuleType, name: bytes) -> None:
    assert backend.parse_head(head_of(b"A: b", name + b": x", b"Wfm-Later: y")).reserved() == name


@pytest.mark.parametrize(
    "name", [b"Wfm", b"Wfmclient", b"Wfm1-Client-Id", b"X-Wfm-Client-Id", b"Wf-m-x", b"W", b"Wfn-x"]
)
def test_r14_other_names_are_free(backend: ModuleType, name: bytes) -> None:
    assert backend.parse_head(head_of(name + b": wfm-x")).reserved() is None


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"GET / HTTP/9.9\r\nbad\r\n\r\n", "request.bad_version"),
        (head_of(b"bad", first=b"GET * HTTP/1.1"), "request.bad_field"),
        (head_of(b"Content-Length: x", b"Upgrade: y"), "request.bad_framing"),
        (head_of(b"Expect: x", b"Upgrade: y"), "request.upgrade_refused"),
        (head_of(b"Expect: x", first=b"GET * HTTP/1.1"), "request.expectation_failed"),
        (head_of(first=b"GET * HTTP/1.1", host=b""), "request.bad_target"),
    ],
)
def test_the_first_offence_counts(backend: ModuleType, raw: bytes, reason: str) -> None:
    assert reason_of(backend, raw) == reason


def test_heads_are_made_by_parse_head_only() -> None:
    kind = type(native.parse_head(REQUEST))
    for make in (kind, lambda: kind.__new__(kind), lambda: copy.copy(native.parse_head(REQUEST))):
        with pytest.raises(TypeError):
            make()
