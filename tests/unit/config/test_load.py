"""What a configuration file means: defaults, relative paths, the way to the workers."""

from pathlib import Path

import msgspec
import pytest

from gateway.config import Address, Config, load
from gateway.model import Algorithm
from tests.unit.config.documents import write

FULL = {
    "listen": 'address = "[::1]:8443"\npublic_url = "https://WFM.example.com:443/"\n'
    'trusted_proxies = ["10.0.0.0/8", "::1"]\nworkers = 3',
    "upstream": 'url = "https://backend:9443"\nca = "ca.pem"\nclient_cert = "c.pem"\nclient_key = "k.pem"\n'
    "connect_timeout_s = 1\nresponse_timeout_s = 2.5\nconnections = 8",
    "store": 'url = "rediss://store:6380/2"\nadmin_url = "rediss://admin:pw@store/2"\nuser = "gate"\n'
    'password_file = "password"\nca = "ca.pem"\nclient_cert = "c.pem"\nclient_key = "k.pem"\ntimeout_ms = 50',
    "policy": 'profile = "generic"\nbase_path = "/tenant-1"\nrealm = "plant"\nmax_age_s = 60\nmax_window_s = 120\n'
    'clock_skew_s = 0\nreplay = "all"\nlost_memory = "accept"\nbody_limit_bytes = 1000\n'
    'require_covered_digest = false\nrequired_components = ["@method", "@authority", "@path", "date"]\n'
    'algorithms = ["ed25519"]\nrsa_algorithms = ["rsa-pss-sha256"]\nkeyid = "client-id"\n'
    'capital_content_digest = true\nhide_unknown_clients = true\nstructured_fields = {x-trace = "item"}',
    "registry": "l1_entries = 10\nmax_stale_s = 0\nnegative_s = 0",
    "onboarding": "tofu_clients = 5",
    "admin": 'address = "unix:admin"\ntoken_file = "token"\nallowed_hosts = ["gw.internal"]',
    "observe": 'address = "unix:observe"\ntoken_file = "token"\nallowed_hosts = ["gw.internal"]',
    "headers": 'forward = ["accept", "user-agent"]',
    "rate": 'per_client = "10/s"',
    "limits": "head_limit_bytes = 8192\nhead_timeout_s = 1\nbody_timeout_s = 2\nidle_timeout_s = 3\nspool_bytes = 4\n"
    'spool_total_bytes = 1000\ndata_dir = "spool"\ndrain_s = 5',
    "engine": 'p256 = "single"\np384 = "fast"\ned25519 = "batch"',
    "errors": 'format = "legacy"',
    "log": 'level = "debug"\nrequests = "all"',
    "verify": 'path = "/_verify"\noriginal = "path"\nallow_unchecked_body = true\nonly_401_403 = true',
    "unsafe": "trust_everyone = true\nplain_remote_store = true",
    "route": '[[route]]\npath = "/v2/{clientId}/**"\nmethods = ["POST"]\nrelax = ["semicolon"]\nrealm = "line-2"\n'
    'require_covered_digest = true\n[[route]]\npath = "/by-key/*"\nclient_id = "keyid"\n'
    '[[route]]\npath = "/public/"\naccess = "open"\n[[route]]\npath = "/private"\naccess = "off"\n',
}


@pytest.fixture
def full(tmp_path: Path) -> Config:
    for name in ("ca.pem", "c.pem", "k.pem", "password"):
        (tmp_path / name).write_text("x")
    (tmp_path / "token").touch(0o600)
    return load(write(tmp_path, **FULL))


def test_two_settings_are_enough(tmp_path: Path) -> None:
    config = load(write(tmp_path))
    assert config.listen.bind == Address("127.0.0.1", 8080)
    assert config.policy.profile == "margo"
    assert config.policy.max_age_s == 300
    assert config.policy.window_s == 300
    assert config.policy.claim_ttl_ms == 360_000
    assert config.policy.algorithms == tuple(Algorithm)
    assert config.policy.rsa_algorithms[0] == "rsa-pss-sha512"
    assert config.worker_count >= 1
    assert config.source == str(tmp_path / "gateway.toml")


