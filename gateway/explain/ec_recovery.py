"""Finds the public keys that an ECDSA signature fits (SEC 1 §4.1.6): tells whose it is where it is not the client's."""

from collections.abc import Iterator
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.model import KeyType

_Point = tuple[int, int] | None


class _Curve(msgspec.Struct, frozen=True):
    """y² = x³ - 3x + b modulo p; order n (FIPS 186-4 §D.1.2)."""

    curve: ec.EllipticCurve
    p: int
    n: int
    b: int
    generator: tuple[int, int]


_CURVES: Final = {
    KeyType.P256: _Curve(
        ec.SECP256R1(),
        0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        (
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        ),
    ),
    KeyType.P384: _Curve(
        ec.SECP384R1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        (
            0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
            0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
        ),
    ),
}


def recover(key_type: KeyType, signature: bytes, digest: bytes) -> Iterator[ec.EllipticCurvePublicKey]:
    """The keys, at most two, under which r‖s is a signature of `digest` (the hash of what was signed)."""
    curve = _CURVES[key_type]
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    if not (0 < r < curve.n and 0 < s < curve.n):
        return
    # Both primes are 3 mod 4, so a square root is one power. That r + n is below p has a chance of 1 in 2^32 or less.
    square = (r * r * r - 3 * r + curve.b) % curve.p
    y = pow(square, (curve.p + 1) // 4, curve.p)
    if y * y % curve.p != square:
        return
    number = int.from_bytes(digest[:half], "big") % curve.n
    inverse = pow(r, -1, curve.n)
    for point_y in (y, curve.p - y):
        point = _add(
            curve,
            _times(curve, inverse * s % curve.n, (r, point_y)),
            _times(curve, -inverse * number % curve.n, curve.generator),
        )
        if point is not None:
            yield ec.EllipticCurvePublicNumbers(*point, curve.curve).public_key()


def _times(curve: _Curve, factor: int, point: _Point) -> _Point:
    result: _Point = None
    while factor:
        if factor & 1:
            result = _add(curve, result, point)
        point = _add(curve, point, point)
        factor >>= 1
    return result


def _add(curve: _Curve, first: _Point, second: _Point) -> _Point:
    if first is None or second is None:
        return first or second
    (x1, y1), (x2, y2) = first, second
    if x1 == x2:
        if (y1 + y2) % curve.p == 0:
            return None
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, curve.p)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, curve.p)
    x = (slope * slope - x1 - x2) % curve.p
    return x, (slope * (x1 - x) - y1) % curve.p
