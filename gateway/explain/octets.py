"""Reads the octets of a signature in the forms that libraries give out, by their shape and size."""

import base64
import re
from collections.abc import Iterator

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.explain import base64_text
from gateway.explain.form import Change
from gateway.explain.shown import count
from gateway.model import Certificate, KeyType

_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){32,}")
_HALF = {KeyType.P256: 32, KeyType.P384: 48}


class Octets(msgspec.Struct, frozen=True):
    """One reading: the octets in the form that RFC 9421 wants for the key, and what had to be changed for that."""

    octets: bytes
    changes: tuple[Change, ...] = ()


def expected(certificate: Certificate) -> int:
    """How many octets a signature of this key has (RFC 9421 §3.3)."""
    half = _HALF.get(certificate.key_type)
    if half is not None:
        return 2 * half
    return 64 if certificate.key_type is KeyType.ED25519 else (certificate.bits + 7) // 8


def readings(signature: bytes, certificate: Certificate) -> tuple[Octets, ...]:
    """Every reading that fits the key, the plain one first."""
    found: list[Octets] = []
    for octets, changes in _texts(signature):
        found += [Octets(read, (*changes, *more)) for read, more in _shapes(octets, certificate)]
    return tuple(dict.fromkeys(found))


def der_integers(octets: bytes) -> tuple[int, int] | None:
    """r and s of an ECDSA signature in DER (RFC 3279 §2.2.3); None if it is not one."""
    if octets[:1] != b"\x30":
        return None
    try:
        return decode_dss_signature(octets)
    except ValueError:
        return None


def _texts(signature: bytes) -> Iterator[tuple[bytes, tuple[Change, ...]]]:
    """The octets as they are, and as the text that they may be."""
    yield signature, ()
    again = base64.b64encode(signature)
    if _HEX.fullmatch(again):
        # Hex digits are base64 digits too, so the field parses; every octet of it is nonsense.
        yield (
            bytes.fromhex(again.decode()),
            (_hex("between the colons stand hex digits", "base64 of the octets, not their hex digits"),),
        )
    if _HEX.fullmatch(signature):
        yield (
            bytes.fromhex(signature.decode()),
            (_hex("the octets are the hex text of a signature", "encode the octets themselves, not their hex text"),),
        )
    stripped = signature.strip()
    if len(stripped) >= 64 and re.fullmatch(rb"[A-Za-z0-9+/_-]+={0,2}", stripped):
        inner = base64_text.read(stripped)
        if inner is None:
            return
        yield (
            inner,
            (
                Change(
                    "base64-twice",
                    "The signature is base64-encoded twice",
                    "the octets are base64 text themselves",
                    "encode the octets of the signature once",
                ),
            ),
        )


def _hex(found: str, advice: str) -> Change:
    return Change("signature-hex", "The signature is in hex", found, f"put between the colons: {advice}")


def _shapes(octets: bytes, certificate: Certificate) -> Iterator[tuple[bytes, tuple[Change, ...]]]:
    size = expected(certificate)
    if len(octets) == size:
        yield octets, ()
    half = _HALF.get(certificate.key_type)
    if half is None:
        if certificate.key_type is KeyType.RSA and size - 3 <= len(octets) < size:
            yield octets.rjust(size, b"\0"), (_short(octets, size),)
        return
    numbers = der_integers(octets)
    if numbers is not None:
        r, s = numbers
        if max(r, s).bit_length() <= 8 * half and min(r, s) > 0:
            yield r.to_bytes(half, "big") + s.to_bytes(half, "big"), (der_change(octets, certificate, half),)
        return
    if len(octets) == size:
        yield octets[half:] + octets[:half], (_order("s stands before r", "put r first, then s"),)
        reverse = octets[:half][::-1] + octets[half:][::-1]
        yield reverse, (_order("r and s are little-endian", "write r and s with the most significant octet first"),)
    elif size - 3 <= len(octets) < size:
        for missing in range(size - len(octets) + 1):
            r_octets = octets[: half - missing]
            yield r_octets.rjust(half, b"\0") + octets[half - missing :].rjust(half, b"\0"), (_short(octets, size),)


def der_change(octets: bytes, certificate: Certificate, half: int) -> Change:
    """The signature is DER, which most libraries give out."""
    return Change(
        "ecdsa-der",
        "The ECDSA signature is DER, it must be r‖s",
        f"{count(len(octets), 'octet')} that parse as a DER SEQUENCE of two INTEGERs; a {certificate.key_type.value} "
        f"signature is exactly {2 * half} octets",
        f"turn the DER signature into r and s side by side, {half} octets each, big-endian, padded with zeros in front "
        "(RFC 9421 section 3.3.4): P1363 format in WebCrypto, Java (SHA256withECDSAinP1363Format) and .NET; in Python "
        "decode_dss_signature, in Go big.Int.FillBytes, in OpenSSL ECDSA_SIG_get0",
    )


def _short(octets: bytes, size: int) -> Change:
    return Change(
        "leading-zero-lost",
        "The signature lost a leading zero",
        f"{count(len(octets), 'octet')} instead of {size}",
        "write each number at its full size, padded with zero octets in front; about one signature in 128 shows this",
    )


def _order(found: str, advice: str) -> Change:
    return Change("ecdsa-octet-order", "r and s in another order than RFC 9421 has", found, advice)
