"""Certificates put together octet by octet, so that they can hold keys which no library would make; none is really signed."""

import base64
import hashlib
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# Made with OpenSSL 3.0.16, as it does by default: X.509 v1, no extensions.
#   openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=dev | openssl x509 -req -signkey ...
OPENSSL_V1_PEM = b"""\
-----BEGIN CERTIFICATE-----
MIIBFzCBvQIUbKJTKjyTC7n4xuQzfhodCPNTHSowCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDZGV2MB4XDTI2MTEyMjAwMTUyOVoXDTI2MTIyMjAwMTUyOVowDjEMMAoG
A1UEAwwDZGV2MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEP38Fxt/zZc010jLW
LzoTPfWIwwQwxB+Qy0Fh9Zeex3dMo9rLNv0LUb4QwStLJY2MhMS+vejpkviDiArW
niL5qDAKBggqhkjOPQQDAgNJADBGAiEAt52Jyt13PqoLvqEhJ4h4czunClE0Bgg2
Ok2MCgYN4e4CIQCHTRpTqCUqQpDjif2eJ2wq/gP9Is4yaEi0d5BIZZX7Bg==
-----END CERTIFICATE-----
"""
OPENSSL_V1_KEYID = "12386488580117d9a5594236cea6e70ec8f5d5df7ddb7f16519bb87701768206"
"""As `openssl x509 -pubkey | openssl pkey -pubin -outform DER | sha256sum` tells it."""

_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
_P256 = bytes.fromhex("06082a8648ce3d030107")
_RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")
_RSASSA_PSS = bytes.fromhex("300b06092a864886f70d01010a")
_ED25519 = bytes.fromhex("300506032b6570")


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER element (X.690 §8.1)."""
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def integer(value: int) -> bytes:
    """A DER INTEGER of a number that is not negative."""
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def certificate(spki: bytes, name: str = "device", not_before: int = 0, not_after: int = 4_000_000_000) -> bytes:
    """DER of an X.509 v1 certificate around a SubjectPublicKeyInfo."""
    subject = tlv(0x30, tlv(0x31, tlv(0x30, bytes.fromhex("0603550403"), tlv(0x0C, name.encode()))))
    validity = tlv(0x30, _time(not_before), _time(not_after))
    tbs = tlv(0x30, integer(7), _ECDSA_SHA256, subject, validity, subject, spki)
    signature = tlv(0x30, integer(1), integer(1))
    return tlv(0x30, tbs, _ECDSA_SHA256, tlv(3, b"\0", signature))


def p256_spki() -> bytes:
    """A fresh P-256 key, as every library writes it."""
    return _public(ec.generate_private_key(ec.SECP256R1()).public_key())


def ec_spki(curve: ec.EllipticCurve) -> bytes:
    """A fresh key on any curve."""
    return _public(ec.generate_private_key(curve).public_key())


def compressed_p256_spki() -> bytes:
    """A fresh P-256 key with its point compressed (RFC 5480 §2.2 allows it, nobody does it)."""
    point = (
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    )
    return tlv(0x30, tlv(0x30, _EC_PUBLIC_KEY, _P256), tlv(3, b"\0", point))


def rsa_spki(modulus: int, exponent: int, pss: bool = False) -> bytes:
    """An RSA key of any numbers; `pss` names it id-RSASSA-PSS (RFC 4055 §1.2)."""
    key = tlv(0x30, integer(modulus), integer(exponent))
    return tlv(0x30, _RSASSA_PSS if pss else _RSA_ENCRYPTION, tlv(3, b"\0", key))


def rsa_modulus(bits: int) -> int:
    """An odd number of so many bits that looks like a modulus, always the same one."""
    number = int.from_bytes(hashlib.shake_256(b"modulus").digest((bits + 7) // 8), "big") >> (-bits % 8)
    return number | 1 << (bits - 1) | 1


def ed25519_spki(public: bytes) -> bytes:
    """An Ed25519 key of any 32 octets (RFC 8410 §4)."""
    return tlv(0x30, _ED25519, tlv(3, b"\0", public))


def pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    """RFC 7468 text."""
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()


def _public(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _time(seconds: int) -> bytes:
    moment = datetime.fromtimestamp(seconds, UTC)
    if moment.year < 2050:  # RFC 5280 §4.1.2.5
        return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())
