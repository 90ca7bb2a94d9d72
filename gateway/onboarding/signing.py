"""Checks that an authority signed a certificate, with nothing weaker than SHA-256."""

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import SignatureAlgorithmOID as Oid

if TYPE_CHECKING:
    from gateway.onboarding.authorities import Issuer

STRONG: Final = frozenset(
    {
        Oid.ECDSA_WITH_SHA256,
        Oid.ECDSA_WITH_SHA384,
        Oid.ECDSA_WITH_SHA512,
        Oid.RSA_WITH_SHA256,
        Oid.RSA_WITH_SHA384,
        Oid.RSA_WITH_SHA512,
        Oid.RSASSA_PSS,
        Oid.ED25519,
    }
)
_WEAK_HASHES: Final = frozenset({"md5", "sha1"})


def is_strong(signed: x509.Certificate | x509.CertificateRevocationList) -> bool:
    """Can the signature of this not be forged by a collision?"""
    try:
        digest = signed.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return False
    return signed.signature_algorithm_oid in STRONG and (digest is None or digest.name not in _WEAK_HASHES)


def signed_by(certificate: x509.Certificate, issuer: "Issuer") -> bool:
    """Does `issuer` have the key that signed `certificate`? Names are for the caller to compare."""
    if not is_strong(certificate):
        return False
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
