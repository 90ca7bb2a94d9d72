"""Reads the certificate of a device, in every form that occurs in the field, and refuses keys that prove nothing."""

import base64
import binascii
import re
import warnings
from datetime import datetime
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.model import Certificate, KeyType
from gateway.reasons import ConfigError, Reason
from gateway.registry import ed25519_points
from gateway.registry.issued import issued
from gateway.registry.spki import subject_public_key_info

SIZE_LIMIT_BYTES: Final = 65536
_PEM_BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_CERTIFICATE_LABELS: Final = (b"CERTIFICATE", b"X509 CERTIFICATE")  # RFC 7468 §5.1
_SEQUENCE: Final = 0x30
_RSA_BITS: Final = range(2048, 8193)
_RSA_SMALLEST_EXPONENT: Final = 65537
_RSA_EXPONENT_BITS: Final = 64  # a longer one makes each verification slow (R5)


def read_certificate(data: bytes, source: str = "the certificate") -> tuple[x509.Certificate, bytes]:
    """Read exactly one certificate from PEM, DER, or base64 of either; returns it and its DER.

    :param source: what to call it in messages, for example a file name
    :raises ConfigError: config.unreadable
    """
    if len(data) > SIZE_LIMIT_BYTES:
        raise _unreadable(source, "is too large for a certificate")
    der = _to_der(data, source, nested=False)
    return _load(der, source), der


def describe(der: bytes, source: str = "the certificate") -> Certificate:
    """What the request path needs of a certificate.

    :raises ConfigError: config.unreadable if it cannot be read, or its key is weak, of an unknown kind, or not in the
        one usual encoding
    """
    certificate = _load(der, source)
    try:
        key = certificate.public_key()
        spki = subject_public_key_info(certificate.tbs_certificate_bytes)
        usual = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable(source, f"holds a key that cannot be used: {_first_line(error)}") from error
    key_type, bits = _judge(key, source)
    if spki != usual:
        # R20: a second spelling of one key would have another hash, and could belong to a second client.
        raise _unreadable(source, "holds its key in an unusual encoding (compressed point, or RSASSA-PSS parameters)")
    return Certificate(
        sha256(der).hexdigest(),
        spki,
        sha256(spki).hexdigest(),
        key_type,
        bits,
        _seconds(certificate.not_valid_before_utc),
        _seconds(certificate.not_valid_after_utc),
        issued=issued(der),
    )


def spki_sha256(certificate: x509.Certificate) -> str:
    """The keyid that Margo devices send: lower-case hex SHA-256 of the DER of the SubjectPublicKeyInfo."""
    return sha256(subject_public_key_info(certificate.tbs_certificate_bytes)).hexdigest()


def _to_der(data: bytes, source: str, nested: bool) -> bytes:
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise _unreadable(source, "is empty")
    if b"-----BEGIN " in text:
        return _from_pem(text, source)
    if text[0] == _SEQUENCE:
        return data if data[0] == _SEQUENCE else text
    if nested:
        raise _unreadable(source, "is base64 of something that is neither PEM nor DER")
    if not _is_base64(text):
        raise _unreadable(source, "is neither PEM, nor DER, nor base64 of either")
    return _to_der(_decode(text), source, nested=True)


def _from_pem(text: bytes, source: str) -> bytes:
    blocks = _pem_blocks(text)
    if any(label.endswith(b"PRIVATE KEY") for label, _ in blocks):
        raise _unreadable(source, "holds a private key: give the certificate alone, and keep the key on the device")
    bodies = [body for label, body in blocks if label in _CERTIFICATE_LABELS]
    if len(bodies) > 1:
        raise _unreadable(source, f"holds {len(bodies)} certificates: give the device's own alone, without its chain")
    if not bodies:
        found = ", ".join(sorted({label.decode() for label, _ in blocks})) or "an incomplete PEM block"
        raise _unreadable(source, f"holds no certificate but {found}")
    if not _is_base64(bodies[0]):
        raise _unreadable(source, "holds a PEM block that is not base64")
    return _decode(bodies[0])


def _pem_blocks(text: bytes) -> list[tuple[bytes, bytes]]:
    """Label and body of each complete block. Linear in all but the number of different labels (R5)."""
    blocks: list[tuple[bytes, bytes]] = []
    endless: set[bytes] = set()
    begin = _PEM_BEGIN.search(text)
    while begin is not None:
        label, closing = begin[1], b"-----END " + begin[1] + b"-----"
        # What does not end behind this place does not end behind a later one either.
        end = -1 if label in endless else text.find(closing, begin.end())
        if end < 0:
            endless.add(label)
            following = begin.start() + 1
        else:
            blocks.append((label, text[begin.end() : end]))
            following = end + len(closing)
        begin = _PEM_BEGIN.search(text, following)
    return blocks


def _is_base64(text: bytes) -> bool:
    try:
        return bool(_decode(text))
    except binascii.Error:
        return False


def _decode(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.split()), validate=True)


def _load(der: bytes, source: str) -> x509.Certificate:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # devices' serial numbers and the like are no concern of ours
            certificate = x509.load_der_x509_certificate(der)
            _ = certificate.version, certificate.not_valid_after_utc  # both are read late otherwise
    except (ValueError, x509.InvalidVersion) as error:
        raise _unreadable(source, "is not one X.509 certificate and nothing else (a key, a PKCS #12 file?)") from error
    return certificate


def _judge(key: object, source: str) -> tuple[KeyType, int]:
    match key:
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return KeyType.P256, 256
        case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()):
            return KeyType.P384, 384
        case ec.EllipticCurvePublicKey():
            raise _unreadable(source, f"holds a key on the curve {key.curve.name}: only P-256 and P-384 are supported")
        case rsa.RSAPublicKey():
            return KeyType.RSA, _judge_rsa(key, source)
        case ed25519.Ed25519PublicKey():
            weakness = ed25519_points.weakness(key.public_bytes_raw())
            if weakness is not None:
                raise _unreadable(source, f"is refused: {weakness}")
            return KeyType.ED25519, 256
    raise _unreadable(source, "holds a key of an unsupported kind: it must be P-256, P-384, RSA or Ed25519")


def _judge_rsa(key: rsa.RSAPublicKey, source: str) -> int:
    numbers = key.public_numbers()
    if key.key_size not in _RSA_BITS:
        raise _unreadable(source, f"holds an RSA key of {key.key_size} bits: 2048 to 8192 are supported")
    if numbers.n % 2 == 0 or numbers.e % 2 == 0:
        raise _unreadable(source, "holds an RSA key whose modulus or exponent is even: it is not a key")
    if numbers.e < _RSA_SMALLEST_EXPONENT or numbers.e.bit_length() > _RSA_EXPONENT_BITS:
        raise _unreadable(source, f"holds an RSA key with the exponent {numbers.e:.4g}: 65537 to 2**64 are supported")
    return key.key_size


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


def _unreadable(source: str, what: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_UNREADABLE, f"{source} {what}")
