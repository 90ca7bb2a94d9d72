"""Engines beside `cryptography`, on signatures made and spoilt in many ways."""

import pytest

from gateway.model import Algorithm
from gateway.signature import fast
from gateway.signature.engine import CryptographyEngine
from tests.fuzz.signatures import SPOILT, Maker, disagreements
from tests.support.engines import BATCHED, engines, needs_batch

COUNT = 2_000


@needs_batch
@pytest.mark.parametrize("algorithm", BATCHED)
def test_a_batch_says_what_cryptography_says(algorithm: Algorithm) -> None:
    seen: dict[str, set[bool]] = {how: set() for how in SPOILT}
    for how, job, ours, theirs in disagreements(algorithm, COUNT, seed=20261122):
        assert ours == theirs, f"{how}: {job}"
        seen[how].add(theirs)
    # Everything was tried, and both answers were seen.
    assert all(seen.values())
    assert seen[SPOILT[0]] == {True}
    assert seen["a bit of the message"] == {False}
    assert seen["the other s"] == ({False} if algorithm is Algorithm.ED25519 else {True})


@needs_batch
@pytest.mark.parametrize("algorithm", BATCHED)
def test_the_batch_engine_says_what_cryptography_says(algorithm: Algorithm) -> None:
    maker, many, oracle = Maker(algorithm, 5), engines(), CryptographyEngine()
    jobs = [maker.make()[1] for _ in range(500)]
    assert many.verify(jobs) == oracle.verify(jobs)


@pytest.mark.skipif(fast.missing() != "", reason="awscrt is not installed")
@pytest.mark.parametrize("algorithm", fast.ALGORITHMS)
def test_aws_says_what_cryptography_says(algorithm: Algorithm) -> None:
    maker, oracle = Maker(algorithm, 6), CryptographyEngine()
    engine = fast.AwsEngine(_Never())
    for _ in range(1000):
        how, job = maker.make()
        assert engine.holds(job) == oracle.holds(job), f"{how}: {job}"


class _Never(CryptographyEngine):
    """An oracle that never helps, so that AWS-LC's own answers are seen."""

    def holds(self, job: object) -> bool:
        return False
