"""Engines for tests: jobs made by hand, the real batch functions where the machine has them, and functions that lie."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.model import Algorithm, Certificate, Job, KeyType
from gateway.signature import batch
from gateway.signature.batch import BatchEngine, Native
from gateway.signature.engine import CryptographyEngine
from gateway.signature.engines import Engines

P256 = Algorithm.ECDSA_P256_SHA256
P384 = Algorithm.ECDSA_P384_SHA384
ED25519 = Algorithm.ED25519
BATCHED = (P256, P384, ED25519)
EVERY_SIZE = dict.fromkeys(BATCHED, 1)
"""Even one job is worth a batch."""

Lane = tuple[bytes, bytes, bytes]
Key = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

needs_batch = pytest.mark.skipif(batch.missing() != "", reason=f"no batch engine: {batch.missing()}")


def engines(natives: dict[Algorithm, Native] | None = None, worth: dict[Algorithm, int] | None = None) -> Engines:
    """Engines whose batches go to `natives` (the real ones by default), small ones too unless `worth` says otherwise."""
    oracle = CryptographyEngine()
    singles = dict.fromkeys(Algorithm, oracle)
    many = BatchEngine(oracle, singles, worth or EVERY_SIZE, natives or batch.natives(), "batch")
    return Engines(singles, many, frozenset(BATCHED))


def certificate_of(key: Key) -> Certificate:
    """The certificate of a public key, valid for ever."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key_type, bits = KeyType.ED25519, 256
    if isinstance(key, ec.EllipticCurvePublicKey):
        key_type, bits = (KeyType.P256, 256) if key.key_size == 256 else (KeyType.P384, 384)
    return Certificate("00" * 32, spki, hashlib.sha256(spki).hexdigest(), key_type, bits, 0, 1 << 40)


def job(algorithm: Algorithm, certificate: Certificate, base: bytes, signature: bytes) -> Job:
    """A job with any signature of the right size, in range or not."""
    der = b""
    if algorithm is not ED25519:
        half = len(signature) // 2
        der = encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
    return Job(certificate, algorithm, base, signature, der)


def lane(made: Job) -> Lane:
    """What the native functions take: the point stands at the end of an SPKI that is not compressed."""
    if made.algorithm is ED25519:
        return made.certificate.spki[-32:], made.signature, made.base
    hashed = hashlib.sha256 if made.algorithm is P256 else hashlib.sha384
    return made.certificate.spki[-len(made.signature) :], made.signature, hashed(made.base).digest()
