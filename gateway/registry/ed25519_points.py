"""Tells which Ed25519 public keys are weak: not a point of the curve, not in its one encoding, or of small order."""

from typing import Final

# RFC 8032 §5.1
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
# y of a point of order 8; the other three points of that order have the same y or its negative.
_Y8: Final = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
# Orders 1, 2, 4 and 8: with such a key one signature fits many messages.
_SMALL_ORDER_Y: Final = frozenset({1, _P - 1, 0, _Y8, _P - _Y8})


def weakness(public: bytes) -> str | None:
    """Why the 32 octets of a public key cannot be trusted; None if nothing is wrong (RFC 8032 §5.1.3)."""
    y = int.from_bytes(public, "little") & ((1 << 255) - 1)
    if y >= _P:
        return "its Ed25519 key is not in the one encoding that RFC 8032 allows"
    if y in _SMALL_ORDER_Y:
        return "its Ed25519 key is a point of small order, which would let anybody sign"
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if pow(x_squared, (_P - 1) // 2, _P) != 1:
        return "its Ed25519 key is not a point of the curve"
    return None
