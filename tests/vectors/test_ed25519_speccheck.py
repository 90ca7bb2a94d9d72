"""Edge cases of Ed25519 (Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs", 2020), and which side of each we take.

Keys of small order or in a second encoding are refused when a certificate is registered. Of the others, what RFC 8032 §5.1.7
checks without the cofactor holds, and nothing else.
"""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.model import Algorithm
from gateway.registry.ed25519_points import weakness
from tests.vectors.keys import HOLDS, certificate, verdict
from tests.vectors.shared import load, needs

pytestmark = needs("ed25519-speccheck")

CASES: list[Any] = load("ed25519-speccheck/cases.json")
KEY_REFUSED = "key refused"

EXPECTED = [
    (KEY_REFUSED, "key and R of small order, S = 0"),
    (KEY_REFUSED, "key of small order"),
    (HOLDS, "R of small order: harmless with a good key"),
    (HOLDS, "key and R of mixed order, both equations hold"),
    ("signature.wrong", "only the equation with the cofactor holds"),
    ("signature.wrong", "only the equation with the cofactor holds, other order of steps"),
    ("signature.wrong", "S above the group order"),
    ("signature.wrong", "S far above the group order"),
    ("signature.wrong", "R in a second encoding, reduced before hashing"),
    ("signature.wrong", "R in a second encoding"),
    (KEY_REFUSED, "key of small order in a second encoding, reduced before hashing"),
    (KEY_REFUSED, "key of small order in a second encoding"),
]


def test_every_case_has_a_side() -> None:
    assert len(CASES) == len(EXPECTED)


@pytest.mark.parametrize(("case", "expected"), [(case, side) for case, (side, _) in zip(CASES, EXPECTED, strict=False)])
def test_cases(case: Any, expected: str) -> None:
    public = bytes.fromhex(case["pub_key"])
    if weakness(public) is not None:
        assert expected == KEY_REFUSED
        return
    held = certificate(Ed25519PublicKey.from_public_bytes(public))
    found = verdict(held, Algorithm.ED25519, bytes.fromhex(case["message"]), bytes.fromhex(case["signature"]))
    assert found == expected
