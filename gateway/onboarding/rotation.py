"""A device gives itself a new certificate: it signs with its old key and with the new one (R23)."""

from datetime import UTC, datetime
from json import dumps
from typing import Final

import msgspec

from gateway._native import Candidate, Refused
from gateway.config.onboarding import Onboarding
from gateway.model import Admitted, Client, Job, Refusal
from gateway.onboarding.answer import OwnAnswer
from gateway.onboarding.body import Presented, read_presented
from gateway.onboarding.trust import Trust
from gateway.onboarding.verdict import Accept, Pending, Reject
from gateway.reasons import Reason
from gateway.registry.operations import Rotation
from gateway.registry.records import Record, StoredCertificate
from gateway.registry.registration import Decision, Outcome
from gateway.signature.algorithms import AlgorithmChoice
from gateway.signature.verify import prepare

TAG: Final = "wfm-rotate"
"""The `tag` of the signature by the new key; on this route it is never taken for one of the old key."""

_REFUSED: Final = {
    Outcome.KEY_TAKEN: Reason.KEY_TAKEN,  # R20
    Outcome.KEY_REMOVED: Reason.KEY_REMOVED,  # R22
    Outcome.TOO_MANY: Reason.KEY_TOO_MANY,
    Outcome.UNKNOWN: Reason.KEY_UNKNOWN,
    Outcome.NOT_ACTIVE: Reason.KEY_REVOKED,
    Outcome.DAMAGED: Reason.STORE_ANSWER,
}
_DONE: Final = frozenset({Outcome.ROTATED, Outcome.UNCHANGED})


class Successor(msgspec.Struct, frozen=True):
    """What a device presents as its new certificate, and the public-key operations of which one must hold to prove
    that it has the key."""

    presented: Presented
    jobs: tuple[Job, ...]


def split(candidates: tuple[Candidate, ...]) -> tuple[tuple[Candidate, ...], Candidate]:
    """The signatures of a rotation that may be the old key's, and the one that claims to be the new key's.

    :raises Refused: signature.no_possession, signature.missing
    """
    new = [candidate for candidate in candidates if candidate.tag == TAG]
    if len(new) != 1:
        raise Refused(Reason.SIGNATURE_POSSESSION, f"{len(new)} signatures with the tag {TAG}, wanted one")
    old = tuple(candidate for candidate in candidates if candidate.tag != TAG)
    if not old:
        raise Refused(Reason.SIGNATURE_MISSING, "there is none of the old key")
    return old, new[0]


class Rotations:
    """What becomes of a rotation whose old key is proven (by `Admitted`)."""

    def __init__(self, config: Onboarding, choice: AlgorithmChoice, trust: Trust) -> None:
        self._overlap_s = config.rotation_overlap_s
        self._choice = choice
        self._trust = trust

    def successor(self, admitted: Admitted, new: Candidate, body: bytes, operations: int) -> Successor:
        """The new certificate in the body, and how to prove that the sender has its key.

        :param new: the candidate that `split` found, after it passed the policy
        :param operations: how many public-key operations the request has left (R5)
        :raises Refused: digest.not_covered, onboarding.*, trust.weak_key, signature.*
        """
        old = admitted.verified
        if not admitted.body_verified:  # the new certificate stands there
            raise Refused(Reason.DIGEST_NOT_COVERED, f"label {old.candidate.label}")
        if new.components != old.candidate.components:
            raise Refused(Reason.SIGNATURE_POSSESSION, "the two keys sign different components")
        presented = read_presented(body)
        algorithms = self._choice.for_key(new.alg, presented.certificate)
        if old.algorithm in algorithms:  # one device, one library
            algorithms = (old.algorithm, *(one for one in algorithms if one is not old.algorithm))
        base = new.base(admitted.external.scheme, old.authority)
        jobs = [prepare(new, presented.certificate, algorithm, base) for algorithm in algorithms[:operations]]
        return Successor(presented, tuple(jobs))

    def judge(self, admitted: Admitted, presented: Presented, pinned: bool, now: float) -> Rotation:
        """The change to be made for a device that has proved to have both keys.

        :param pinned: as `gateway.onboarding.trust.Trust.judge` wants it
        :param now: seconds since 1970
        :raises Refused: trust.*, key.retired
        """
        old, client, known = admitted.verified.certificate, admitted.verified.client, presented.certificate
        current = {one.sha256 for one in client.certificates if one.retire_after is None}
        if old.retire_after is not None and known.sha256 not in current:
            # Who stole the key that a device has left behind must not be able to name the device's next one.
            raise Refused(Reason.KEY_RETIRED, f"certificate {old.sha256} has a successor, and cannot name another")
        verdict = self._trust.judge(presented.x509, presented.der, now, pinned)
        match verdict:
            case Reject():
                raise Refused(verdict.reason, verdict.detail)
            case Pending():
                raise Refused(Reason.TRUST_UNTRUSTED, f"certificate {known.sha256}: approval is for clients, pin it")
            case Accept():
                pass
        certificate = StoredCertificate(
            der=presented.der,
            sha256=known.sha256,
            spki=known.spki,
            spki_sha256=known.spki_sha256,
            key_type=known.key_type,
            bits=known.bits,
            not_before=known.not_before,
            not_after=known.not_after,
            added=int(now),
        )
        return Rotation(
            realm=client.realm, client_id=client.client_id, certificate=certificate, overlap_s=self._overlap_s
        )


def conclude(decision: Decision, client: Client) -> OwnAnswer | Refusal:
    """What the device is told about the recorder's decision."""
    if decision.outcome not in _DONE:
        reason = _REFUSED.get(decision.outcome, Reason.INTERNAL_ERROR)
        return Refusal(reason, decision.sentence, client.client_id)
    ends = _ends(decision.record, client)
    when = None if ends is None else datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = dumps({"clientId": client.client_id, "retireAfter": when}).encode()
    return OwnAnswer(200, (("Content-Type", "application/json"), ("Cache-Control", "no-store")), body)


def _ends(record: Record | None, client: Client) -> int | None:
    """When the last certificate retires that is not the present one; None if there is only that one."""
    certificates = client.certificates if record is None else record.certs
    return max((one.retire_after for one in certificates if one.retire_after is not None), default=None)
