"""Which public-key operations a request leads to: signature, certificate, algorithm, spelling, and in which order."""

from collections.abc import Iterator
from typing import Final

from gateway._native import Candidate, Refused
from gateway.model import Certificate, Client, External
from gateway.policy import Rules
from gateway.several import further
from gateway.signature.algorithms import AlgorithmChoice
from gateway.signature.verify import prepare
from gateway.steps import Attempt, Request

OPERATION_LIMIT: Final = 4
"""Public-key operations per request, whatever labels, certificates, algorithms and spellings there are (R5)."""


class Attempts:
    """Plans them for one configuration."""

    def __init__(self, rules: Rules, choice: AlgorithmChoice) -> None:
        self._rules = rules
        self._choice = choice

    def of(self, request: Request, client: Client, now: float) -> tuple[tuple[Attempt, ...], tuple[Attempt, ...]]:
        """The attempts to make, and those for which there is no room within R5.

        They are taken in turn from each signature, so that a bad one cannot use up a good one's share (R8).

        :raises Refused: no signature leads to any: the fault that came furthest
        """
        required = digest_required(request, client)
        # One is left for the key that a rotation brings.
        limit = OPERATION_LIMIT if request.successor is None else OPERATION_LIMIT - 1
        if len(request.candidates) == 1:  # nearly every request
            planned = self._of_candidate(request, request.candidates[0], client, required, now)
            return tuple(planned[:limit]), tuple(planned[limit:])
        fault: Refused | None = None
        turns: list[Iterator[Attempt]] = []
        for candidate in request.candidates:
            try:
                turns.append(iter(self._of_candidate(request, candidate, client, required, now)))
            except Refused as refused:
                fault = further(fault, refused)
        attempts: list[Attempt] = []
        while turns and len(attempts) < limit:
            turn = turns.pop(0)
            attempt = next(turn, None)
            if attempt is not None:
                attempts.append(attempt)
                turns.append(turn)
        if not attempts:
            assert fault is not None
            raise fault
        return tuple(attempts), tuple(attempt for turn in turns for attempt in turn)

    def _of_candidate(
        self, request: Request, candidate: Candidate, client: Client, required: bool, now: float
    ) -> list[Attempt]:
        if request.head.content_length > 0:
            self._rules.check_digest_coverage(candidate, required)
        certificates = self._rules.usable_certificates(client, candidate.keyid, now)
        return self._of_signature(request.external, candidate, certificates)

    def _of_signature(
        self, external: External, candidate: Candidate, certificates: tuple[Certificate, ...]
    ) -> list[Attempt]:
        fault: Refused | None = None
        attempts: list[Attempt] = []
        first: bytes | None = None
        for authority in external.authorities:
            base = candidate.base(external.scheme, authority)
            if base == first:
                break  # R7: another spelling matters only if the signature covers it.
            first = base
            for certificate in certificates:
                try:
                    for algorithm in self._choice.for_key(candidate.alg, certificate):
                        job = prepare(candidate, certificate, algorithm, base)
                        attempts.append(Attempt(candidate, authority, job))
                except Refused as refused:
                    fault = further(fault, refused)
        if not attempts:
            assert fault is not None
            raise fault
        return attempts


def digest_required(request: Request, client: Client) -> bool:
    """Must the signature cover the digest of a body (R10)? The client's own setting goes first."""
    if client.require_covered_digest is None:
        return request.require_covered_digest
    return client.require_covered_digest
