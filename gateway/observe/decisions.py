"""The end of each request, from every plane: it is counted, and written down where that is wanted."""

from typing import Any, Final, Protocol

from gateway._native import Candidate, Head, Laps, Refused, select
from gateway.clock import Clock
from gateway.config import Config
from gateway.model import Admitted, Composed, External, Refusal, Unverified, Verified
from gateway.observe.failing import Failures
from gateway.observe.log import Log
from gateway.observe.meter import ABANDONED, NONE, Meter
from gateway.observe.page import Page
from gateway.observe.table import METHODS, STAGES
from gateway.observe.trace import trace_id
from gateway.reasons import TABLE
from gateway.steps import NeedVerification

_METHODS: Final = {name.encode(): name for name in METHODS}
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
    laps: Laps
    step: Any
    """The latest that is no refusal; None if there was none."""


class Decisions:
    """Hears of each request's end exactly once; writes lines as `[log] requests` wants them.

    :param page: where requests are counted
    """

    def __init__(self, config: Config, log: Log, clock: Clock, page: Page) -> None:
        self._meter = Meter(page)
        self.failures = Failures()
        """Who is refused most."""
        self._log = log
        self._clock = clock
        self._refused = config.log.requests != "none"
        self._all = config.log.requests == "all"

    def refused(self, request: Decided, refusal: Refusal) -> None:
        """One line with all that is known about a refused request."""
        self._tell("request.refused", request, refusal, TABLE[refusal.reason].status)

    def _tell(self, event: str, request: Decided, refusal: Refusal, status: int) -> None:
        row = TABLE[refusal.reason]
        reason = refusal.reason._value_
        route, algorithm = _route(request.step), _algorithm(request.step)
        self._meter.count(route or refusal.route, request.head, status, reason, algorithm, request.laps)
        if refusal.client_id and row.status < 500:
            detail = refusal.detail[:TEXT_CHARACTERS]
            self.failures.note(refusal.client_id, reason, detail, request.request_id, self._clock.now())
        if row.status >= 500:
            # Our own trouble is told even where requests are not.
            if not self._log.enabled(row.level):
                return
        elif not self._refused or not self._log.enabled(row.level):
            return
        fields = self._begin(row.level, event, request, route or refusal.route)
        fields["status"] = status
        fields["reason"] = reason
        if refusal.detail:
            fields["detail"] = refusal.detail if row.status == 500 else refusal.detail[:TEXT_CHARACTERS]
        if refusal.hint:
            fields["hint"] = refusal.hint[:HINT_CHARACTERS]
        if refusal.client_id:
            fields["client_id"] = refusal.client_id
        if refusal.notes:
            fields["notes"] = _cut(refusal.notes)
        fields.update(self._signature(request.head))
        self._log.put(fields)

    def passed(self, request: Decided, status: int) -> None:
        """A request that the backend answered; told if everything is, or if there is something to note about it."""
        step = request.step
        notes: tuple[str, ...] = ()
        if isinstance(step, Admitted):
            notes = step.notes
            route, verdict, algorithm = step.route, "accepted", step.verified.algorithm._value_
        elif isinstance(step, Composed):
            route, verdict, algorithm = step.route, "open", NONE
        elif isinstance(step, Unverified):
            if step.refusal is not None:
                self._tell("request.observed", request, step.refusal, status)
                return
            route, verdict, algorithm = step.route, "unverified", NONE
        else:
            route, algorithm = _route(step), _algorithm(step)
            verdict = "own" if algorithm is NONE else "accepted"
        self._meter.count(route, request.head, status, verdict, algorithm, request.laps)
        if not self._told(notes):
            return
        fields = self._begin("info", "request.forwarded", request, route)
        fields["status"] = status
        if isinstance(step, Admitted):
            fields["client_id"] = step.verified.client.client_id
            fields["alg"] = algorithm
            fields.update(self._of(step.verified.candidate))
        if notes:
            fields["notes"] = _cut(notes)
        self._log.put(fields)

    def gone(self, request: Decided, detail: str) -> None:
        """The client went away before its answer."""
        route, algorithm = _route(request.step), _algorithm(request.step)
        self._meter.count(route, request.head, ABANDONED, "abandoned", algorithm, request.laps)
        if self._told(()):
            fields = self._begin("info", "request.abandoned", request, route)
            fields["detail"] = detail
            self._log.put(fields)

    def _told(self, notes: tuple[str, ...]) -> bool:
        """Does a request that was not refused get a line?"""
        return (self._all or (bool(notes) and self._refused)) and self._log.enabled("info")

    def _begin(self, level: str, event: str, request: Decided, route: str) -> dict[str, Any]:
        """A line with what is known of every request."""
        fields = self._log.begin(level, event)
        fields["requestId"] = request.request_id
        fields["peer"] = request.incoming.connection.peer.address
        step = request.step
        if step is not None:
            # What a value does not have costs a microsecond to ask it for.
            external = step.external if isinstance(step, (Admitted, Composed)) else _external(step)
            if external is not None and external.client_address:
                fields["client_address"] = external.client_address
        if route:
            fields["route"] = route
        head = request.head
        if head is not None:
            fields["method"] = _METHODS.get(head.method) or head.method[:32].decode("ascii", "backslashreplace")
            fields["path"] = request.path[:PATH_CHARACTERS]
            trace = trace_id(head)
            if trace:
                fields["trace_id"] = trace
        fields["ms"] = request.laps.milliseconds(STAGES)
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
            fields.update(self._of(candidate))
            if candidate.keyid is not None:
                fields["keyid"] = candidate.keyid[:TEXT_CHARACTERS]
            if candidate.alg is not None:
                fields["alg"] = candidate.alg[:TEXT_CHARACTERS]
        return fields

    def _of(self, candidate: Candidate) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "label": candidate.label[:TEXT_CHARACTERS],
            "covered": candidate.components[:PATH_CHARACTERS],
        }
        if candidate.created is not None:
            fields["age_s"] = round(self._clock.now() - candidate.created, 1)
        return fields


def _external(step: Any) -> External | None:
    external: External | None = getattr(getattr(step, "request", None), "external", None)
    return external


def _route(step: Any) -> str:
    """Name of the route, "" while it is not known."""
    route: str = getattr(getattr(step, "request", step), "route", "")
    return route


def _algorithm(step: Any) -> str:
    """Of the signature that was looked at last, `NONE` if there was none."""
    if isinstance(step, NeedVerification):
        return step.attempt.job.algorithm._value_
    admitted = step if isinstance(step, Admitted) else getattr(step, "admitted", None)
    if admitted is not None:
        return admitted.verified.algorithm._value_
    proofs: tuple[Verified, ...] = getattr(step, "verified", ())
    return proofs[0].algorithm._value_ if proofs else NONE


def _cut(notes: tuple[str, ...]) -> list[str]:
    # A note names what the sender chose, such as labels: its end says what is wrong with it.
    half = TEXT_CHARACTERS // 2
    return [note if len(note) <= TEXT_CHARACTERS else f"{note[:half]}...{note[-half:]}" for note in notes]
