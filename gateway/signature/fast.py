"""The engine of the extra `fast`: AWS-LC through the package `awscrt`, for ECDSA on CPUs without AVX-512 IFMA."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.model import Algorithm, Job
from gateway.signature.engine import Engine
from gateway.signature.keys import KeyPool, PublicKey

if TYPE_CHECKING:
    from awscrt.crypto import EC

ALGORITHMS: Final = (Algorithm.ECDSA_P256_SHA256, Algorithm.ECDSA_P384_SHA384)
"""awscrt verifies no Ed25519, and of RSA not with an exact salt length (R11)."""

_P256: Final = Algorithm.ECDSA_P256_SHA256


def missing() -> str:
    """Why AWS-LC cannot be used; "" if it can."""
    try:
        from awscrt.crypto import EC
    except ImportError:
        return "the package awscrt is not installed (pip install 'wfm-gateway[fast]')"
    return "" if hasattr(EC, "verify") and hasattr(EC, "new_key_from_der_data") else "this awscrt is too old"


class AwsEngine:
    """One ECDSA signature after the other with AWS-LC. What it refuses, `oracle` is asked."""

    def __init__(self, oracle: Engine) -> None:
        import awscrt

        self.name = f"awscrt {awscrt.__version__} (AWS-LC)"
        self._oracle = oracle
        self._pool = KeyPool(form=_key_of)

    def verify(self, batch: Sequence[Job]) -> list[bool]:
        """One answer a job, in order."""
        return [self.holds(job) for job in batch]

    def holds(self, job: Job) -> bool:
        """Does one signature hold?"""
        key: EC = self._pool.get(job.certificate)
        hashed = hashlib.sha256 if job.algorithm is _P256 else hashlib.sha384
        return key.verify(hashed(job.base).digest(), job.der) is True or self._oracle.holds(job)


def _key_of(key: PublicKey) -> "EC":
    from awscrt.crypto import EC

    return EC.new_key_from_der_data(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
