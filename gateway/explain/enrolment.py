"""What would become of a device that onboards, in words (R19 to R22)."""

from gateway._native import Refused
from gateway.config import Config
from gateway.explain.report import Verdict
from gateway.model import Client, Status
from gateway.onboarding.body import Presented, read_presented
from gateway.onboarding.flow import Known
from gateway.reasons import Reason
from gateway.registry.answers import Denied
from gateway.routing.match import Match
from gateway.steps import Onboard


def presented(match: object, body: bytes) -> Presented | Denied | None:
    """The certificate in the body of an onboarding request, or why there is none; None on other routes."""
    if not isinstance(match, Match) or match.kind != "onboarding":
        return None
    try:
        return read_presented(body)
    except Refused as refused:
        return Denied(Reason(refused.reason), refused.detail)


def stranger(realm: str, found: Presented) -> Client:
    """Whoever presents a certificate, as the pipeline sees it: a client without an id."""
    return Client(realm, "", Status.ACTIVE, (found.certificate,))


def verdict(step: Onboard, config: Config) -> Verdict:
    """The answer to an onboarding request that passed everything."""
    notes = list(step.admitted.notes)
    if any(authority.crl is not None for authority in config.onboarding.ca):
        notes.append("revocation lists were not asked")
    decision = step.decision
    if isinstance(decision, Known):
        return Verdict(None, "", tuple(notes), f"tell the device its id again: {decision.client_id}")
    if decision.pending:
        return Verdict(Reason.KEY_PENDING, "it would wait for `wfm-gateway clients approve`", tuple(notes))
    tenant = f", tenant {decision.tenant}" if decision.tenant else ""
    if decision.resume:
        how = f"finish what was begun and tell the device its id: {decision.resume}"
    elif config.onboarding.mode == "local":
        how = "give the device an id and record it"
    else:
        how = "ask the WFM for an id, and record it before the device gets it"
    return Verdict(None, "", tuple(notes), f"{how} (by rule {decision.rule}{tenant})")
