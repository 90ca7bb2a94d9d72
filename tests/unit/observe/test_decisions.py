"""What a request comes to in the figures and in the log."""

import os
from types import SimpleNamespace
from typing import Any

from gateway._native import Laps, parse_head
from gateway.model import External, Refusal, Unverified
from gateway.observe.decisions import Decisions
from gateway.observe.page import Page, Reading, new_descriptor
from gateway.reasons import Reason
from tests.support.clock import FakeClock
from tests.support.drive import PEER, config_with

HEAD = parse_head(b"GET /api/v1/clients/dev-1/deployments HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n")


class Lines(list[dict[str, Any]]):
    """A log in a list."""

    def enabled(self, level: str) -> bool:
        return True

    def begin(self, level: str, event: str) -> dict[str, Any]:
        return {"level": level, "event": event}

    def put(self, fields: dict[str, Any]) -> None:
        self.append(fields)


def test_r16_what_is_only_observed_counts_by_its_reason_and_by_the_status_of_the_backend() -> None:
    descriptor = new_descriptor()
    lines: Any = Lines()
    decisions = Decisions(config_with(), lines, FakeClock(), Page(descriptor))
    external = External(b"https", (b"wfm.example.com",), "")
    incoming = SimpleNamespace(connection=SimpleNamespace(peer=PEER))
    for refusal in (Refusal(Reason.KEY_UNKNOWN, "realm default", "dev-1"), None):
        step = Unverified(HEAD, external, "deployments", "observe", "dev-1", refusal)
        request: Any = SimpleNamespace(request_id="r", path="/", head=HEAD, incoming=incoming, laps=Laps(), step=step)
        decisions.passed(request, 204)
    numbers = Reading(descriptor).numbers()
    os.close(descriptor)
    assert numbers["requests_total", ("deployments", "GET", "204")] == [2]
    assert numbers["verdicts_total", ("key.unknown_client", "none")] == [1]
    assert numbers["verdicts_total", ("unverified", "none")] == [1]
    (fields,) = lines
    told = [fields[name] for name in ("event", "reason", "status", "client_id", "detail")]
    assert told == [
        "request.observed", "key.unknown_client", 204, "dev-1", "realm default",
    ]  # fmt: skip
