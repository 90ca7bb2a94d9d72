"""Which certificate of which authority one is, in a few octets: what revocation lists know certificates by.

Names are compared octet by octet: an authority writes its name into what it issues exactly as it stands in its own
certificate (RFC 5280 §4.1.2.4, §4.1.2.6).
"""

from hashlib import sha256
from typing import Final

from gateway.registry.der import content

ISSUER_BYTES: Final = 8
_VERSION: Final = 0xA0  # [0] EXPLICIT, absent in X.509 v1
_INTEGER: Final = 0x02  # the version of a CRL, absent in v1


def issued(der: bytes) -> bytes:
    """`issuer_id` of the issuer of the certificate `der`, then its serial number as `serial_octets` writes it.

    A parser must have accepted `der` already.
    """
    at = _serial_at(der)
    begin, end = content(der, at)
    issuer = content(der, end)[1]  # behind the signature's algorithm
    return issuer_id(der[issuer : content(der, issuer)[1]]) + der[begin:end]


def issuer_name(der: bytes) -> bytes:
    """DER of the Name of the issuer of the certificate `der`."""
    at = content(der, content(der, _serial_at(der))[1])[1]
    return der[at : content(der, at)[1]]


def subject_name(der: bytes) -> bytes:
    """DER of the Name of the subject of the certificate `der`."""
    at = content(der, content(der, _serial_at(der))[1])[1]
    at = content(der, content(der, at)[1])[1]  # behind issuer and validity
    return der[at : content(der, at)[1]]


def list_issuer_name(tbs: bytes) -> bytes:
    """DER of the Name of the issuer in `tbs`, the DER of a TBSCertList (RFC 5280 §5.1)."""
    at = content(tbs, 0)[0]
    if tbs[at] == _INTEGER:
        at = content(tbs, at)[1]
    at = content(tbs, at)[1]
    return tbs[at : content(tbs, at)[1]]


def issuer_id(name: bytes) -> bytes:
    """An authority in 8 octets, by the DER of its Name. Who finds another name with the same ones has only put itself
    under that authority's revocation list."""
    return sha256(name).digest()[:ISSUER_BYTES]


def serial_octets(serial: int) -> bytes:
    """A serial number as the content of a DER INTEGER."""
    return serial.to_bytes((8 + (serial + (serial < 0)).bit_length()) // 8, "big", signed=True)


def _serial_at(der: bytes) -> int:
    at = content(der, content(der, 0)[0])[0]
    return content(der, at)[1] if der[at] == _VERSION else at
