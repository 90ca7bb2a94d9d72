"""Puts an explanation together: the gateway's verdict, every step, and the hints."""

import msgspec

from gateway._native import Refused, parse_head, select
from gateway.config import Config
from gateway.explain import checks, proofs
from gateway.explain.capture import Capture
from gateway.explain.diagnosis import Diagnosis
from gateway.explain.facts import gather
from gateway.explain.judge import Reading, judge, read
from gateway.explain.lookup import Lookup
from gateway.explain.report import Report, Step
from gateway.explain.shown import shown
from gateway.model import Peer


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`now_s` None: judge as of the moment that the signature says it was made at; `system_s` then stands in where it
    does not say. `scan`: how many other clients' keys may be tried. `origin_source` says where scheme and authority
    come from, if not from the configuration."""

    now_s: float | None
    system_s: float
    try_hosts: tuple[str, ...] = ()
    scan: int = 1000
    origin_source: str = ""


def explain(capture: Capture, config: Config, peer: Peer, lookup: Lookup, options: Options) -> Report:
    """Explain one request.

    :raises ConfigError: what `lookup` raises
    """
    reading = read(capture, config)
    notes = capture.notes
    now_s = options.now_s
    if now_s is None:
        created = _created(reading)
        now_s = options.system_s if created is None else float(created)
        notes += (
            (
                "judged by the clock: no signature says when it was created"
                if created is None
                else f"judged as of created={created}: this says nothing about the clock of the device"
            ),
        )
    judged = judge(reading, capture, config, peer, lookup, now_s)
    if reading.head is None:
        first = checks.head_refused(reading, _place(capture))
        return Report(notes, (first, proofs.verdict(judged.verdict)), None, None, (), judged.verdict, 0)
    facts = gather(reading.head, capture, config, peer, lookup, now_s, judged, options.origin_source)
    steps: list[Step] = [checks.head(facts, reading), checks.route(facts), checks.origin(facts)]
    if judged.open_route:
        return Report(notes, (*steps, proofs.verdict(judged.verdict)), None, None, (), judged.verdict, 0)
    steps += [
        checks.signatures(facts),
        checks.components(facts),
        checks.policy(facts),
        proofs.key(facts),
        proofs.base(facts),
        proofs.arithmetic(facts),
        proofs.digest(facts),
        proofs.replay(facts),
        proofs.verdict(judged.verdict),
    ]
    diagnosis = Diagnosis(facts, options.try_hosts, options.scan)
    hints = tuple(sorted(diagnosis.hints, key=lambda hint: not hint.proven))
    return Report(notes, tuple(steps), facts.base, diagnosis.signed_base, hints, judged.verdict, diagnosis.attempts)


def _created(reading: Reading) -> int | None:
    """When the first signature that says so was made."""
    if reading.head is None:
        return None
    try:
        candidates = select(reading.head)
    except Refused:
        return None
    return next((candidate.created for candidate in candidates if candidate.created is not None), None)


def _place(capture: Capture) -> str:
    """The first line with which the strict reader's answer is the one for the whole head; empty if no line is to
    blame."""
    lines = capture.head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    whole = _answer(capture.head)
    if whole is None:
        return ""
    for number in range(1, len(lines) + 1):
        if lines[number - 1] and _answer(b"\r\n".join(lines[:number]) + b"\r\n\r\n") == whole:
            return f"{number}: {shown(lines[number - 1], 200)}"
    return ""


def _answer(head: bytes) -> tuple[str, str] | None:
    try:
        parse_head(head)
    except Refused as refused:
        return refused.reason, refused.detail
    return None
