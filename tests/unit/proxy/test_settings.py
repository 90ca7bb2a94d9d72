"""What a worker is told is what the supervisor has."""

from pathlib import Path

from gateway.config import from_flags
from gateway.proxy.settings import Settings, pack, unpack
from gateway.registry.store_url import Endpoint


def test_settings_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    config = from_flags("http://127.0.0.1:9000", public_url="https://wfm.example.com", base=tmp_path)
    store = Endpoint(host="store", tls=True, user="u", password='p\n"ä', ca=tmp_path / "ca.pem", embedded=False)
    line = pack(Settings(config, store, 3))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert unpack(line) == Settings(config, store, 3)
