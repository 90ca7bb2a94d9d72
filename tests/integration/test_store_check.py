"""What `Store.examine` finds in real servers: eviction, persistence, rights, memory, role (R13, R27)."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.registry import embedded
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from gateway.registry.store_report import Report
from gateway.registry.store_url import EmbeddedStore, Endpoint
from tests.fault.valkey import Valkey
from tests.support import certificates as made

Check = Callable[[], Report]


@pytest.fixture
def store(valkey: Valkey) -> Iterator[Store]:
    with Store.connect(valkey.endpoint, "cli:alice") as opened:
        yield opened


@pytest.fixture
def settings(valkey: Valkey) -> Iterator[Callable[..., None]]:
    """Changes settings of the server for one test."""
    before: dict[str, str] = {}

    def change(**values: str) -> None:
        for name, value in values.items():
            name = name.replace("_", "-")
            before[name] = valkey.client.config_get(name)[name]
            valkey.client.config_set(name, value)

    yield change
    for name, value in before.items():
        valkey.client.config_set(name, value)


def errors(report: Report) -> list[str]:
    return [finding.message for finding in report.findings if finding.level == "error"]


def warnings(report: Report) -> list[str]:
    return [finding.message for finding in report.findings if finding.level == "warning"]


def test_a_good_store(store: Store) -> None:
    for realm, number in (("default", 3), ("plant-2", 1)):
        for client in range(number):
            store.add(prepare(realm, f"d{client}", made.certificate(made.p256_spki()), "cert", int(time.time())))
    report = store.examine()
    assert (report.fine, errors(report)) == (True, [])
    assert report.clients == {"default": 3, "plant-2": 1}
    assert report.version.startswith("valkey ")
    assert report.persistence == "append-only file"
    assert report.role == "primary with 0 replicas"
    assert 0 < report.latency.min_ms <= report.latency.median_ms <= report.latency.max_ms
    assert report.memory.policy == "noeviction"
    assert report.memory.used_bytes is not None


@pytest.mark.parametrize(
    ("policy", "what"), [("allkeys-lru", "clients of the registry"), ("volatile-ttl", "replay claims")]
)
@pytest.mark.parametrize("limit", ["0", "1gb"])
def test_r13_a_store_that_may_evict_is_an_error(
    store: Store, settings: Callable[..., None], policy: str, what: str, limit: str
) -> None:
    settings(maxmemory_policy=policy, maxmemory=limit)
    report = store.examine()
    assert not report.fine
    (message,) = errors(report)
    assert policy in message
    assert what in message


def test_what_is_kept_on_disk(store: Store, settings: Callable[..., None]) -> None:
    settings(appendonly="no")
    assert (store.examine().persistence, warnings(store.examine())[0][:33]) == (
        "none",
        "the store keeps nothing on disk: ",
    )
    settings(save="3600 1")
    assert store.examine().persistence == "snapshots"
    assert "snapshots only" in warnings(store.examine())[0]


def test_a_store_that_is_nearly_full(store: Store, valkey: Valkey, settings: Callable[..., None]) -> None:
    settings(maxmemory=str(int(valkey.client.info("memory")["used_memory"] * 1.05)))
    assert any("of maxmemory is in use" in message for message in warnings(store.examine()))


def test_a_replica_is_an_error(store: Store, valkey: Valkey) -> None:
    valkey.client.replicaof("127.0.0.1", "1")
    try:
        report = store.examine()
    finally:
        valkey.client.replicaof("NO", "ONE")
    assert errors(report) == ["the store is a replica that cannot be written to: name the primary"]
    assert report.role == "replica"


def test_a_full_store_is_an_error(store: Store, settings: Callable[..., None]) -> None:
    settings(maxmemory="1")
    assert any("the store is full" in message for message in errors(store.examine()))


def request_user(valkey: Valkey, *rules: str) -> Store:
    valkey.client.execute_command("ACL", "SETUSER", "wfmgw", "reset", "on", ">secret", *rules)
    return Store.connect(msgspec.structs.replace(valkey.endpoint, user="wfmgw", password="secret"), "check")


LEAST = (
    "%R~wfmgw:client:*", "%R~wfmgw:spki:*", "%R~wfmgw:changes", "%RW~wfmgw:seen:*", "%RW~wfmgw:rate:*",
    "+get", "+set", "+del", "+incrby", "+expire", "+xrevrange", "+ping", "+info", "+acl|whoami",
)  # fmt: skip


def test_r27_the_request_paths_rights_are_tried(store: Store, valkey: Valkey) -> None:
    with request_user(valkey, *LEAST) as request:
        assert store.examine(request).findings == ()
    with request_user(valkey, *LEAST, "-set") as request:
        first, second = errors(store.examine(request))
        assert "may not set replay claims" in first
        assert "may not release replay claims" in second
    with request_user(valkey, *LEAST, "-incrby") as request:
        (message,) = warnings(store.examine(request))
        assert "may not count requests" in message
    with request_user(valkey, "%R~wfmgw:client:*", "+get", "+ping", "+info") as request:
        assert len(errors(store.examine(request))) == 4
    with request_user(valkey, "~*", "+@all") as request:
        (message,) = warnings(store.examine(request))
        assert "wfmgw may write clients" in message


def test_trying_leaves_nothing_behind(store: Store, valkey: Valkey) -> None:
    before = sorted(valkey.client.keys())
    store.examine()
    assert sorted(valkey.client.keys()) == before


def test_r27_the_embedded_store_is_fit(tmp_path: Path) -> None:
    target = EmbeddedStore(tmp_path / "data")
    with (
        embedded.attach_or_start(target) as endpoint,
        Store.connect(endpoint, "cli:x") as store,
        Store.connect(embedded.request_endpoint(target), "check") as request,
    ):
        assert store.examine(request).findings == ()


def test_a_server_that_tells_little(valkey: Valkey) -> None:
    with request_user(valkey, "~*", "+@all", "-info", "-config", "-acl") as store:
        report = store.examine()
    assert report.fine
    assert (report.version, report.persistence, report.memory.policy) == ("", "unknown", None)
    assert any("does not tell its maxmemory-policy" in message for message in warnings(report))


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server is installed")
def test_redis_is_examined_too(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with subprocess.Popen(
        [str(shutil.which("redis-server")), "--port", "0", "--unixsocket", path, "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdout is not None
        try:
            while b"ready to accept connections" not in server.stdout.readline().lower():
                assert server.poll() is None
            with Store.connect(Endpoint(path=path), "cli:x") as store:
                report = store.examine()
            assert report.version.startswith("redis ")
            assert report.persistence == "none"
            assert report.fine
        finally:
            server.kill()
