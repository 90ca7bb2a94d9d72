"""Finds the SubjectPublicKeyInfo in a certificate, as its octets stand there (RFC 5280 §4.1)."""

from typing import Final

from gateway.registry.der import content

_VERSION: Final = 0xA0  # [0] EXPLICIT, absent in X.509 v1
_BEFORE_SPKI: Final = 5  # serialNumber, signature, issuer, validity, subject


def subject_public_key_info(tbs: bytes) -> bytes:
    """The DER of the key in `tbs`, the DER of a TBSCertificate that a parser has accepted already.

    :raises ValueError: it is not one
    """
    at, end = content(tbs, 0)
    if at < end and tbs[at] == _VERSION:
        at = content(tbs, at)[1]
    for _ in range(_BEFORE_SPKI):
        at = content(tbs, at)[1]
    return tbs[at : content(tbs, at)[1]]
