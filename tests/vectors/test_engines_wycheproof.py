"""Project Wycheproof through every engine beside `cryptography`, each vector in each lane of a batch."""

from typing import Any

import pytest

from gateway import _native
from gateway.model import Algorithm, Job
from gateway.signature import batch, fast
from gateway.signature.verify import prepare
from tests.support.engines import ED25519, P256, P384, engines, lane, needs_batch
from tests.vectors.shared import needs
from tests.vectors.test_wycheproof import entries, held_by

pytestmark = needs("wycheproof")

# File, and how many of its vectors have a size and a range that an engine is asked about at all.
FILES = {
    P256: ("ecdsa_secp256r1_sha256_p1363", 191),
    P384: ("ecdsa_secp384r1_sha384_p1363", 211),
    ED25519: ("ed25519", 139),
}
# crypto_mb refuses a digest that is not below the order, which `cryptography` then puts right.
FALSELY_REFUSED = {P256: 1, P384: 0, ED25519: 0}


def jobs(algorithm: Algorithm) -> tuple[list[Job], list[bool]]:
    """The vectors as jobs, and whether each holds."""
    made, expected = [], []
    for group, test in entries(FILES[algorithm][0]):
        try:
            made.append(_job(algorithm, group, test))
        except _native.Refused:
            assert test["result"] == "invalid"
        else:
            expected.append(test["result"] == "valid")
    return made, expected


def _job(algorithm: Algorithm, group: Any, test: Any) -> Job:
    class Signed:
        signature = bytes.fromhex(test["sig"])

    return prepare(Signed, held_by(group), algorithm, bytes.fromhex(test["msg"]))  # type: ignore[arg-type]


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
    for group in shifted([lane(job) for job in made]):
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
