"""What is recorded of a device that is enrolled, and what the registry's decision means for it (R20, R22)."""

from typing import Final

import msgspec

from gateway.model import Refusal, Status
from gateway.onboarding.body import Presented
from gateway.onboarding.flow import Enrol
from gateway.reasons import Reason
from gateway.registry.records import WAITING
from gateway.registry.registration import Decision, Outcome, Registration, prepare

_REMOVED: Final = frozenset({Outcome.ID_REMOVED, Outcome.KEY_REMOVED})


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One device to be recorded under an id that is known: what a journal keeps. `holds` is what the index of its key
    has until then (a lease, or the id under which it waited for approval)."""

    realm: str
    client_id: str
    der: bytes
    holds: str
    rule: str
    tenant: str = ""
    pending: bool = False
    waiting: bool = False

    def registration(self, now_s: int) -> Registration:
        """What the registry is asked for."""
        plain = prepare(self.realm, self.client_id, self.der, "the certificate", now_s)
        return msgspec.structs.replace(
            plain,
            tenant=self.tenant or None,
            labels=dict([WAITING]) if self.waiting else None,
            status=Status.PENDING if self.pending else Status.ACTIVE,
        )


def entry_for(presented: Presented, realm: str, enrol: Enrol, client_id: str, holds: str, has_wfm: bool) -> Entry:
    """What to record of a device under `client_id`; with a WFM behind us, one that waits has no id of its own yet."""
    return Entry(
        realm=realm,
        client_id=client_id,
        der=presented.der,
        holds=holds,
        rule=enrol.rule,
        tenant=enrol.tenant,
        pending=enrol.pending,
        waiting=enrol.pending and has_wfm,
    )


def refusal_of(decision: Decision, client_id: str) -> Refusal | None:
    """What the registry's answer means for the device; None: it is recorded."""
    outcome = decision.outcome
    if not outcome.refused:
        return None
    if outcome in _REMOVED:
        return Refusal(Reason.KEY_REMOVED, decision.sentence, client_id)
    if outcome is Outcome.WAITS:
        return Refusal(Reason.KEY_PENDING, decision.sentence, client_id)
    return Refusal(Reason.ONBOARDING_ID_TAKEN, decision.sentence, client_id)
