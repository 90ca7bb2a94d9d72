"""Finds the SubjectPublicKeyInfo in a certificate, as its octets stand there (RFC 5280 §4.1)."""

from typing import Final

_VERSION: Final = 0xA0  # [0] EXPLICIT, absent in X.509 v1
_BEFORE_SPKI: Final = 5  # serialNumber, signature, issuer, validity, subject


def subject_public_key_info(tbs: bytes) -> bytes:
    """The DER of the key in `tbs`, the DER of a TBSCertificate that a parser has accepted already.

    :raises ValueError: it is not one
    """
    at, end = _content(tbs, 0)
    if at < end and tbs[at] == _VERSION:
        at = _content(tbs, at)[1]
    for _ in range(_BEFORE_SPKI):
        at = _content(tbs, at)[1]
    return tbs[at : _content(tbs, at)[1]]


def _content(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends (X.690 §8.1.3)."""
    if at + 2 > len(data):
        raise ValueError("DER ends too early")
    length = data[at + 1]
    begin = at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[begin : begin + size], "big")
        begin += size
    if begin + length > len(data):
        raise ValueError("DER ends too early")
    return begin, begin + length
