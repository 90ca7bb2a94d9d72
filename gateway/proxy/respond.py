"""From a refusal to the octets of its answer: problem details (RFC 9457) or the older Margo shape."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import orjson

from gateway.config import Config
from gateway.model import Refusal
from gateway.onboarding.answer import OwnAnswer
from gateway.reasons import MARGO, TABLE, Reason

BACKOFF: Final = frozenset({429, 500, 503})
"""Statuses for which Margo wants `backoffStrategy: exponential`."""

PATH_CHARACTERS: Final = 1024
"""Longest path that an answer repeats."""

TITLES: Final = {
    MARGO + "invalid-digest-header": "Invalid Digest Header",
    MARGO + "invalid-request": "Invalid Request",
    MARGO + "signature-verification-failed": "Signature Verification Failed",
    MARGO + "invalid-certificate-format": "Invalid Certificate",
    MARGO + "certificate-not-trusted": "Certificate Not Trusted",
    MARGO + "invalid-client": "Invalid Client",
}
"""Titles of Margo's own problem types; every other answer is titled by its status (RFC 9457 §3.1.3)."""

LEGACY_ERRORS: Final = {401: "Invalid signature"}
"""What older Margo servers write as `error`, where it differs from the title."""


class Responder:
    """Renders refusals as the configuration wants them."""

    def __init__(self, config: Config, now: Callable[[], float] = time.time) -> None:
        self._legacy = config.errors.format == "legacy"
        self._hide = config.policy.hide_unknown_clients
        verify = config.verify
        self._narrow = (verify.path or "") if verify.only_401_403 else ""
        self._now = now
        self._date_s = -1
        self._date = b""
        components = list(config.policy.required_components)
        self._wanted = _accept_signature(components)
        if "content-digest" not in components:
            components.append("content-digest")
        self._wanted_with_body = _accept_signature(components)

    def render(
        self, refusal: Refusal, request_id: str, path: str, keep_alive: bool, with_body: bool, head_only: bool = False
    ) -> bytes:
        """The whole answer, head and body.

        :param path: the path as received, for `instance`
        :param with_body: the request had a body, so a digest is wanted of the next one
        :param head_only: the request was HEAD: no octet of the body is sent (RFC 9110 §9.3.2)
        """
        reason = refusal.reason
        if self._hide and refusal.tells_who_is_known:
            reason = Reason.SIGNATURE_WRONG
        row = TABLE[reason]
        status = row.status
        if self._narrow and path.startswith(self._narrow) and status < 500 and status != 401:
            status = 403  # nginx takes anything else for a failure of ours
        retry_after_s = row.retry_after_s if refusal.retry_after_s is None else refusal.retry_after_s
        body = (
            self._legacy_body(reason, request_id) if self._legacy else _problem(reason, request_id, path, retry_after_s)
        )
        lines = [
            f"HTTP/1.1 {status} {_phrase(status)}".encode(),
            b"Content-Type: application/json" if self._legacy else b"Content-Type: application/problem+json",
            b"Content-Length: %d" % len(body),
            b"Cache-Control: no-store",
            b"Date: " + self.date(),
            b"X-Request-Id: " + request_id.encode(),
        ]
        if retry_after_s is not None:
            lines.append(b"Retry-After: %d" % retry_after_s)
        if status == 401:  # R26; RFC 9110 §11.6.1, RFC 9421 §5.1
            lines.append(b"WWW-Authenticate: Signature")
            lines.append(b"Accept-Signature: " + (self._wanted_with_body if with_body else self._wanted))
        if row.status == 405:  # RFC 9110 §15.5.6
            lines.append(b"Allow: " + ", ".join(refusal.allow).encode())
        if not keep_alive:
            lines.append(b"Connection: close")
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        return head if head_only else head + body

    def render_own(self, answer: OwnAnswer, request_id: str, keep_alive: bool, head_only: bool = False) -> bytes:
        """An answer that is no refusal, head and body."""
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}".encode()]
        lines += [f"{name}: {value}".encode() for name, value in answer.fields]
        if answer.status != 304:  # RFC 9110 §15.4.5: metadata of the 200 only where it guides a cache
            lines.append(b"Content-Length: %d" % len(answer.body))
        lines += [b"Date: " + self.date(), b"X-Request-Id: " + request_id.encode()]
        if not keep_alive:
            lines.append(b"Connection: close")
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        return head if head_only else head + answer.body

    def date(self) -> bytes:
        """The current time as an IMF-fixdate (RFC 9110 §5.6.7), made once a second."""
        second = int(self._now())
        if second != self._date_s:
            self._date_s = second
            self._date = http_date(second)
        return self._date

    @staticmethod
    def _legacy_body(reason: Reason, request_id: str) -> bytes:
        row = TABLE[reason]
        error = LEGACY_ERRORS.get(row.status) or TITLES.get(row.type) or _phrase(row.status)
        # Beyond the two members of the older standard: both are strings that an old client ignores.
        members = {"error": error, "message": row.sentence, "reason": reason.value, "requestId": request_id}
        return orjson.dumps(members)


def _problem(reason: Reason, request_id: str, path: str, retry_after_s: int | None) -> bytes:
    row = TABLE[reason]
    members: dict[str, Any] = {
        "type": row.type,
        "title": TITLES.get(row.type) or _phrase(row.status),
        "status": row.status,
        "detail": row.sentence,
        "instance": _escaped(path),
        "retryable": row.retryable,
        "backoffStrategy": "exponential" if row.retryable and row.status in BACKOFF else "none",
        "reason": reason.value,
        "requestId": request_id,
    }
    if retry_after_s is not None:
        members["retryAfterSeconds"] = retry_after_s
        if row.status not in BACKOFF:
            members["backoffStrategy"] = "fixed"
    return orjson.dumps(members)


def _escaped(path: str) -> str:
    return path[:PATH_CHARACTERS].encode("utf-8", "backslashreplace").decode()


def _phrase(status: int) -> str:
    # RFC 9110 §15.5.14 renamed it; Python before 3.13 has the old one.
    return "Content Too Large" if status == 413 else HTTPStatus(status).phrase


def _accept_signature(components: list[str]) -> bytes:
    """RFC 9421 §5.1; the label is the one that Margo's specification uses."""
    inner = " ".join(f'"{name}"' for name in components)
    return f"sig1=({inner});created;keyid".encode()


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(second: int) -> bytes:
    """Seconds since 1970 as an IMF-fixdate; not with strftime, which follows the locale."""
    when = time.gmtime(second)
    day, month = _DAYS[when.tm_wday], _MONTHS[when.tm_mon - 1]
    return (
        f"{day}, {when.tm_mday:02} {month} {when.tm_year} {when.tm_hour:02}:{when.tm_min:02}:{when.tm_sec:02} GMT"
    ).encode()
