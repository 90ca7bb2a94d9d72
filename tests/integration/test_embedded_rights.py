"""What the request path's own user may do in the embedded store (R27), and that a full store forgets nothing (R13)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from gateway.registry import embedded, keys
from gateway.registry.embedded_files import Files
from gateway.registry.store_url import EmbeddedStore


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    """A store that does not exist yet."""
    return EmbeddedStore(tmp_path / "store")


@pytest.fixture
def request_client(store: EmbeddedStore) -> Iterator["redis.Redis"]:
    server = embedded.Server(store)
    server.start()
    with redis.Redis(unix_socket_path=server.admin.path) as admin:
        admin.mset({"wfmgw:client:default:dev1": "{}", "other": "x"})
    endpoint = server.request
    with redis.Redis(
        unix_socket_path=endpoint.path, username=endpoint.user, password=endpoint.password, protocol=2
    ) as client:
        yield client
    server.stop()


def test_r27_the_request_path_reads_records_and_sets_claims(request_client: "redis.Redis") -> None:
    claim = keys.seen_key(bytes(range(16)))
    assert request_client.ping()
    assert request_client.get("wfmgw:client:default:dev1") == b"{}"
    assert request_client.get("wfmgw:spki:default:00") is None
    assert request_client.set(claim, 1, nx=True, px=10_000)
    assert request_client.set(claim, 1, nx=True, px=10_000) is None
    released = request_client.execute_command("SET", claim, 1, "IFEQ", 1, "PXAT", 1)
    assert released
    assert request_client.get(claim) is None
    assert request_client.set(keys.EPOCH, 1, nx=True)
    assert request_client.get(keys.EPOCH) == b"1"
    assert request_client.incrby(keys.rate_key("client", "00", 1), 3) == 3
    assert request_client.expire(keys.rate_key("client", "00", 1), 60)
    assert request_client.xrange(keys.CHANGES) == []
    assert request_client.xrevrange(keys.CHANGES, count=1) == []


@pytest.mark.parametrize(
    "command",
    [
        "SET wfmgw:client:default:dev1 x",
        "SET wfmgw:client:default:new x NX",
        "DEL wfmgw:client:default:dev1",
        "DEL wfmgw:seen:a",
        "XREAD STREAMS wfmgw:changes 0",
        "SET wfmgw:spki:default:00 x",
        "DEL wfmgw:spki:default:00",
        "XADD wfmgw:changes * a b",
        "DEL wfmgw:changes",
        "XTRIM wfmgw:changes MAXLEN 0",
        "GET other",
        "SET other x",
        "RENAME wfmgw:seen:a wfmgw:client:default:dev1",
        "COPY wfmgw:seen:a wfmgw:client:default:dev1",
        "EXPIRE wfmgw:client:default:dev1 1",
        "KEYS *",
        "SCAN 0",
        "EVAL return(1) 0",
        "CONFIG GET *",
        "ACL LIST",
        "FLUSHALL",
        "SHUTDOWN",
        "MONITOR",
        "CLIENT KILL TYPE normal",
        "SUBSCRIBE x",
        "BGREWRITEAOF",
    ],
)
def test_r27_the_request_path_can_do_nothing_else(request_client: "redis.Redis", command: str) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        request_client.execute_command(*command.split())


def test_r27_the_request_path_needs_its_password(store: EmbeddedStore) -> None:
    with embedded.attach_or_start(store) as endpoint:
        password = Files(store.directory).password.read_text()
        assert len(password) >= 32
        assert password not in (store.directory / "users.acl").read_text()
        client = redis.Redis(unix_socket_path=endpoint.path, username="wfmgw-request", password="guess")
        with client, pytest.raises(redis.exceptions.AuthenticationError):
            client.ping()
    with embedded.attach_or_start(store):
        assert Files(store.directory).password.read_text() == password


def fill(client: "redis.Redis") -> None:
    for number in range(32):
        client.set(f"k{number}", b"x" * (1 << 20), px=3_600_000)


def test_r13_a_full_store_refuses_and_forgets_nothing(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", maxmemory_bytes=16 << 20)
    with embedded.attach_or_start(store) as endpoint, redis.Redis(unix_socket_path=endpoint.path) as client:
        client.set("first", "1", px=3_600_000)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            fill(client)
        assert client.get("first") == b"1"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
