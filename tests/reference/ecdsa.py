"""ECDSA signatures: r and s side by side (RFC 9421 §3.3.4, §3.3.5) into DER."""

from tests.reference.refused import Refused

# Orders of P-256 and P-384 (FIPS 186-4, D.1.2.3 and D.1.2.4).
ORDERS = {
    256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    384: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}


def ecdsa_der(signature: bytes, bits: int) -> bytes:
    """SEQUENCE { INTEGER r, INTEGER s } of a signature of exactly twice `bits`."""
    size = bits // 8
    if len(signature) != 2 * size:
        raise Refused("signature.bad_length")
    r = int.from_bytes(signature[:size], "big")
    s = int.from_bytes(signature[size:], "big")
    if not (1 <= r < ORDERS[bits] and 1 <= s < ORDERS[bits]):
        raise Refused("signature.out_of_range")
    return _tagged(0x30, _integer(r) + _integer(s))


def _integer(value: int) -> bytes:
    # One octet more than needed where the first bit would read as a sign (X.690 §8.3).
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _tagged(tag: int, content: bytes) -> bytes:
    # At most 2 * (49 + 2) = 102 octets: the short form of the length always fits (X.690 §8.1.3.4).
    return bytes([tag, len(content)]) + content
