"""What the tables say of a result."""

import pytest

from gateway.bench.stages import Operation, Spread
from gateway.bench.tables import library_of, told


@pytest.mark.parametrize(
    ("at_once", "engine", "library"),
    [
        (1, "cryptography 50", "cryptography 50"),
        (1, "crypto_mb 2; fewer than 3 at a time: cryptography 50", "cryptography 50"),
        (8, "crypto_mb 2; fewer than 3 at a time: cryptography 50", "crypto_mb 2"),
    ],
)
def test_the_library_is_the_one_that_did_it(at_once: int, engine: str, library: str) -> None:
    assert library_of(Operation("ecdsa-p256-sha256", "batch", engine, at_once, Spread(3, 2, 4))) == library


def test_a_spread_is_told_with_its_middle_half() -> None:
    assert told(Spread(1234.5, 0.123, 20_000)) == "1,234 (0.123 to 20,000)"
