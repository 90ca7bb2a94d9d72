"""Runs the gateway's own pipeline over a captured request, so that an explanation can never disagree with it."""

import hashlib

import msgspec

from gateway._native import Head, Refused, WireReader
from gateway.config import Config
from gateway.explain import enrolment
from gateway.explain.capture import Capture
from gateway.explain.lookup import Lookup
from gateway.explain.report import Verdict
from gateway.model import Admitted, Composed, Peer, Refusal, Verified
from gateway.pipeline import Pipeline
from gateway.reasons import Reason
from gateway.registry.answers import Claim
from gateway.signature.engine import CryptographyEngine
from gateway.steps import (
    Attempt,
    BodyFacts,
    NeedBody,
    NeedClaim,
    NeedKey,
    NeedPresented,
    NeedStanding,
    NeedVerification,
    Onboard,
    Rotate,
    ServeRootCa,
    Step,
    Vouch,
)


class FixedClock(msgspec.Struct, frozen=True):
    """Time stands still at `time_s`, seconds since 1970."""

    time_s: float

    def now(self) -> float:
        """The moment that the request is judged at."""
        return self.time_s

    def monotonic(self) -> float:
        """Nothing takes any time."""
        return 0.0


class Reading(msgspec.Struct, frozen=True):
    """What the strict reader made of a capture: a head, or why not; and whether the body broke a rule of its own."""

    head: Head | None
    fault: Refusal | None
    body_fault: Refusal | None


class Judged(msgspec.Struct, frozen=True):
    """The pipeline's decision and how it came to it: the attempts with the engine's answers, what was verified, the
    replay keys that would be claimed, and whether one of them is claimed already (None: nobody knows)."""

    verdict: Verdict
    attempts: tuple[tuple[Attempt, bool], ...] = ()
    verified: Verified | None = None
    claims: tuple[bytes, ...] = ()
    seen: bool | None = None
    open_route: bool = False


def read(capture: Capture, config: Config) -> Reading:
    """Let the strict reader judge (R4, R5)."""
    reader = WireReader(config.limits.head_limit_bytes)
    try:
        reader.feed(capture.head + capture.framed)
    except Refused as refused:
        fault = Refusal(Reason(refused.reason), refused.detail)
        head = reader.take_head()
        return Reading(head, None, fault) if head is not None else Reading(None, fault, None)
    head = reader.take_head()
    if head is None:
        return Reading(None, Refusal(Reason.REQUEST_LINE, "there is no request in the capture"), None)
    if reader.body_pending:
        return Reading(head, None, Refusal(Reason.REQUEST_BODY_INCOMPLETE, f"{len(capture.body)} octets captured"))
    return Reading(head, None, None)


def judge(reading: Reading, capture: Capture, config: Config, peer: Peer, lookup: Lookup, now_s: float) -> Judged:
    """Drive the pipeline to its end. Claims nothing: a store is asked whether the claim is taken, and no more."""
    if reading.head is None:
        assert reading.fault is not None
        return Judged(Verdict(reading.fault.reason, reading.fault.detail))
    pipeline = Pipeline(config, FixedClock(now_s))
    engine = CryptographyEngine()
    attempts: list[tuple[Attempt, bool]] = []
    verified: Verified | None = None
    claims: tuple[bytes, ...] = ()
    seen: bool | None = None
    step: Step = pipeline.begin(reading.head, peer)
    while not isinstance(step, Admitted | Composed | Refusal):
        if isinstance(step, NeedKey):
            step = pipeline.with_key(step, lookup.find(step.realm, step.client_id))
        elif isinstance(step, NeedVerification):
            holds = engine.verify([step.job])[0]
            attempts.append((step.attempt, holds))
            step = pipeline.with_verdict(step, holds)
        elif isinstance(step, NeedBody):
            verified = step.verified[0]
            step = _body_fault(reading, capture, step) or pipeline.with_body(step, _body_facts(capture.body))
        elif isinstance(step, NeedPresented):
            step = _body_fault(reading, capture, step) or pipeline.with_presented(
                step, _body_facts(capture.body), capture.body
            )
        elif isinstance(step, Rotate):
            return Judged(_new_key(pipeline, step, capture.body, engine), tuple(attempts), verified, claims, seen)
        elif isinstance(step, NeedStanding):
            standing = lookup.standing(step.request.realm, step.presented.certificate)
            step = pipeline.with_standing(step, standing)
        elif isinstance(step, Onboard):
            return Judged(enrolment.verdict(step, config), tuple(attempts), verified, claims, seen)
        elif isinstance(step, Vouch):
            return Judged(Verdict(None, action="tell the proxy that asks that it may pass"), open_route=True)
        elif isinstance(step, ServeRootCa):
            return Judged(Verdict(None, action="answer with the root CA certificate itself"), open_route=True)
        elif isinstance(step, NeedClaim):
            verified, claims = step.verified[0], step.keys
            seen = _seen(lookup, step)
            step = pipeline.with_claim(step, Claim.SEEN if seen else Claim.CLAIMED, 0.0)
        else:
            raise TypeError("the pipeline that enforces lets nothing go unverified")
    if isinstance(step, Refusal):
        notes = step.notes
        if config.policy.hide_unknown_clients and step.tells_who_is_known:
            notes += ("the device is told 401 signature.wrong, because of policy.hide_unknown_clients",)
        return Judged(Verdict(step.reason, step.detail, notes), tuple(attempts), verified, claims, seen)
    if isinstance(step, Composed):
        return Judged(Verdict(None), open_route=True)
    return Judged(Verdict(None, "", step.notes), tuple(attempts), step.verified, claims, seen)


def _new_key(pipeline: Pipeline, step: Rotate, body: bytes, engine: CryptographyEngine) -> Verdict:
    """Does a rotation prove that its sender has the new key (R23)? Whether that is trusted is not asked."""
    assert pipeline.rotations is not None
    try:
        found = pipeline.rotations.successor(step.admitted, step.successor, body, step.request.operations)
    except Refused as refused:
        return Verdict(Reason(refused.reason), refused.detail)
    if any(engine.verify([job])[0] for job in found.jobs):
        return Verdict(None, "", step.admitted.notes)
    return Verdict(Reason.SIGNATURE_POSSESSION, f"label {step.successor.label} is not by the new key")


def _body_facts(body: bytes) -> BodyFacts:
    return BodyFacts(len(body), hashlib.sha256(body).digest(), hashlib.sha512(body).digest(), 0.0)


def _body_fault(reading: Reading, capture: Capture, need: NeedBody | NeedPresented) -> Refusal | None:
    """What whoever reads the body would refuse."""
    client_id = need.request.client_id
    if len(capture.body) > need.limit_bytes:
        return Refusal(Reason.REQUEST_BODY_SIZE, f"more than {need.limit_bytes} octets", client_id)
    if reading.body_fault is not None:
        return msgspec.structs.replace(reading.body_fault, client_id=client_id)
    return None


def _seen(lookup: Lookup, need: NeedClaim) -> bool | None:
    answers = [lookup.claimed(key) for key in need.keys]
    return None if None in answers else any(answers)
