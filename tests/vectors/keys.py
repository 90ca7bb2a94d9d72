"""Public keys of the vectors as certificates, and the verdict of what stands behind the gateway on one signature."""

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import _native
from gateway.model import Algorithm, Certificate, Client, KeyType, Status
from gateway.reasons import Reason
from gateway.signature.engine import CryptographyEngine
from gateway.signature.keys import KeyPool
from gateway.signature.verify import prepare
from tests.native.requests import signed

ENGINE = CryptographyEngine(KeyPool())
HOLDS = "holds"


def certificate(key: Any) -> Certificate:
    """A certificate with this public key, valid for ever."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key_type, bits = _kind(key)
    return Certificate("00" * 32, spki, hashlib.sha256(spki).hexdigest(), key_type, bits, 0, 1 << 40)


def client(held: Certificate) -> Client:
    """An active client with one certificate."""
    return Client("default", "dev1", Status.ACTIVE, (held,))


def verdict(held: Certificate, algorithm: Algorithm, message: bytes, signature: bytes) -> str:
    """What becomes of `signature` over `message`, as sent in a request: HOLDS, or the reason for which it is refused."""
    head = signed([b'a=("@method")'], [b"a=:" + base64.b64encode(signature) + b":"])
    (candidate,) = _native.select(_native.parse_head(head))
    try:
        job = prepare(candidate, held, algorithm, message)
    except _native.Refused as refused:
        return str(refused.reason)
    return HOLDS if ENGINE.verify([job]) == [True] else str(Reason.SIGNATURE_WRONG)


def _kind(key: Any) -> tuple[KeyType, int]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {256: KeyType.P256, 384: KeyType.P384}[key.curve.key_size], key.curve.key_size
    if isinstance(key, rsa.RSAPublicKey):
        return KeyType.RSA, key.key_size
    assert isinstance(key, ed25519.Ed25519PublicKey)
    return KeyType.ED25519, 256
