"""The steps up to the policy: head, route, origin, signatures, components, time and algorithm."""

from gateway._native import Candidate, Refused
from gateway.explain import moments
from gateway.explain.facts import Facts
from gateway.explain.hints.coverage import required
from gateway.explain.judge import Reading
from gateway.explain.report import Mark, Step, Table
from gateway.explain.shown import count, shown
from gateway.explain.signed import signed_of
from gateway.model import Refusal
from gateway.reasons import TABLE, Reason
from gateway.signature.algorithms import AlgorithmChoice


def sentence(reason: str, detail: str = "") -> str:
    """`reason: what it means (detail)`, fit to be shown."""
    row = TABLE[Reason(reason)]
    return f"{reason}: {row.sentence}" + (f" ({shown(detail, 200)})" if detail else "")


def none(name: str, title: str, why: str) -> Step:
    """A step that cannot be judged."""
    return Step(name=name, title=title, mark=Mark.NONE, summary=why)


def head_refused(reading: Reading, place: str) -> Step:
    """Step 1 where there is no head to go on with."""
    assert reading.fault is not None
    facts = (("offending line", place),) if place else ()
    return Step(
        name="head",
        title="Head",
        mark=Mark.FAIL,
        summary=sentence(reading.fault.reason, reading.fault.detail),
        facts=facts,
    )


def head(facts: Facts, reading: Reading) -> Step:
    """Step 1: the strict reader (R4, R14)."""
    head_ = facts.head
    reserved = head_.reserved()
    body = f"{count(len(facts.capture.body), 'octet')} of body" if facts.capture.body else "no body"
    summary = (
        f"{shown(head_.method)} {shown(head_.target, 120)} HTTP/1.{head_.minor}, {count(head_.field_count, 'field')},"
        f" {body}"
    )
    mark = Mark.OK
    if reserved is not None:
        mark, summary = Mark.FAIL, sentence(Reason.REQUEST_RESERVED, reserved.decode())
    elif reading.body_fault is not None:
        mark = Mark.FAIL
        summary = sentence(reading.body_fault.reason, reading.body_fault.detail)
    return Step(name="head", title="Head", mark=mark, summary=summary)


def route(facts: Facts) -> Step:
    """Step 2: path rule R1, route, client id (R2)."""
    match = facts.match
    if isinstance(match, Refusal):
        rows = [("path", shown(facts.head.path, 200))]
        if match.allow:
            rows.append(("allowed", ", ".join(match.allow)))
        return Step(
            name="route", title="Route", mark=Mark.FAIL, summary=sentence(match.reason, match.detail), facts=tuple(rows)
        )
    rows = [("path", shown(facts.head.path, 200)), ("realm", shown(match.realm))]
    whose = ""
    if match.kind == "signed":
        source = "the signature's keyid" if match.client_id_from_keyid else "the path"
        whose = f", client {shown(facts.client_id)} (from {source})"
    mark = Mark.FAIL if match.kind in ("off", "onboarding") else Mark.OK
    summary = f"{shown(match.route)} ({match.kind}){whose}"
    if mark is Mark.FAIL:
        summary = sentence(Reason.REQUEST_ROUTE_OFF, match.route)
    elif match.kind == "open":
        summary += ": needs no signature"
    return Step(name="route", title="Route", mark=mark, summary=summary, facts=tuple(rows))


def origin(facts: Facts) -> Step:
    """Step 3: scheme and authority (R6, R7)."""
    external, view, head_ = facts.external, facts.view, facts.head
    rows = [("Host received", shown(head_.host))]
    rows += [
        (name, shown(b", ".join(head_.values(name.lower().encode())), 160))
        for name in ("X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded")
        if head_.values(name.lower().encode())
    ]
    rows.append(("peer", shown(facts.peer.address) or "unix socket"))
    if isinstance(external, Refused):
        summary = sentence(external.reason, external.detail)
        rows.append(("assumed below", f"{shown(view.scheme)}://{shown(view.authorities[0])}"))
        return Step(name="origin", title="Origin", mark=Mark.FAIL, summary=summary, facts=tuple(rows))
    source = facts.origin_source
    if not source:
        source = "listen.public_url" if facts.config.listen.public_url is not None else "what a trusted proxy forwarded"
    tried = " or ".join(f"{shown(view.scheme)}://{shown(authority)}" for authority in view.authorities)
    return Step(name="origin", title="Origin", mark=Mark.OK, summary=f"{tried}, from {source}", facts=tuple(rows))


