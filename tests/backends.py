"""The two readers of the same protocol, as one fixture: protocol tests run over both."""

import importlib
from types import ModuleType

import pytest

BACKENDS = {"native": "gateway._native", "reference": "tests.reference"}


@pytest.fixture(params=list(BACKENDS), scope="session")
def backend(request: pytest.FixtureRequest) -> ModuleType:
    """The module under test; a missing native module is a failure, never a silent fallback."""
    return importlib.import_module(BACKENDS[request.param])
