"""Private keys of devices: read them, say what they can sign, and make the raw signature."""

import hashlib
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.model import Algorithm
from gateway.reasons import ConfigError, Reason

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

RSA_BITS: Final = range(2048, 8193)
"""RSA key sizes that the gateway verifies."""

_CURVES: Final = {"secp256r1": Algorithm.ECDSA_P256_SHA256, "secp384r1": Algorithm.ECDSA_P384_SHA384}
_EC_HASH: Final = {256: hashes.SHA256(), 384: hashes.SHA384()}
# RFC 9421 §3.3.1: the salt of rsa-pss-sha512 has 64 octets; Margo's rsa-pss-sha256 has 32, the hash's size.
_PSS_256: Final = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
_PSS_512: Final = padding.PSS(padding.MGF1(hashes.SHA512()), 64)


def load_private_key(data: bytes, password: bytes | None = None, name: str = "the key") -> PrivateKey:
    """Read one private key: PKCS #8, PKCS #1 or SEC 1, as PEM or DER, encrypted or not.

    :param name: what to call the key in an error, such as its file name
    :raises ConfigError: config.unreadable: no key, wrong or missing password, or a kind that is not verified
    """
    try:
        if b"-----BEGIN" in data:
            key = serialization.load_pem_private_key(data, password)
        else:
            key = serialization.load_der_private_key(data, password)
    except TypeError as error:
        # How cryptography says: a password for a plain key, or none for an encrypted one.
        wanted = "has no password" if password is not None else "is encrypted: give its password"
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{name} {wanted}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if b"-----BEGIN CERTIFICATE-----" in data and b"PRIVATE KEY-----" not in data:
            says = "is a certificate; signing needs the private key"
        elif password is not None:
            says = "cannot be read as a private key with this password"
        else:
            says = "is not a private key in PEM or DER"
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{name} {says}") from error
    if not isinstance(key, PrivateKey) or not algorithms_of(key):
        raise ConfigError(
            Reason.CONFIG_UNREADABLE, f"{name} is not a P-256, P-384, Ed25519 or RSA (2048 to 8192 bits) key"
        )
    return key


def algorithms_of(key: PrivateKey) -> tuple[Algorithm, ...]:
    """What `key` can sign, the choice of the Margo reference device first; empty for a kind that is not verified."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = _CURVES.get(key.curve.name)
        return (algorithm,) if algorithm else ()
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size not in RSA_BITS:
            return ()
        return (Algorithm.RSA_PSS_SHA512, Algorithm.RSA_V1_5_SHA256, Algorithm.RSA_PSS_SHA256)
    return (Algorithm.ED25519,)


def keyid_of(key: PrivateKey) -> str:
    """The keyid that the Margo reference device sends: hex SHA-256 of the SPKI in DER."""
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def raw_signature(key: PrivateKey, algorithm: Algorithm, base: bytes) -> bytes:
    """Sign `base` (RFC 9421 §3.3). ECDSA gives r‖s of 64 or 96 octets, not DER.

    :raises ValueError: `algorithm` is not one of `algorithms_of(key)`
    """
    if algorithm not in algorithms_of(key):
        raise ValueError(f"{algorithm} does not fit the key")
    if isinstance(key, ec.EllipticCurvePrivateKey):
        # RFC 9421 §3.3.4, §3.3.5: r and s as octets, each of the curve's size, side by side.
        bits = key.key_size
        r, s = decode_dss_signature(key.sign(base, ec.ECDSA(_EC_HASH[bits])))
        return r.to_bytes(bits // 8, "big") + s.to_bytes(bits // 8, "big")
    if isinstance(key, rsa.RSAPrivateKey):
        match algorithm:
            case Algorithm.RSA_PSS_SHA512:
                return key.sign(base, _PSS_512, hashes.SHA512())
            case Algorithm.RSA_PSS_SHA256:
                return key.sign(base, _PSS_256, hashes.SHA256())
            case _:
                return key.sign(base, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(base)
