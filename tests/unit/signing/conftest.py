"""One private key for each algorithm, made once."""

import pytest

from gateway.demo.pki import make_key
from gateway.model import Algorithm
from gateway.signing import PrivateKey


@pytest.fixture(scope="session")
def keys() -> dict[Algorithm, PrivateKey]:
    return {algorithm: make_key(algorithm) for algorithm in Algorithm}


@pytest.fixture(params=list(Algorithm), ids=lambda algorithm: algorithm.value)
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    chosen: Algorithm = request.param
    return chosen
