"""Every reason as an answer: problem details (RFC 9457) and the older shape (R26)."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config
from gateway.config.load import settle
from gateway.model import Refusal
from gateway.proxy.respond import Responder, http_date
from gateway.reasons import BLANK, MARGO, OURS, TABLE, Reason

ANSWERED = [reason for reason in Reason if not reason.startswith("config.")]


def config(**sections: Any) -> Config:
    """A configuration with these sections."""
    document = {"listen": {"public_url": "https://a.example"}, "upstream": {"url": "http://127.0.0.1:1"}, **sections}
    return settle(document, Path("/"), "")


def rendered(responder: Responder, refusal: Refusal, **options: Any) -> tuple[str, list[str], Any]:
    """Status line, field lines and body."""
    settings = {"request_id": "r1", "path": "/p", "keep_alive": True, "with_body": False, **options}
    head, _, body = responder.render(refusal, **settings).partition(b"\r\n\r\n")
    status_line, *lines = head.decode("ascii").split("\r\n")
    assert f"Content-Length: {len(body)}" in lines or options.get("head_only")
    return status_line, lines, json.loads(body) if body else None


@pytest.mark.parametrize("reason", ANSWERED)
def test_every_reason_has_an_answer(reason: Reason) -> None:
    row = TABLE[reason]
    status_line, lines, problem = rendered(Responder(config()), Refusal(reason, "operators only", allow=("GET",)))
    assert status_line.startswith(f"HTTP/1.1 {row.status} ")
    assert "Content-Type: application/problem+json" in lines
    assert problem["status"] == row.status
    assert problem["reason"] == reason.value
    assert problem["detail"] == row.sentence
    assert problem["type"].startswith((MARGO, OURS)) or problem["type"] == BLANK
    assert problem["retryable"] is row.retryable
    assert "operators only" not in json.dumps(problem)
    if row.type == BLANK:  # RFC 9457 §4.2.1
        assert problem["title"] == HTTPStatus(row.status).phrase
    retry = [line for line in lines if line.startswith("Retry-After")]
    assert retry == ([] if row.retry_after_s is None else [f"Retry-After: {row.retry_after_s}"])
    assert problem.get("retryAfterSeconds") == row.retry_after_s
    if row.status in (429, 503):
        assert problem["backoffStrategy"] == "exponential"
    if not row.retryable:
        assert problem["backoffStrategy"] == "none"
    assert any(line.startswith("WWW-Authenticate") for line in lines) is (row.status == 401)
    assert ("Allow: GET" in lines) is (row.status == 405)


def test_margos_own_titles_are_those_of_its_documents() -> None:
    known = Path(__file__).parents[3].parent / "shared" / "margo" / "problem-types.json"
    if not known.exists():
        pytest.skip("the folder with Margo's documents is not here")
    titles = {entry["type"]: (entry["title"], entry["status"]) for entry in json.loads(known.read_text())["types"]}
    used = {TABLE[reason].type for reason in ANSWERED if TABLE[reason].type.startswith(MARGO)}
    for reason in ANSWERED:
        if TABLE[reason].type in used:
            _, _, problem = rendered(Responder(config()), Refusal(reason))
            title, status = titles[TABLE[reason].type]
            assert (problem["title"], problem["status"] == status) == (title, True) or reason is Reason.REQUEST_PATH


@pytest.mark.parametrize("reason", ANSWERED)
def test_every_reason_in_the_older_shape(reason: Reason) -> None:
    responder = Responder(config(errors={"format": "legacy"}))
    _, lines, body = rendered(responder, Refusal(reason, allow=("GET",)))
    assert "Content-Type: application/json" in lines
    assert set(body) == {"error", "message", "reason", "requestId"}
    assert all(isinstance(value, str) and value for value in body.values())


def test_accept_signature_asks_for_what_the_policy_wants() -> None:
    """RFC 9421 §5.1."""
    wanted = {"required_components": ["@method", "@target-uri", "@authority"]}
    responder = Responder(config(policy=wanted))
    for with_body, digest in ((False, ""), (True, ' "content-digest"')):
        _, lines, _ = rendered(responder, Refusal(Reason.SIGNATURE_WRONG), with_body=with_body)
        assert f'Accept-Signature: sig1=("@method" "@target-uri" "@authority"{digest});created;keyid' in lines


def test_connection_close_is_said() -> None:
    for keep_alive in (True, False):
        _, lines, _ = rendered(Responder(config()), Refusal(Reason.SIGNATURE_WRONG), keep_alive=keep_alive)
        assert ("Connection: close" in lines) is not keep_alive


def test_head_gets_the_length_and_not_the_body() -> None:
    responder = Responder(config(), now=lambda: 0.0)
    refusal = Refusal(Reason.REQUEST_NO_ROUTE)
    whole = responder.render(refusal, "r", "/p", True, False)
    head = responder.render(refusal, "r", "/p", True, False, head_only=True)
    assert whole.startswith(head)
    assert head.endswith(b"\r\n\r\n")


def test_path_in_the_answer_is_cut_and_escaped() -> None:
    """R29."""
    path = '/\udcff"\n' + "x" * 5000
    _, _, problem = rendered(Responder(config()), Refusal(Reason.REQUEST_NO_ROUTE), path=path)
    assert problem["instance"].startswith('/\\udcff"\n')
    assert len(problem["instance"]) < 1100


@pytest.mark.parametrize(
    ("second", "text"),
    [(0, b"Thu, 01 Jan 1970 00:00:00 GMT"), (784111777, b"Sun, 06 Nov 1994 08:49:37 GMT")],
)
def test_date_is_an_imf_fixdate(second: int, text: bytes) -> None:
    """RFC 9110 §5.6.7, with its own example."""
    assert http_date(second) == text


def test_date_moves_with_the_clock() -> None:
    times = [10.9, 11.0]
    responder = Responder(config(), now=lambda: times[0])
    assert responder.date() == http_date(10)
    times.pop(0)
    assert responder.date() == http_date(11)
