"""A device made by hand: its key, its certificate as the registry knows it, and the requests that it signs.

Signs with `cryptography` and a base that the test spells out or the naive reference computes; nothing of the gateway signs here.
"""

import base64
import functools
import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway._native import Head, parse_head
from gateway.model import Algorithm, Certificate, Client, KeyType, Status
from tests import reference

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
STATUS_PATH = "/api/v1/clients/dev-1/deployments/d-1/status"


@functools.cache
def new_key(algorithm: Algorithm, which: int = 0) -> PrivateKey:
    """A key for `algorithm`; another one for each `which`."""
    if algorithm is Algorithm.ECDSA_P256_SHA256:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm is Algorithm.ECDSA_P384_SHA384:
        return ec.generate_private_key(ec.SECP384R1())
    if algorithm is Algorithm.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def raw_signature(key: PrivateKey, algorithm: Algorithm, base: bytes) -> bytes:
    """The octets of a signature in the form of RFC 9421 §3.3."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        hash_, size = (hashes.SHA256(), 32) if algorithm is Algorithm.ECDSA_P256_SHA256 else (hashes.SHA384(), 48)
        r, s = decode_dss_signature(key.sign(base, ec.ECDSA(hash_)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(base)
    if algorithm is Algorithm.RSA_V1_5_SHA256:
        return key.sign(base, padding.PKCS1v15(), hashes.SHA256())
    if algorithm is Algorithm.RSA_PSS_SHA256:
        return key.sign(base, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return key.sign(base, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())


def certificate_of(key: PrivateKey, not_before: int = 0, not_after: int = 4_000_000_000) -> Certificate:
    """The certificate of a key as the registry keeps it (its own hash made up from the key's)."""
    public = key.public_key()
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if isinstance(public, ec.EllipticCurvePublicKey):
        key_type, bits = (KeyType.P256, 256) if public.curve.name == "secp256r1" else (KeyType.P384, 384)
    elif isinstance(public, rsa.RSAPublicKey):
        key_type, bits = KeyType.RSA, public.key_size
    else:
        key_type, bits = KeyType.ED25519, 256
    sha256 = hashlib.sha256(b"certificate of " + spki).hexdigest()
    return Certificate(sha256, spki, hashlib.sha256(spki).hexdigest(), key_type, bits, not_before, not_after)


class Device:
    """One device with one key."""

    def __init__(
        self,
        client_id: str = "dev-1",
        algorithm: Algorithm = Algorithm.ECDSA_P256_SHA256,
        which: int = 0,
    ) -> None:
        self.client_id = client_id
        self.algorithm = algorithm
        self.key = new_key(algorithm, which)
        self.certificate = certificate_of(self.key)

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of the SPKI, as the Margo reference device sends it."""
        return self.certificate.spki_sha256

    def client(self, status: Status = Status.ACTIVE, **changes: object) -> Client:
        """This device as the registry has it."""
        return Client("default", self.client_id, status, (self.certificate,), **changes)  # type: ignore[arg-type]

    def head(
        self,
        created: int | None = 1_800_000_000,
        method: str = "POST",
        target: str = STATUS_PATH,
        body: bytes = b'{"state":"running"}',
        host: str = "wfm.example.com",
        signed_authority: str | None = None,
        components: str | None = None,
        params: str = "",
        label: str = "sig",
        fields: Sequence[str] = (),
        digest: str | None = None,
        announce: bool = True,
        signature: bytes | None = None,
    ) -> bytes:
        """The raw head of a signed request. `components` is the inner list's inside; `params` come after created and keyid."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
        if body and announce:
            lines.append(f"Content-Length: {len(body)}")
        if digest is None and body:
            digest = "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"
        if digest:
            lines.append(f"Content-Digest: {digest}")
        lines += fields
        if components is None:
            components = '"@method" "@target-uri" "@authority"' + (' "content-digest"' if body else "")
        made = "" if created is None else f";created={created}"
        value = f'({components}){made};keyid="{self.keyid}"{params}'
        authority = (signed_authority or host).encode()
        if signature is None:
            unsigned = "\r\n".join([*lines, f"Signature-Input: {label}={value}", f"Signature: {label}=:AAAA:", "", ""])
            candidate = reference.select(reference.parse_head(unsigned.encode()))[-1]
            base = candidate.base(b"https", authority) if candidate.reason is None else b""
            signature = raw_signature(self.key, self.algorithm, base)
        octets = base64.b64encode(signature).decode()
        lines += [f"Signature-Input: {label}={value}", f"Signature: {label}=:{octets}:"]
        return "\r\n".join([*lines, "", ""]).encode()

    def parsed(self, **options: object) -> Head:
        """The same, read by the native module."""
        return parse_head(self.head(**options))  # type: ignore[arg-type]
