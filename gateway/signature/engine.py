"""The arithmetic: engines that answer a batch of jobs, and the bounded pool of parsed keys they share."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway._native import Refused
from gateway.model import Algorithm, Certificate, Job, KeyType
from gateway.reasons import Reason

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

# Looking a member up in its enumeration costs more than everything else in a comparison.
_P256: Final = Algorithm.ECDSA_P256_SHA256
_P384: Final = Algorithm.ECDSA_P384_SHA384
_ED25519: Final = Algorithm.ED25519
_RSA_V1_5: Final = Algorithm.RSA_V1_5_SHA256
_RSA_PSS_SHA512: Final = Algorithm.RSA_PSS_SHA512

_CURVES: Final = {"secp256r1": KeyType.P256, "secp384r1": KeyType.P384}

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

    name: str

    def holds(self, job: Job) -> bool:
        """Does one signature hold?"""
        ...

    def verify(self, batch: Sequence[Job]) -> list[bool]:
        """One answer a job, in order."""
        ...


class KeyPool:
    """Parsed public keys by SPKI, at most `entries` of them (2.1 KB each), the least recently used one leaving
    first."""

    def __init__(self, entries: int = 16_384) -> None:
        self._entries = entries
        self._keys: OrderedDict[str, tuple[PublicKey, KeyType, int]] = OrderedDict()

    def get(self, certificate: Certificate) -> Any:
        """The certificate's key (a `PublicKey`), parsed from its SPKI at first use.

        :raises Refused: store.bad_answer, the record says another kind of key than the SPKI holds (R25)
        """
        name = certificate.spki_sha256
        entry = self._keys.get(name)
        if entry is None:
            entry = _parsed(certificate)
            self._keys[name] = entry
            if len(self._keys) > self._entries:
                self._keys.popitem(last=False)
        else:
            self._keys.move_to_end(name)
        key, key_type, bits = entry
        if key_type is not certificate.key_type or bits != certificate.bits:
            raise _misstated(certificate)
        return key


def _parsed(certificate: Certificate) -> tuple[PublicKey, KeyType, int]:
    try:
        key = load_der_public_key(certificate.spki)
    except (ValueError, UnsupportedAlgorithm):
        raise _misstated(certificate) from None
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key, _CURVES[key.curve.name], key.key_size
    if isinstance(key, rsa.RSAPublicKey):
        return key, KeyType.RSA, key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key, KeyType.ED25519, 256
    raise _misstated(certificate)


def _misstated(certificate: Certificate) -> Refused:
    return Refused(Reason.STORE_ANSWER, f"the record of certificate {certificate.sha256} misstates its key")


class CryptographyEngine:
    """One signature after the other with the `cryptography` package (OpenSSL): always there, and the oracle for the
    others."""

    name = "cryptography"

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