def signatures(facts: Facts) -> Step:
    """Step 4: labels and parameters (R8)."""
    if isinstance(facts.candidates, Refused):
        refused = facts.candidates
        fields = tuple(
            (name, shown(b", ".join(facts.head.values(name.lower().encode())), 400) or "(absent)")
            for name in ("Signature-Input", "Signature")
        )
        summary = sentence(refused.reason, refused.detail)
        return Step(name="signatures", title="Signatures", mark=Mark.FAIL, summary=summary, facts=fields)
    focus = facts.focus
    assert focus is not None
    labels = ", ".join(candidate.label for candidate in facts.candidates)
    if focus.reason is not None:
        mark, summary = Mark.FAIL, sentence(focus.reason, focus.detail)
    else:
        mark, summary = Mark.OK, f"{count(len(facts.candidates), 'signature')}: {labels}"
    rows = [("explained here", focus.label)] if len(facts.candidates) > 1 else []
    for candidate in facts.candidates:
        if candidate is focus:
            rows += _parameters(focus, facts)
        else:
            rows.append(
                (
                    f"not {candidate.label}",
                    shown(candidate.params, 200) + (f": {candidate.reason}" if candidate.reason else ""),
                )
            )
    return Step(name="signatures", title="Signatures", mark=mark, summary=summary, facts=tuple(rows))


def _parameters(candidate: Candidate, facts: Facts) -> list[tuple[str, str]]:
    rows = [("components", shown(candidate.components, 300))]
    for name, moment in (("created", candidate.created), ("expires", candidate.expires)):
        if moment is not None:
            rows.append((name, f"{moment} = {moments.both(moment, facts.now_s)}"))
    for name, text in (
        ("keyid", candidate.keyid),
        ("alg", candidate.alg),
        ("nonce", candidate.nonce),
        ("tag", candidate.tag),
    ):
        if text is not None:
            rows.append((name, shown(text, 200)))
    return rows


def components(facts: Facts) -> Step:
    """Step 5: what is covered, with the values, and what is missing (R9)."""
    focus = facts.focus
    if focus is None:
        return none("components", "Components", "there is no signature to read")
    missing = [name for name in required(facts) if not focus.covers(name)] if focus.reason is None else []
    rows: list[tuple[Mark, tuple[str, ...]]] = []
    signed = signed_of(facts)
    if signed is not None:
        for line in signed.form.lines:
            value = signed.form.value_of(line.identifier)
            rows.append((Mark.OK, (shown(line.written), shown(value or b"", 200))))
    elif focus.reason is None and isinstance(facts.bases, Refused):
        rows.append((Mark.NONE, (shown(focus.components, 200), "")))
    rows += [(Mark.FAIL, (f'"{shown(name)}"', "required, not covered")) for name in missing]
    table = Table(("component", "value"), tuple(rows))
    if isinstance(facts.bases, Refused):
        summary = sentence(facts.bases.reason, facts.bases.detail)
        return Step(name="components", title="Components", mark=Mark.FAIL, summary=summary, table=table)
    if missing:
        names = " ".join(f'"{shown(name)}"' for name in missing)
        return Step(name="components", title="Components", mark=Mark.FAIL, summary=f"not covered: {names}", table=table)
    return Step(
        name="components",
        title="Components",
        mark=Mark.OK,
        summary=f"{count(len(rows), 'component')} covered, among them all that are required",
        table=table,
    )


def policy(facts: Facts) -> Step:
    """Step 6: created and expires against now, and the algorithm (R11, R12)."""
    focus, settings = facts.focus, facts.config.policy
    if focus is None:
        return none("policy", "Policy", "there is no signature to read")
    rows = [("now", moments.absolute(facts.now_s))]
    for name, moment in (("created", focus.created), ("expires", focus.expires)):
        rows.append((name, "–" if moment is None else f"{moment} = {moments.both(moment, facts.now_s)}"))
    rows.append(("window", f"at most {settings.max_age_s} s old, {settings.clock_skew_s} s of clock skew either way"))
    rows.append(("alg", shown(focus.alg, 80) if focus.alg is not None else "not sent: the key decides"))
    faults = [fault for fault in (_time_fault(facts, focus), _alg_fault(facts, focus)) if fault is not None]
    if faults:
        return Step(name="policy", title="Policy", mark=Mark.FAIL, summary="; ".join(faults), facts=tuple(rows))
    age = "" if focus.created is None else f"created {moments.relative(focus.created, facts.now_s)}, "
    return Step(name="policy", title="Policy", mark=Mark.OK, summary=f"{age}algorithm allowed", facts=tuple(rows))


def _time_fault(facts: Facts, focus: Candidate) -> str | None:
    try:
        facts.rules.check_time(focus, facts.now_s)
    except Refused as refused:
        return sentence(refused.reason, refused.detail)
    return None


def _alg_fault(facts: Facts, focus: Candidate) -> str | None:
    settings = facts.config.policy
    try:
        AlgorithmChoice(settings.algorithms, settings.rsa_algorithms).check_name(focus.alg)
    except Refused as refused:
        return sentence(refused.reason, refused.detail)
    return None
