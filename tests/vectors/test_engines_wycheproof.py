"""Project Wycheproof through every engine beside `cryptography`, each vector in each lane of a batch."""

from typing import Any

import pytest

from gateway.model import Algorithm, Job
from gateway.signature import batch, fast
from tests.support.engines import ED25519, P256, P384, engines, job, lane, needs_batch
from tests.vectors.shared import needs
from tests.vectors.test_wycheproof import entries, held_by

pytestmark = needs("wycheproof")

# File, and how many of its vectors have the size that an engine is asked about at all.
FILES = {
    P256: ("ecdsa_secp256r1_sha256_p1363", 241),
    P384: ("ecdsa_secp384r1_sha384_p1363", 261),
    ED25519: ("ed25519", 139),
}
# crypto_mb refuses a digest that is not below the order, which `cryptography` then puts right.
FALSELY_REFUSED = {P256: 1, P384: 0, ED25519: 0}


def jobs(algorithm: Algorithm) -> tuple[list[Job], list[bool]]:
    """The vectors as jobs, also those whose numbers are out of range, and whether each holds."""
    made, expected = [], []
    size = 96 if algorithm is P384 else 64
    for group, test in entries(FILES[algorithm][0]):
        signature = bytes.fromhex(test["sig"])
        if len(signature) == size:
            made.append(job(algorithm, held_by(group), bytes.fromhex(test["msg"]), signature))
            expected.append(test["result"] == "valid")
        else:
            assert test["result"] == "invalid"
    return made, expected


def shifted(made: list[Any], lanes: int = 8) -> list[list[tuple[int, Any]]]:
    """All groups of eight neighbours in the ring of vectors: each vector comes to stand in each lane."""
    numbered = list(enumerate(made))
    ring = numbered + numbered[: lanes - 1]
    return [ring[start : start + lanes] for start in range(len(made))]


@needs_batch
@pytest.mark.parametrize("algorithm", FILES)
def test_every_lane_of_a_batch(algorithm: Algorithm) -> None:
    made, expected = jobs(algorithm)
    assert len(made) == FILES[algorithm][1]
    native = batch.natives()[algorithm]
    refused = set()
    for group in shifted([lane(each) for each in made]):
        answers = native([each for _, each in group])
        for (index, _), yes in zip(group, answers, strict=True):
            assert not yes or expected[index], f"vector {index} is accepted"
            if expected[index] and not yes:
                refused.add(index)
    assert len(refused) == FALSELY_REFUSED[algorithm]


@needs_batch
@pytest.mark.parametrize("algorithm", FILES)
def test_the_batch_engine(algorithm: Algorithm) -> None:
    made, expected = jobs(algorithm)
    many = engines()
    for shift in range(8):
        assert many.verify(made[shift:]) == expected[shift:]


@pytest.mark.skipif(fast.missing() != "", reason="awscrt is not installed")
@pytest.mark.parametrize("algorithm", fast.ALGORITHMS)
def test_aws(algorithm: Algorithm) -> None:
    made, expected = jobs(algorithm)

    class Never:
        name = "never"

        def holds(self, job: Job) -> bool:
            return False

        def verify(self, batch: Any) -> list[bool]:
            return [False] * len(batch)

    assert fast.AwsEngine(Never()).verify(made) == expected
