"""Fixtures: a fleet of servers for each test, because tests kill them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.topology.cluster import Cluster
from tests.topology.servers import SentinelFleet, running


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelFleet]:
    """A master, a replica and three sentinels."""
    with running(SentinelFleet(tmp_path)) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of three masters and three replicas, for tests that leave it as it was."""
    with running(Cluster(tmp_path_factory.mktemp("cluster"))) as cluster:
        yield cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of three masters and three replicas, to be torn."""
    with running(Cluster(tmp_path)) as made:
        yield made
