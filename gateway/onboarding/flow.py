"""What becomes of a device that has proved to have its key: known, to be enrolled, to be forwarded, or refused (R19 to
R22)."""

from typing import Final, Literal, TypeAlias

import msgspec

from gateway.model import Refusal, Status
from gateway.onboarding.body import Presented
from gateway.onboarding.trust import Trust
from gateway.onboarding.verdict import Pending, Reject
from gateway.reasons import Reason
from gateway.registry.records import WAITING, Record
from gateway.registry.registration import LEASE, TOMBSTONE

Mode: TypeAlias = Literal["proxy", "local", "passthrough", "off"]

BY_STATUS: Final = {
    Status.PENDING: Reason.KEY_PENDING,
    Status.REVOKED: Reason.KEY_REVOKED,
    Status.RETIRED: Reason.KEY_RETIRED,
    Status.TOMBSTONE: Reason.KEY_REMOVED,
}


class Standing(msgspec.Struct, frozen=True):
    """What the store has about a key: `owner` is its index entry (an id, a lease, a tombstone, "" for none), `record`
    that of the owner."""

    owner: str = ""
    record: Record | None = None
    pinned: bool = False


class Known(msgspec.Struct, frozen=True):
    """The key has an active client: its id is the answer."""

    client_id: str


class Enrol(msgspec.Struct, frozen=True):
    """A new client, accepted by `rule`. `pending`: it only waits for approval. `held`: what the index holds of an
    earlier attempt, to be replaced. `resume`: the id is known already, its record is missing."""

    rule: str
    tenant: str = ""
    pending: bool = False
    held: str = ""
    resume: str = ""


class Forward(msgspec.Struct, frozen=True):
    """To the WFM, and nothing is recorded."""


Decision: TypeAlias = Known | Enrol | Forward | Refusal


def decide(presented: Presented, standing: Standing, mode: Mode, trust: Trust | None, now: float) -> Decision:
    """What becomes of the device.

    :param trust: None: the WFM alone judges (mode passthrough without rules)
    :param now: seconds since 1970
    """
    owner, record = standing.owner, standing.record
    if owner.startswith(TOMBSTONE):
        return Refusal(Reason.KEY_REMOVED, f"the key was that of client {owner.removeprefix(TOMBSTONE)}")
    if record is not None:
        return _known(presented, record, mode, now)
    if trust is None:
        return Forward()
    verdict = trust.judge(presented.x509, presented.der, now, standing.pinned)
    if isinstance(verdict, Reject):
        return Refusal(verdict.reason, verdict.detail)
    if mode == "passthrough":
        return Forward()
    if isinstance(verdict, Pending):
        return Enrol("approval", pending=True)
    # The index without its record: a worker ended between the two writes, after the id was learnt.
    resume = "" if owner.startswith(LEASE) else owner
    return Enrol(verdict.rule, verdict.tenant, resume=resume)


def _known(presented: Presented, record: Record, mode: Mode, now: float) -> Decision:
    if record.status is not Status.ACTIVE:
        return Refusal(BY_STATUS[record.status], f"client {record.id}", record.id)
    spki = presented.certificate.spki_sha256
    certificate = next((known for known in record.certs if known.spki_sha256 == spki), None)
    if certificate is None:
        return Refusal(Reason.STORE_ANSWER, f"the index names client {record.id}, which does not have the key")
    if certificate.retire_after is not None and now > certificate.retire_after:
        return Refusal(Reason.KEY_RETIRED, f"client {record.id}", record.id)
    if mode == "passthrough":
        return Forward()
    if mode == "proxy" and is_waiting(record):
        return Enrol("approval", record.tenant, held=record.id)
    return Known(record.id)


def is_waiting(record: Record) -> bool:
    """Was the client held back for approval before the WFM was asked?"""
    return record.labels.get(WAITING[0]) == WAITING[1]
