"""What the admin API says no with: RFC 9457 problems, under reasons of its own and under those that devices get."""

import json
from enum import StrEnum
from typing import Any, Final

from aiohttp import web

from gateway.reasons import OURS, TABLE, ConfigError, Reason
from gateway.registry.registration import Outcome
from gateway.registry.writes import Result

PROBLEM: Final = "application/problem+json"
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""On every answer: what it says is for its caller alone, and is no page (R29)."""


def encoded(told: Any) -> bytes:
    """JSON in ASCII: what a device sent stays harmless in a terminal, too, where orjson leaves C1 controls and bidi
    overrides as they are (R29)."""
    return json.dumps(told, separators=(",", ":")).encode()


class AdminReason(StrEnum):
    """Reasons that only the admin API has. What the registry refuses comes as `registry.` and the outcome."""

    TOKEN = "admin.unauthorized"  # noqa: S105 — a name
    HOST = "admin.foreign_host"
    INPUT = "admin.bad_request"
    MEDIA = "admin.unsupported_media_type"


_OWN: Final = {
    AdminReason.TOKEN: (401, "The request does not bring the token of this API."),
    AdminReason.HOST: (421, "The Host field does not name this API."),
    AdminReason.INPUT: (400, "The request is not one that this API takes."),
    AdminReason.MEDIA: (415, "The body is not application/json."),
}


class Problem(Exception):
    """A refusal, on its way to the caller.

    :param reason: stable name, `family.cause`
    :param title: the sentence that always goes with the reason
    :param detail: what is special about this case
    """

    def __init__(
        self, status: int, reason: str, title: str, detail: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.reason = reason
        self._title = title
        self._detail = detail
        self._headers = headers or {}

    def response(self) -> web.Response:
        """The answer, in JSON: whatever a device or an operator wrote into `detail` is escaped by it."""
        told: dict[str, Any] = {
            "type": OURS + self.reason,
            "title": self._title,
            "status": self.status,
            "reason": self.reason,
        }
        if self._detail:
            told["detail"] = self._detail
        return web.Response(
            status=self.status, body=encoded(told), content_type=PROBLEM, headers={**HEADERS, **self._headers}
        )


def own(reason: AdminReason, detail: str = "") -> Problem:
    """One of our own reasons."""
    status, title = _OWN[reason]
    headers = {"WWW-Authenticate": "Bearer"} if reason is AdminReason.TOKEN else None  # RFC 9110 §11.6.1
    return Problem(status, reason, title, detail, headers)


def shared(reason: Reason, detail: str = "", headers: dict[str, str] | None = None) -> Problem:
    """One of the reasons that devices get, too."""
    row = TABLE[reason]
    found = dict(headers or {})
    if row.retry_after_s is not None:
        found["Retry-After"] = str(row.retry_after_s)
    return Problem(row.status, reason, row.sentence, detail, found)


def of_error(error: ConfigError) -> Problem:
    """What an operation of the registry raised: the store is in trouble (503), or the caller's input is wrong (400)."""
    if error.reason is Reason.CONFIG_STORE:
        return shared(Reason.STORE_UNAVAILABLE, error.message)
    return own(AdminReason.INPUT, error.message)


def of_result(result: Result) -> Problem:
    """What the registry refused."""
    unknown = result.outcome is Outcome.UNKNOWN
    title = "There is no such client." if unknown else "The registry does not allow this change."
    return Problem(404 if unknown else 409, f"registry.{result.outcome.value}", title, result.sentence)
