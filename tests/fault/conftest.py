"""Fixtures: a real Valkey for the session, emptied for each test, one per test to kill, and the harmful proxy before it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.proxy import FaultProxy
from tests.fault.valkey import Valkey


@pytest.fixture(scope="session")
def _shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("vk")) as server:
        yield server


@pytest.fixture
def valkey(_shared_valkey: Valkey) -> Valkey:
    """A server without data."""
    _shared_valkey.client.flushall()
    _shared_valkey.client.config_set("maxmemory", 0)
    return _shared_valkey


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A server that the test may kill."""
    with Valkey(tmp_path) as server:
        yield server


@pytest.fixture
def proxy(valkey: Valkey) -> Iterator[FaultProxy]:
    """The proxy before `valkey`'s unix socket."""
    with FaultProxy(valkey.socket) as made:
        yield made


@pytest.fixture
def tcp_proxy(valkey: Valkey) -> Iterator[FaultProxy]:
    """The proxy before `valkey`'s port."""
    with FaultProxy(("127.0.0.1", valkey.port)) as made:
        yield made
