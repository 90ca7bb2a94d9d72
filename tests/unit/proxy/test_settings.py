"""What a worker is told is what the supervisor has."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import from_flags
from gateway.proxy.settings import Settings, pack, unpack
from gateway.registry.store_url import ClusterStore, Endpoint, RemoteStore, SentinelStore

FLEET: dict[str, Any] = {"addresses": (("h", 1), ("i", 2)), "password": "p", "ca": Path("/ca.pem"), "tls": True}


@pytest.mark.parametrize(
    "store",
    [
        Endpoint(host="store", tls=True, user="u", password='p\n"ä', ca=Path("/ca.pem"), embedded=False),
        SentinelStore(master="m", db=3, **FLEET),
        ClusterStore(**FLEET),
    ],
    ids=["server", "sentinel", "cluster"],
)
def test_settings_survive_the_way_to_a_worker(tmp_path: Path, store: RemoteStore) -> None:
    config = from_flags("http://127.0.0.1:9000", public_url="https://wfm.example.com", base=tmp_path)
    settings = Settings(config, store, 3, store)
    line = pack(settings)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert unpack(line) == settings