def test_every_setting_is_read(full: Config, tmp_path: Path) -> None:
    assert full.worker_count == 3
    assert full.upstream.origin is not None
    assert full.upstream.origin.port == 9443
    assert full.upstream.client_key == str(tmp_path / "k.pem")
    assert full.upstream.connect_timeout_s == 1.0
    assert full.store.password_file == str(tmp_path / "password")
    assert full.policy.structured_fields == {"x-trace": "item"}
    assert full.policy.window_s == 120
    assert full.headers.forward == ("accept", "user-agent")
    assert full.data_dir == str(tmp_path / "spool")
    assert [route.path for route in full.routes] == ["/v2/{clientId}/**", "/by-key/*", "/public/", "/private"]
    assert full.routes[0].require_covered_digest is True
    for section in full.__struct_fields__:
        value = getattr(full, section)
        if isinstance(value, msgspec.Struct) and section != "upstream":
            assert value != type(value)(), f"[{section}] was not read"


def test_workers_get_the_same_configuration_as_json(full: Config) -> None:
    assert msgspec.json.decode(msgspec.json.encode(full), type=Config) == full


def test_public_url_is_kept_as_spelled_and_has_a_normal_form(full: Config) -> None:
    public = full.listen.public
    assert public is not None
    assert public.authority == "WFM.example.com:443"
    assert public.normal == "wfm.example.com"


@pytest.mark.parametrize(
    ("url", "settled"),
    [
        ("embedded:state", "embedded:{base}/state"),
        ("embedded://state", "embedded:{base}/state"),
        ("embedded:/var/lib/wfm", "embedded:/var/lib/wfm"),
        (
            "embedded:a%20b?server=bin/valkey&maxmemory=512mb",
            "embedded:{base}/a%20b?server={base}/bin/valkey&maxmemory=512mb",
        ),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("redis://localhost", "redis://localhost"),
        ("redis://u:p@127.0.0.1:1/3", "redis://u:p@127.0.0.1:1/3"),
        ("rediss://[2001:db8::1]:6379", "rediss://[2001:db8::1]:6379"),
    ],
)
def test_r27_relative_paths_of_the_store_start_at_the_file(tmp_path: Path, url: str, settled: str) -> None:
    config = load(write(tmp_path, store=f'url = "{url}"'))
    assert config.store.url == settled.format(base=tmp_path)


def test_r27_relative_paths_start_at_the_file_not_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = write(tmp_path, listen='address = "unix:run/gate.sock"\npublic_url = "http://x"')
    monkeypatch.chdir(tmp_path / "elsewhere")
    for spelling in (path, Path("../gateway.toml")):
        config = load(spelling)
        assert Path(config.listen.bind.path).resolve() == tmp_path / "run/gate.sock"
        assert config.store.embedded_dir is not None
        assert Path(config.store.embedded_dir).resolve() == tmp_path / "data"
        assert config.data_dir == config.store.embedded_dir


def test_bodies_are_spooled_beside_the_file_when_the_store_is_another_server(tmp_path: Path) -> None:
    config = load(write(tmp_path, store='url = "unix:///run/valkey.sock"'))
    assert config.data_dir == str(tmp_path / "data")


@pytest.mark.parametrize("text", ["unix:/run/wfm.sock", "unix:///run/wfm.sock"])
def test_backend_on_a_unix_socket(tmp_path: Path, text: str) -> None:
    upstream = load(write(tmp_path, upstream=f'url = "{text}"')).upstream
    assert upstream.socket == Address("", 0, "/run/wfm.sock")
    assert upstream.origin is None


@pytest.mark.parametrize(
    ("networks", "everyone"),
    [
        ('"10.0.0.0/8"', False),
        ('"0.0.0.0/0"', True),
        ('"::/0"', True),
        ('"0.0.0.0/1", "128.0.0.0/1"', True),
        ('"::/1", "8000::/1"', True),
        ('"::ffff:0:0/96"', True),
        ('"::ffff:10.0.0.0/104"', False),
    ],
)
def test_r6_everyone_is_recognised_in_every_spelling(tmp_path: Path, networks: str, everyone: bool) -> None:
    listen = f"trusted_proxies = [{networks}]"
    config = load(write(tmp_path, listen=listen, unsafe="trust_everyone = true"))
    assert config.listen.trusts_everyone is everyone


def test_r7_forwarded_authority_is_enough_with_a_trusted_proxy(tmp_path: Path) -> None:
    config = load(write(tmp_path, listen='trusted_proxies = ["127.0.0.1/32"]'))
    assert config.listen.public is None
    assert [str(net) for net in config.listen.networks] == ["127.0.0.1/32"]


def test_a_unix_listener_can_trust_its_peers(tmp_path: Path) -> None:
    config = load(write(tmp_path, listen='address = "unix:/run/x"\ntrusted_proxies = ["unix"]'))
    assert config.listen.trusts_unix
    assert config.listen.networks == ()
