"""Captures as people paste them are read as the request that was on the wire, and what was changed is said."""

import pytest

from gateway.explain import capture
from gateway.reasons import Reason
from tests.support.device import Device
from tests.unit.explain.making import BODY, codes, explained, make

DEVICE = Device()
TEXT = b'{"state":"running"}'  # without a line end
RAW = make(DEVICE, body=TEXT)
HEAD, _, _ = RAW.partition(b"\r\n\r\n")
GET = make(DEVICE, method="GET", target="/api/v1/clients/dev-1/deployments", body=b"")


def lf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n")


def curl(head: bytes, mark: bytes = b"> ") -> bytes:
    lines = [mark + line for line in lf(head).split(b"\n")]
    noise = [b"* Trying 192.0.2.1:443...", b"* Connected", b"* using HTTP/1.x"]
    answer = [b"< HTTP/1.1 401 Unauthorized", b"< Content-Length: 2", b"<", b"{}"]
    return b"\n".join(
        [*noise, *lines, mark.rstrip() if mark == b"> " else mark, b"* upload completely sent off", *answer, b""]
    )


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


CHUNKED_HEAD = HEAD.replace(b"Content-Length: 19", b"Transfer-Encoding: chunked") + b"\r\n\r\n"

CAPTURES: list[tuple[bytes, str]] = [
    (lf(RAW), "LF alone"),
    (RAW + b"\n", "line end behind the body"),
    (RAW + b"\r\n\r\n", "line end behind the body"),
    (RAW + b"HTTP/1.1 401 Unauthorized\r\n", "behind the body"),
    (b"\r\n\r\n" + RAW, "empty lines in front"),
    (b"\xef\xbb\xbf" + RAW, "byte order mark"),
    (b"```http\n" + lf(RAW) + b"\n```\n", "code fence"),
    (b"\n".join(b"    " + line for line in lf(RAW).split(b"\n")), "indentation"),
    (RAW.replace(b"Content-Length: 19\r\n", b""), "added Content-Length"),
    (RAW.replace(b" HTTP/1.1\r\n", b" HTTP/2\r\n", 1), "HTTP/2"),
    (CHUNKED_HEAD + TEXT, "chunked it again"),
    (CHUNKED_HEAD + TEXT + b"\n", "chunked it again"),
    (CHUNKED_HEAD + lf(chunked(TEXT)), "chunks end with LF alone"),
]


@pytest.mark.parametrize(("raw", "note"), CAPTURES, ids=[note for _, note in CAPTURES])
def test_captures_are_normalised(raw: bytes, note: str) -> None:
    report = explained(raw, DEVICE)
    assert any(note in said for said in report.notes)
    assert report.verdict.accepted
    assert capture.read(raw).body == TEXT


@pytest.mark.parametrize("mark", [b"> ", b">"])
def test_curl_logs(mark: bytes) -> None:
    report = explained(curl(GET.removesuffix(b"\r\n\r\n"), mark), DEVICE)
    assert any("curl -v" in note for note in report.notes)
    assert report.verdict.accepted


def test_a_curl_log_needs_the_body_beside_it() -> None:
    log = curl(HEAD)
    missing = explained(log, DEVICE)
    assert missing.verdict.reason is Reason.REQUEST_BODY_INCOMPLETE
    assert any("--body" in note for note in missing.notes)
    assert explained(log, DEVICE, body=TEXT).verdict.accepted


def test_a_head_without_its_empty_line() -> None:
    for end in (b"", b"\r\n", b"\n"):
        report = explained(GET.removesuffix(b"\r\n\r\n") + end, DEVICE)
        assert "added the empty line at the end of the head" in report.notes
        assert report.verdict.accepted


def test_a_body_with_crlf_that_an_editor_made_lf() -> None:
    raw = make(DEVICE, body=b"a\r\nb\r\n")
    report = explained(lf(raw), DEVICE)
    assert report.verdict.accepted
    assert any("lines of the body" in note for note in report.notes)


def test_a_body_that_lost_its_last_line_end() -> None:
    report = explained(make(DEVICE, body=BODY).removesuffix(b"\n"), DEVICE)
    assert report.verdict.accepted
    assert any("put back a line end" in note for note in report.notes)


@pytest.mark.parametrize(
    "raw", [RAW, GET, CHUNKED_HEAD + chunked(TEXT), CHUNKED_HEAD + b"4\r\n" + TEXT[:4] + b"\r\n" + chunked(TEXT[4:])]
)
def test_a_true_capture_is_left_alone(raw: bytes) -> None:
    read = capture.read(raw)
    assert read.notes == ()
    assert read.head + read.framed == raw
    assert explained(raw, DEVICE).verdict.accepted


def test_a_body_of_its_own_is_framed_as_the_head_says() -> None:
    assert capture.read(HEAD + b"\r\n\r\n", TEXT).framed == TEXT
    assert capture.read(CHUNKED_HEAD, TEXT).framed == chunked(TEXT)
    other = capture.read(HEAD + b"\r\n\r\n", b"longer than announced")
    assert b"Content-Length: 21\r\n" in other.head
    assert any("Content-Length says 19" in note for note in other.notes)
    assert codes(explained(RAW, DEVICE, body=b"tampered")) == ["digest-mismatch"]


BROKEN: list[tuple[bytes, Reason, str]] = [
    (RAW.replace(b"Host:", b"Host :"), Reason.REQUEST_FIELD, "2: Host : wfm.example.com"),
    (RAW.replace(b"Host:", b"X-Evil: \x1b[2J\r\nHost:"), Reason.REQUEST_FIELD, "2: X-Evil: \\x1b[2J"),
    (RAW.replace(b"\r\nHost:", b"\r\n Host:"), Reason.REQUEST_FIELD, "2:  Host: wfm.example.com"),
    (RAW.replace(b"Host:", b"Host: b\r\nHost:"), Reason.REQUEST_HOST, "3: Host: wfm.example.com"),
    (RAW.replace(b" HTTP/1.1", b" HTTP/9"), Reason.REQUEST_VERSION, "1: POST"),
    (b"hello\r\n\r\n", Reason.REQUEST_LINE, "1: hello"),
    (b"", Reason.REQUEST_LINE, ""),
    (b"\n\n", Reason.REQUEST_LINE, ""),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "reason", "place"), BROKEN)
def test_a_refused_head_is_shown_with_its_place(raw: bytes, reason: Reason, place: str) -> None:
    report = explained(raw, DEVICE)
    assert report.verdict.reason is reason
    assert [step.name for step in report.steps] == ["head", "verdict"]
    shown = dict(report.steps[0].facts).get("offending line", "")
    assert shown.startswith(place)
    assert bool(shown) == bool(place)


def test_a_broken_chunk_is_judged_by_the_strict_reader() -> None:
    report = explained(CHUNKED_HEAD + b"5\r\nabc\r\n0\r\n\r\n", DEVICE)
    assert report.verdict.reason is Reason.REQUEST_CHUNK
    assert report.steps[0].mark == "fail"
    assert next(step for step in report.steps if step.name == "signature").mark == "ok"


def test_a_reserved_name_is_told_at_the_head() -> None:
    report = explained(RAW.replace(b"Host:", b"Wfm-Client-Id: root\r\nHost:"), DEVICE)
    assert report.verdict.reason is Reason.REQUEST_RESERVED
    assert report.steps[0].mark == "fail"
