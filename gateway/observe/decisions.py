"""What is logged of requests: one line per refusal, and per request where that is wanted."""

from typing import Any, Final, Protocol

from gateway._native import Head, Refused, select
from gateway.clock import Clock
from gateway.config import Config
from gateway.model import Admitted, Refusal
from gateway.observe.log import Log
from gateway.reasons import TABLE

PATH_CHARACTERS: Final = 512
TEXT_CHARACTERS: Final = 200
"""Longest text of the sender's in a line (R29); JSON escapes what stands in it."""

HINT_CHARACTERS: Final = 800


class Decided(Protocol):
    """What a line tells about; `gateway.proxy.exchange.Request` is one."""

    request_id: str
    path: str
    head: Head | None
    incoming: Any
    step: Any


class Decisions:
    """Writes decision lines as `[log] requests` wants them."""

    def __init__(self, config: Config, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._refused = config.log.requests != "none"
        self._all = config.log.requests == "all"

    def refused(self, request: Decided, refusal: Refusal) -> None:
        """One line with all that is known about a refused request."""
        row = TABLE[refusal.reason]
        if row.status >= 500:
            # Our own trouble is told even where requests are not.
            if not self._log.enabled(row.level):
                return
        elif not self._refused or not self._log.enabled(row.level):
            return
        fields = self._common(request)
        fields["status"] = row.status
        fields["reason"] = refusal.reason.value
        if refusal.detail:
            fields["detail"] = refusal.detail if row.status == 500 else refusal.detail[:TEXT_CHARACTERS]
        if refusal.hint:
            fields["hint"] = refusal.hint[:HINT_CHARACTERS]
        if refusal.client_id:
            fields["client_id"] = refusal.client_id
        if refusal.notes:
            fields["notes"] = _cut(refusal.notes)
        fields.update(self._signature(request.head))
        self._log.line(row.level, "request.refused", **fields)

    def passed(self, request: Decided, status: int) -> None:
        """A request that the backend answered; told if everything is, or if there is something to note about it."""
        step = request.step
        notes = step.notes if isinstance(step, Admitted) else ()
        if not self._all and not (notes and self._refused):
            return
        fields = self._common(request)
        fields["status"] = status
        if isinstance(step, Admitted):
            fields["client_id"] = step.verified.client.client_id
            fields["label"] = step.verified.candidate.label[:TEXT_CHARACTERS]
            fields["alg"] = step.verified.algorithm.value
        if notes:
            fields["notes"] = _cut(notes)
        self._log.line("info", "request.forwarded", **fields)

    def gone(self, request: Decided, detail: str) -> None:
        """The client went away before its answer."""
        if self._all:
            self._log.line("info", "request.abandoned", detail=detail, **self._common(request))

    def _common(self, request: Decided) -> dict[str, Any]:
        fields: dict[str, Any] = {"requestId": request.request_id, "peer": request.incoming.connection.peer.address}
        known = getattr(request.step, "request", None)
        external = getattr(request.step, "external", None) or getattr(known, "external", None)
        if external is not None and external.client_address:
            fields["client_address"] = external.client_address
        if known is not None:
            fields["route"] = known.route
        if request.head is not None:
            fields["method"] = request.head.method[:32].decode("ascii", "backslashreplace")
            fields["path"] = request.path[:PATH_CHARACTERS]
        return fields

    def _signature(self, head: Head | None) -> dict[str, Any]:
        """Label, keyid, alg and age of the first signature, whatever it is worth."""
        if head is None:
            return {}
        try:
            candidates = select(head)
        except Refused:
            return {}
        fields: dict[str, Any] = {}
        for candidate in candidates[:1]:
            fields["label"] = candidate.label[:TEXT_CHARACTERS]
            if candidate.keyid is not None:
                fields["keyid"] = candidate.keyid[:TEXT_CHARACTERS]
            if candidate.alg is not None:
                fields["alg"] = candidate.alg[:TEXT_CHARACTERS]
            if candidate.created is not None:
                fields["age_s"] = round(self._clock.now() - candidate.created, 1)
        return fields


def _cut(notes: tuple[str, ...]) -> list[str]:
    # A note names what the sender chose, such as labels: its end says what is wrong with it.
    half = TEXT_CHARACTERS // 2
    return [note if len(note) <= TEXT_CHARACTERS else f"{note[:half]}...{note[-half:]}" for note in notes]
