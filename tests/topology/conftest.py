"""Fixtures: a fleet of servers for each test, because tests kill them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.topology.servers import SentinelFleet, running


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelFleet]:
    """A master, a replica and three sentinels."""
    with running(SentinelFleet(tmp_path)) as fleet:
        yield fleet
