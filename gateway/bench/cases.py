"""What is verified: one signed request for each algorithm, key size, body size and number of covered components."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.demo.pki import make_key
from gateway.model import Algorithm, Certificate, KeyType
from gateway.signing import PrivateKey, Request, SignOptions, keyid_of, raw, sign
from gateway.signing.sign import DEVICE_COMPONENTS

ORIGIN: Final = "https://wfm.example.com"
_PATH: Final = "/api/v1/clients/7d3f1c9e-0b0a-4d2b-9c3e-1f2a3b4c5d6e/deployments/a1b2c3/status"
_RSA: Final = (Algorithm.RSA_PSS_SHA512, Algorithm.RSA_PSS_SHA256, Algorithm.RSA_V1_5_SHA256)
_FOREVER: Final = 1 << 40


class Key(msgspec.Struct, frozen=True):
    """A private key, what it signs, and how the key is called: `P-256`, `RSA-2048`."""

    private: PrivateKey
    algorithm: Algorithm
    name: str

    @property
    def title(self) -> str:
        """How the algorithm is told; the key size only where the algorithm leaves it open."""
        return f"{self.algorithm.value} ({self.name})" if self.name.startswith("RSA") else self.algorithm.value


class Case(msgspec.Struct, frozen=True):
    """One request. `head` and `body` are what arrives."""

    key: Key
    components: int
    head: bytes
    body: bytes
    certificate: Certificate


def keys(rsa_bits: Sequence[int]) -> Iterator[Key]:
    """One key for each algorithm and size. RSA keys take from 0.1 s (2048 bits) to some seconds (4096)."""
    yield Key(make_key(Algorithm.ECDSA_P256_SHA256), Algorithm.ECDSA_P256_SHA256, "P-256")
    yield Key(make_key(Algorithm.ECDSA_P384_SHA384), Algorithm.ECDSA_P384_SHA384, "P-384")
    yield Key(make_key(Algorithm.ED25519), Algorithm.ED25519, "Ed25519")
    for bits in rsa_bits:
        private = rsa.generate_private_key(65537, bits)
        for algorithm in _RSA:
            yield Key(private, algorithm, f"RSA-{bits}")


def make_case(key: Key, body: bytes, components: int) -> Case:
    """Sign a status report as the reference device does, with further header fields covered to reach `components`."""
    covered = (*DEVICE_COMPONENTS, *(("content-digest",) if body else ()))
    further = tuple(f"x-plant-{number}" for number in range(components - len(covered)))
    request = Request(
        "POST",
        ORIGIN + _PATH,
        body,
        (*((name, f"line {name[-1]}, cell 7") for name in further), ("Content-Type", "application/json")),
    )
    options = SignOptions(created=int(time.time()), alg=key.algorithm, components=(*covered, *further))
    octets = raw(sign(request, key.private, options))
    return Case(key, components, octets[: len(octets) - len(body)], body, _certificate(key.private))


def _certificate(key: PrivateKey) -> Certificate:
    """What a record would hold of the key, without a certificate around it."""
    public = key.public_key()
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if isinstance(public, ec.EllipticCurvePublicKey):
        key_type, bits = (KeyType.P256 if public.key_size == 256 else KeyType.P384), public.key_size
    elif isinstance(public, ed25519.Ed25519PublicKey):
        key_type, bits = KeyType.ED25519, 256
    else:
        key_type, bits = KeyType.RSA, public.key_size
    return Certificate(hashlib.sha256(spki).hexdigest(), spki, keyid_of(key), key_type, bits, 0, _FOREVER)
