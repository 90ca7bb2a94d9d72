"""From one candidate and one certificate to `Verified`: what is checked before the arithmetic, and what follows from
it."""

from typing import Final

from gateway._native import Candidate, Refused, ecdsa_der
from gateway.model import Algorithm, Certificate, Client, Job, Verified
from gateway.reasons import Reason
from gateway.signature.engine import Engine

_ED25519_OCTETS: Final = 64
_P256: Final = Algorithm.ECDSA_P256_SHA256
_P384: Final = Algorithm.ECDSA_P384_SHA384
_ED25519: Final = Algorithm.ED25519


def prepare(candidate: Candidate, certificate: Certificate, algorithm: Algorithm, base: bytes) -> Job:
    """Check what a signature of this algorithm and key must look like, and make the job for an engine.

    :raises Refused: signature.bad_length, signature.out_of_range
    """
    signature = candidate.signature
    if algorithm is _P256:
        return Job(certificate, algorithm, base, signature, ecdsa_der(signature, 256))
    if algorithm is _P384:
        return Job(certificate, algorithm, base, signature, ecdsa_der(signature, 384))
    # RFC 8017 §8.1.2, §8.2.2: as many octets as the modulus has; RFC 8032 §5.1.6: 64.
    octets = _ED25519_OCTETS if algorithm is _ED25519 else (certificate.bits + 7) // 8
    if len(signature) != octets:
        raise Refused(Reason.SIGNATURE_LENGTH, f"{len(signature)} octets instead of {octets}")
    return Job(certificate, algorithm, base, signature, b"")


def proven(candidate: Candidate, client: Client, job: Job, authority: bytes, holds: bool) -> Verified | None:
    """The proof, if an engine's answer to `job` was yes."""
    if not holds:
        return None
    return Verified(candidate, client, job.certificate, job.algorithm, authority, job.base)


def check(
    candidate: Candidate,
    client: Client,
    certificate: Certificate,
    algorithm: Algorithm,
    scheme: bytes,
    authority: bytes,
    engine: Engine,
) -> Verified:
    """Verify one signature at once, without policy: for vectors, self-test and benchmarks.

    :raises Refused: what `Candidate.base` and `prepare` raise, signature.wrong
    """
    base = candidate.base(scheme, authority)
    job = prepare(candidate, certificate, algorithm, base)
    if not engine.holds(job):
        raise Refused(Reason.SIGNATURE_WRONG, "")
    return Verified(candidate, client, certificate, algorithm, authority, base)
