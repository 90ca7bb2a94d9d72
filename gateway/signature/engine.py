"""What an engine is, and the one that is always there."""

from collections.abc import Sequence
from typing import Final, Protocol

import cryptography
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from gateway.model import Algorithm, Job
from gateway.signature.keys import KeyPool

# Looking a member up in its enumeration costs more than everything else in a comparison.
_P256: Final = Algorithm.ECDSA_P256_SHA256
_P384: Final = Algorithm.ECDSA_P384_SHA384
_ED25519: Final = Algorithm.ED25519
_RSA_V1_5: Final = Algorithm.RSA_V1_5_SHA256
_RSA_PSS_SHA512: Final = Algorithm.RSA_PSS_SHA512

_SHA256: Final = hashes.SHA256()
_SHA512: Final = hashes.SHA512()
_ECDSA_SHA256: Final = ec.ECDSA(_SHA256)
_ECDSA_SHA384: Final = ec.ECDSA(hashes.SHA384())
_PKCS1: Final = padding.PKCS1v15()
# R11: salt lengths are exact. RFC 9421 §3.3.1 has 64 for SHA-512; Margo's SHA-256 form has 32.
_PSS_SHA256: Final = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=32)
_PSS_SHA512: Final = padding.PSS(mgf=padding.MGF1(_SHA512), salt_length=64)


class Engine(Protocol):
    """Answers public-key operations, many at once where it can."""

    @property
    def name(self) -> str:
        """Which library it is, with its version."""
        ...

    def holds(self, job: Job) -> bool:
        """Does one signature hold?

        :raises Refused: store.bad_answer, the record misstates the key
        """
        ...

    def verify(self, batch: Sequence[Job]) -> list[bool]:
        """One answer a job, in order.

        :raises Refused: store.bad_answer, the record misstates the key
        """
        ...


class CryptographyEngine:
    """One signature after the other with the `cryptography` package (OpenSSL): always there, and the oracle for the
    others."""

    name = f"cryptography {cryptography.__version__} ({backend.openssl_version_text()})"

    def __init__(self, pool: KeyPool | None = None) -> None:
        self._pool = pool if pool is not None else KeyPool()

    def verify(self, batch: Sequence[Job]) -> list[bool]:
        """One answer a job, in order."""
        return [self.holds(job) for job in batch]

    def holds(self, job: Job) -> bool:
        """Does one signature hold?"""
        key = self._pool.get(job.certificate)
        algorithm = job.algorithm
        try:
            if algorithm is _P256:  # RFC 9421 §3.3.4
                key.verify(job.der, job.base, _ECDSA_SHA256)
            elif algorithm is _P384:  # RFC 9421 §3.3.5
                key.verify(job.der, job.base, _ECDSA_SHA384)
            elif algorithm is _ED25519:  # RFC 9421 §3.3.6
                key.verify(job.signature, job.base)
            elif algorithm is _RSA_V1_5:  # RFC 9421 §3.3.2
                key.verify(job.signature, job.base, _PKCS1, _SHA256)
            elif algorithm is _RSA_PSS_SHA512:  # RFC 9421 §3.3.1
                key.verify(job.signature, job.base, _PSS_SHA512, _SHA512)
            else:
                key.verify(job.signature, job.base, _PSS_SHA256, _SHA256)
        except InvalidSignature:
            return False
        return True
