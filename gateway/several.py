"""What several signatures of one request come to: the first that holds counts, the fault that came furthest is told
(R8)."""

from typing import Final

import msgspec

from gateway._native import Refused
from gateway.model import Verified
from gateway.reasons import Reason
from gateway.steps import NeedVerification, Request

_PROGRESS: Final[dict[str, int]] = {"policy": 1, "key": 2, "trust": 2}


def in_field_order(request: Request, verified: tuple[Verified, ...]) -> tuple[Verified, ...]:
    """The proofs in the order of their signatures: the first counts, whichever was tried first."""
    if len(verified) == 1:
        return verified
    return tuple(sorted(verified, key=lambda proof: request.candidates.index(proof.candidate)))


def with_failures(request: Request, verified: tuple[Verified, ...], failed: tuple[str, ...]) -> Request:
    """The request with a note on each signature that does not hold: beside a good one it does no harm, but somebody
    should know of it."""
    if not failed:
        return request
    held = {proof.candidate.label for proof in verified}
    bad = [label for label in dict.fromkeys(failed) if label not in held]
    if not bad:
        return request
    notes = tuple(f"label {label}: {Reason.SIGNATURE_WRONG}" for label in bad)
    return msgspec.structs.replace(request, notes=request.notes + notes)


def who(need: NeedVerification) -> str:
    """The last attempt, for the operator."""
    job = need.attempt.job
    return f"label {need.attempt.candidate.label}, {job.algorithm.value}, certificate {job.certificate.sha256}"


def further(before: Refused | None, refused: Refused) -> Refused:
    """The fault that came further; of equals, the first."""
    if before is None:
        return refused
    return refused if _rank(refused) > _rank(before) else before


def _rank(refused: Refused) -> int:
    return _PROGRESS.get(refused.reason.partition(".")[0], 0)
