"""The batch module: there on Linux x86-64, exact about what a lane is, and never more generous than `cryptography`."""

import ast
import platform
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import gateway
from gateway.model import Algorithm
from gateway.signature import batch
from gateway.signature.engine import CryptographyEngine
from tests.fuzz.signatures import ORDERS, Maker
from tests.support.engines import BATCHED, ED25519, P256, P384, certificate_of, job, lane, needs_batch
from tests.vectors.shared import load

LANES = 8
PRIME = 2**255 - 19


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="built on Linux x86-64 only")
def test_the_batch_module_is_built() -> None:
    from gateway import _batch

    stub = ast.parse((Path(gateway.__file__).parent / "_batch.pyi").read_text("utf-8"))
    promised = [node.name for node in stub.body if isinstance(node, ast.FunctionDef)]
    assert "verify_p256" in promised
    assert [name for name in promised if not hasattr(_batch, name)] == []
    assert _batch.LANES == batch.LANES == LANES
    assert batch.library().startswith("crypto_mb 2.")


def good(algorithm: Algorithm, count: int = LANES) -> list[Any]:
    """Lanes with signatures that hold, each by another key."""
    maker = Maker(algorithm, 1)
    lanes = []
    while len(lanes) < count:
        how, made = maker.make()
        if how == "left as it is":
            lanes.append(lane(made))
    return lanes


@needs_batch
@pytest.mark.parametrize("algorithm", BATCHED)
@pytest.mark.parametrize("count", range(1, LANES + 1))
def test_one_spoilt_lane_is_the_one_refused(algorithm: Algorithm, count: int) -> None:
    native, lanes = batch.natives()[algorithm], good(algorithm, count)
    assert native(lanes) == [True] * count
    for spoilt in range(count):
        point, signature, signed = lanes[spoilt]
        changed = [*lanes]
        changed[spoilt] = (point, signature, bytes([signed[0] ^ 1]) + signed[1:] if signed else b"x" * len(signed))
        if changed[spoilt] != lanes[spoilt]:
            assert native(changed) == [index != spoilt for index in range(count)]


@needs_batch
@pytest.mark.parametrize("algorithm", BATCHED)
@pytest.mark.parametrize("position", range(LANES))
def test_numbers_out_of_range_are_refused(algorithm: Algorithm, position: int) -> None:
    native, lanes = batch.natives()[algorithm], good(algorithm)
    point, signature, signed = lanes[position]
    size = len(signature) // 2
    order = ORDERS[algorithm]
    halves = signature[:size], signature[size:]
    endian: Any = "little" if algorithm is ED25519 else "big"
    for half in (1,) if algorithm is ED25519 else (0, 1):
        number = int.from_bytes(halves[half], endian)
        for wrong in (number + order, order, 0, (1 << 8 * size) - 1):
            if wrong >> 8 * size:
                continue
            spoilt = [*halves]
            spoilt[half] = wrong.to_bytes(size, endian)
            lanes[position] = (point, b"".join(spoilt), signed)
            assert native(lanes) == [index != position for index in range(LANES)]


@needs_batch
@pytest.mark.parametrize("position", range(LANES))
def test_an_ed25519_signature_holds_in_one_spelling(position: int) -> None:
    # crypto_mb itself takes S + L for S (RFC 8032 §8.4).
    lanes = good(ED25519)
    point, signature, message = lanes[position]
    s = int.from_bytes(signature[32:], "little")
    for multiple in range(1, 16):
        other = s + multiple * ORDERS[ED25519]
        if other < 1 << 256:
            lanes[position] = (point, signature[:32] + other.to_bytes(32, "little"), message)
            assert batch.natives()[ED25519](lanes) == [index != position for index in range(LANES)]


@needs_batch
@pytest.mark.parametrize("case", load("ed25519-speccheck/cases.json"))
def test_ed25519_edge_cases_are_accepted_only_where_cryptography_does(case: Any) -> None:
    public, message = bytes.fromhex(case["pub_key"]), bytes.fromhex(case["message"])
    signature = bytes.fromhex(case["signature"])
    made = job(ED25519, certificate_of(Ed25519PublicKey.from_public_bytes(public)), message, signature)
    held = set(batch.natives()[ED25519]([(public, signature, message)] * LANES))
    assert len(held) == 1
    assert held == {False} or CryptographyEngine().holds(made)


@needs_batch
def test_odd_points_of_ed25519_are_accepted_only_where_cryptography_does() -> None:
    # Small orders, second encodings, the sign of zero: as the key and as R, where S = 0 makes the equation hold by chance.
    eighth = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    ordinates = [0, 1, PRIME - 1, eighth, PRIME - eighth, PRIME, PRIME + 1, *range(PRIME + 2, 2**255)]
    points = [(y | sign << 255).to_bytes(32, "little") for y in ordinates for sign in (0, 1)]
    native, oracle = batch.natives()[ED25519], CryptographyEngine()
    accepted = 0
    for key in points:
        certificate = certificate_of(Ed25519PublicKey.from_public_bytes(key))
        for start in range(0, len(points), LANES):
            for number in range(6):
                message = number.to_bytes(2, "big")
                lanes = [(key, r + bytes(32), message) for r in points[start : start + LANES]]
                for (_, signature, _), yes in zip(lanes, native(lanes), strict=True):
                    if yes:
                        accepted += 1
                        assert oracle.holds(job(ED25519, certificate, message, signature)), (key, signature)
    assert accepted > 50


@needs_batch
def test_what_is_no_point_is_refused() -> None:
    for algorithm, size in ((P256, 64), (P384, 96)):
        _, signature, digest = good(algorithm)[0]
        for point in (bytes(size), b"\xff" * size):
            assert batch.natives()[algorithm]([(point, signature, digest)]) == [False]
    _, signature, message = good(ED25519)[0]
    no_point = (2).to_bytes(32, "little")  # RFC 8032 §5.1.3: x² is no square
    assert batch.natives()[ED25519]([(no_point, signature, message)]) == [False]


@needs_batch
@pytest.mark.parametrize("algorithm", BATCHED)
def test_a_lane_that_is_none_is_an_error(algorithm: Algorithm) -> None:
    native, lanes = batch.natives()[algorithm], good(algorithm)
    point, signature, signed = lanes[0]
    for wrong in ([], [*lanes, lanes[0]], [(point[1:], signature, signed)], [(point, signature + b"0", signed)]):
        with pytest.raises(ValueError, match="instead of"):
            native(wrong)
    others: list[Any] = [[(point, signature)], [[point, signature, signed]], [(point, bytearray(signature), signed)]]
    for other in others:
        with pytest.raises(TypeError, match="lane"):
            native(other)
    if algorithm is not ED25519:
        with pytest.raises(ValueError, match="instead of"):
            native([(point, signature, signed[1:])])
