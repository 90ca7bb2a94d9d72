"""r and s side by side into DER (RFC 9421 §3.3.4, R11): exact size, 1 <= r, s < n."""

from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.outcomes import of_ecdsa
from tests.reference.ecdsa import ORDERS

SIZES = {256: 32, 384: 48}


def side_by_side(r: int, s: int, bits: int) -> bytes:
    return r.to_bytes(SIZES[bits], "big") + s.to_bytes(SIZES[bits], "big")


@pytest.mark.parametrize("bits", [256, 384])
@pytest.mark.parametrize("shift", [0, 1, 7, 8, 127, 128, 255])
def test_der_is_what_another_library_makes(backend: ModuleType, bits: int, shift: int) -> None:
    r, s = (1 << shift) | 1, ORDERS[bits] - 1
    assert of_ecdsa(backend, side_by_side(r, s, bits), bits) == encode_dss_signature(r, s)
    assert of_ecdsa(backend, side_by_side(s, r, bits), bits) == encode_dss_signature(s, r)


@pytest.mark.parametrize("bits", [256, 384])
@pytest.mark.parametrize("which", ["r", "s"])
def test_out_of_range(backend: ModuleType, bits: int, which: str) -> None:
    for value in (0, ORDERS[bits], ORDERS[bits] + 1, (1 << bits) - 1):
        pair = (value, 1) if which == "r" else (1, value)
        assert of_ecdsa(backend, side_by_side(*pair, bits), bits) == ("refused", "signature.out_of_range")


@pytest.mark.parametrize("bits", [256, 384])
def test_bad_length(backend: ModuleType, bits: int) -> None:
    exact = 2 * SIZES[bits]
    for length in [*range(exact), *range(exact + 1, exact + 20), 1000]:
        assert of_ecdsa(backend, b"\x01" * length, bits) == ("refused", "signature.bad_length")
    # What many libraries make instead (DER) is told by its length.
    assert of_ecdsa(backend, encode_dss_signature(ORDERS[bits] - 1, ORDERS[bits] - 1), bits) == (
        "refused",
        "signature.bad_length",
    )
