"""The registry on a real Valkey: what is written together, who is told, and what is said when the store is in trouble."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
import redis

from gateway.model import Status
from gateway.reasons import ConfigError, Reason
from gateway.registry import embedded, keys, records
from gateway.registry.damaged import Damaged
from gateway.registry.records import Record
from gateway.registry.registration import OtherKey, Outcome, Registration, prepare
from gateway.registry.store import Store
from gateway.registry.store_url import EmbeddedStore, Endpoint
from gateway.registry.writes import Writer
from tests.fault.valkey import Valkey
from tests.support import certificates as made

NOW_S = 1_700_000_000


class Noon:
    """A clock that stands still."""

    def now(self) -> float:
        return NOW_S + 0.5

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def registry(valkey: Valkey) -> Iterator[Store]:
    with Store.connect(valkey.endpoint, "cli:alice", Noon()) as store:
        yield store


def wanted(client_id: str = "dev1", realm: str = "default", spki: bytes | None = None) -> Registration:
    return prepare(realm, client_id, made.certificate(spki or made.p256_spki()), "cert", NOW_S)


def changed(registration: Registration, **changes: object) -> Registration:
    return msgspec.structs.replace(registration, **changes)


def notices(valkey: Valkey) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in valkey.client.xrange(keys.CHANGES)]


def test_a_client_is_written_with_its_index_and_a_notice(registry: Store, valkey: Valkey) -> None:
    registration = wanted()
    assert registry.add(registration).outcome is Outcome.ADDED
    spki = registration.certificate.spki_sha256
    data = valkey.client.get(keys.client_key("default", "dev1"))
    assert records.decode(data, "default", "dev1").certificates[0].spki_sha256 == spki
    assert valkey.client.get(keys.spki_key("default", spki)) == b"dev1"
    assert notices(valkey) == [
        {
            b"realm": b"default",
            b"id": b"dev1",
            b"what": b"added",
            b"who": b"cli:alice",
            b"when": b"%d" % NOW_S,
            b"cert": registration.certificate.sha256.encode(),
        }
    ]
    found = registry.get("default", "dev1")
    assert isinstance(found, Record)
    assert (found.since, found.certs) == (NOW_S, (registration.certificate,))


def test_r20_one_key_one_client(registry: Store, valkey: Valkey) -> None:
    registration = wanted()
    registry.add(registration)
    result = registry.add(changed(registration, client_id="dev2"))
    assert result.outcome is Outcome.KEY_TAKEN
    assert registry.get("default", "dev2") is None
    assert registry.add(wanted()).outcome is Outcome.ID_TAKEN
    assert len(notices(valkey)) == 1


def test_r3_the_same_id_and_key_in_another_realm_is_another_client(registry: Store) -> None:
    registration = wanted()
    registry.add(registration)
    assert registry.add(changed(registration, realm="plant-2")).outcome is Outcome.ADDED
    registry.remove("plant-2", "dev1")
    found = registry.get("default", "dev1")
    assert isinstance(found, Record)
    assert found.status is Status.ACTIVE
    assert [entry.realm for entry in registry.iterate("default") if isinstance(entry, Record)] == ["default"]


def test_r22_a_removed_client_comes_back_only_when_lifted(registry: Store, valkey: Valkey) -> None:
    registration = wanted()
    registry.add(registration)
    assert registry.remove("default", "dev1", "sold").outcome is Outcome.REMOVED
    found = registry.get("default", "dev1")
    assert isinstance(found, Record)
    assert (found.status, found.reason) == (Status.TOMBSTONE, "sold")
    data = valkey.client.get(keys.client_key("default", "dev1"))
    assert records.decode(data, "default", "dev1").status is Status.TOMBSTONE
    assert registry.add(registration).outcome is Outcome.KEY_REMOVED
    assert registry.add(changed(registration, client_id="dev2")).outcome is Outcome.KEY_REMOVED
    assert registry.add(wanted("dev1")).outcome is Outcome.ID_REMOVED
    assert registry.remove("default", "dev1").outcome is Outcome.ID_REMOVED
    assert registry.add(changed(registration, lift=True)).outcome is Outcome.LIFTED
    assert [fields[b"what"] for fields in notices(valkey)] == [b"added", b"removed", b"lifted"]


def test_r22_a_replaced_key_does_not_come_back_by_itself(registry: Store) -> None:
    old, new = wanted(), wanted()
    registry.add(old)
    assert registry.add(changed(new, other_key=OtherKey.REPLACE)).outcome is Outcome.REPLACED
    assert registry.add(changed(old, client_id="dev2")).outcome is Outcome.KEY_REMOVED
    assert registry.add(changed(old, other_key=OtherKey.BESIDE)).outcome is Outcome.KEY_REMOVED
    assert registry.add(changed(old, other_key=OtherKey.BESIDE, lift=True)).outcome is Outcome.EXTENDED


def test_removing_a_stranger_is_no(registry: Store, valkey: Valkey) -> None:
    assert registry.remove("default", "dev1").outcome is Outcome.UNKNOWN
    assert notices(valkey) == []


def test_r20_of_two_at_once_one_gets_the_key(registry: Store, valkey: Valkey) -> None:
    barrier = threading.Barrier(2)

    def add(registration: Registration) -> Outcome:
        with Store.connect(valkey.endpoint, "cli:x", Noon()) as store:
            barrier.wait(10)
            return store.add(registration).outcome

    for number in range(30):
        registration = wanted(f"a{number}")
        rival = changed(registration, client_id=f"b{number}")
        with ThreadPoolExecutor(2) as pool:
            outcomes = sorted(pool.map(add, [registration, rival]))
        assert outcomes == [Outcome.ADDED, Outcome.KEY_TAKEN]


def test_what_changed_since_it_was_read_is_decided_anew(
    registry: Store, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    registration = wanted("dev1")
    read = Writer._read_all
    calls = []

    def read_then_lose(self: Writer, tasks: object) -> object:
        found = read(self, tasks)
        if not calls:
            valkey.client.set(keys.spki_key("default", registration.certificate.spki_sha256), "faster")
        calls.append(tasks)
        return found

    monkeypatch.setattr(Writer, "_read_all", read_then_lose)
    assert registry.add(registration).outcome is Outcome.KEY_TAKEN
    assert len(calls) == 2
    assert registry.get("default", "dev1") is None
    assert notices(valkey) == []


def test_a_store_that_changes_all_the_time_is_given_up(
    registry: Store, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Writer._read_all
    calls = []

    def read_then_lose(self: Writer, tasks: object) -> object:
        found = read(self, tasks)
        calls.append(tasks)
        other = Record(realm="default", id="dev1", status=Status.PENDING, since=len(calls))
        valkey.client.set(keys.client_key("default", "dev1"), records.encode(other))
        return found

    registry.add(wanted())

    monkeypatch.setattr(Writer, "_read_all", read_then_lose)
    with pytest.raises(ConfigError, match="changed by somebody else"):
        registry.remove("default", "dev1")
    assert len(calls) == 10


def test_many_are_added_in_order_and_duplicates_among_them_are_found(registry: Store) -> None:
    spkis = [made.p256_spki() for _ in range(700)]
    many = [wanted(f"d{number}", spki=spki) for number, spki in enumerate(spkis)]
    many[20] = changed(many[10], client_id="d20")  # the key of d10 again, in the same batch
    many[650] = changed(many[10], client_id="d650")  # and in another one
    many[30] = changed(many[30], client_id="d29")  # the id of d29 again
    results = list(registry.add_all(iter(many)))
    assert [result.client_id for result in results] == [entry.client_id for entry in many]
    refused = {number: result.outcome for number, result in enumerate(results) if result.outcome.refused}
    assert refused == {20: Outcome.KEY_TAKEN, 30: Outcome.ID_TAKEN, 650: Outcome.KEY_TAKEN}
    assert len(list(registry.iterate("default"))) == 697


def test_the_same_id_over_and_over_ends(registry: Store) -> None:
    spki = made.p256_spki()
    many = [
        prepare("default", "dev1", made.certificate(spki, not_after=NOW_S + number), "cert", NOW_S)
        for number in range(30)
    ]
    outcomes = {result.outcome for result in registry.add_all(many)}
    assert outcomes == {Outcome.ADDED, Outcome.RENEWED}


def test_iterating_finds_all_of_a_realm_once_whatever_else_is_there(registry: Store, valkey: Valkey) -> None:
    pipe = valkey.client.pipeline()
    for number in range(3000):
        pipe.set(keys.seen_key(number.to_bytes(16, "big")), 1)
    pipe.execute()
    entries = [wanted(f"d{number}") for number in range(1200)]
    list(registry.add_all(entries))
    list(registry.add_all(changed(entry, realm="default-2") for entry in entries[:5]))
    found = [entry.id for entry in registry.iterate("default") if isinstance(entry, Record)]
    assert sorted(found) == sorted(entry.client_id for entry in entries)


def test_a_name_that_scan_gives_twice_is_told_once(registry: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.add(wanted("dev1"))
    name = keys.client_key("default", "dev1")
    pages = iter([(7, [name, name]), (0, [name])])
    monkeypatch.setattr(registry._client, "scan", lambda *_, **__: next(pages))
    assert [entry.id for entry in registry.iterate("default") if isinstance(entry, Record)] == ["dev1"]


def test_r25_a_damaged_record_is_told_not_taken_and_can_be_removed(registry: Store, valkey: Valkey) -> None:
    registration = wanted("dev1")
    registry.add(changed(registration, client_id="dev2"))
    good = valkey.client.get(keys.client_key("default", "dev2"))
    valkey.client.set(keys.client_key("default", "dev1"), good)  # somebody else's record in its place
    found = registry.get("default", "dev1")
    assert isinstance(found, Damaged)
    assert "dev2" in found.why
    assert any(isinstance(entry, Damaged) for entry in registry.iterate("default"))
    assert registry.add(registration).outcome is Outcome.DAMAGED
    assert registry.remove("default", "dev1").outcome is Outcome.REMOVED
    found = registry.get("default", "dev1")
    assert isinstance(found, Record)
    assert found.status is Status.TOMBSTONE


def test_version_tells_the_product(registry: Store) -> None:
    assert registry.version().startswith("valkey ")


def test_a_change_in_the_embedded_store_is_on_disk_before_it_is_told(tmp_path: Path) -> None:
    with (
        embedded.attach_or_start(EmbeddedStore(tmp_path / "store")) as endpoint,
        Store.connect(endpoint, "cli:x") as store,
        redis.Redis(unix_socket_path=endpoint.path) as admin,
    ):
        store.add(wanted())
        assert admin.info("commandstats")["cmdstat_waitaof"]["calls"] == 1
        assert admin.waitaof(1, 0, 0) == [1, 0]


def test_r27_the_request_paths_user_cannot_register(tmp_path: Path) -> None:
    server = embedded.Server(EmbeddedStore(tmp_path / "store"))
    server.start()
    try:
        with (
            Store.connect(server.request, "cli:x") as store,
            pytest.raises(ConfigError, match="does not allow that to user wfmgw-request"),
        ):
            store.add(wanted())
        with Store.connect(server.admin, "cli:x") as store:
            assert list(store.iterate("default")) == []
    finally:
        server.stop()


# Trouble, each in one sentence


def refused(endpoint: Endpoint, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Store.connect(endpoint, "cli:x")
    assert caught.value.reason is Reason.CONFIG_STORE
    assert "\n" not in caught.value.message
    assert "sesame" not in caught.value.message


def test_nobody_there(tmp_path: Path) -> None:
    refused(Endpoint(path=str(tmp_path / "nothing")), "cannot be reached")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        refused(Endpoint(host="127.0.0.1", port=free.getsockname()[1]), "cannot be reached")
    refused(Endpoint(host="store.invalid"), "cannot be reached")


def test_a_wrong_password(valkey: Valkey) -> None:
    refused(msgspec.structs.replace(valkey.endpoint, user="eve", password="sesame"), "does not let user eve in")
    valkey.client.config_set("requirepass", "open")
    try:
        refused(valkey.endpoint, "does not let the default user in")
    finally:
        valkey.client.config_set("requirepass", "")


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the Redis protocol"),
        (b"", "cannot be reached"),
    ],
)
def test_something_else_there(tmp_path: Path, says: bytes, sentence: str) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(says)

        server = threading.Thread(target=serve)
        server.start()
        refused(Endpoint(path=path), sentence)
        server.join()


def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.registry.store_client.TIMEOUT_S", 0.2)
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        refused(Endpoint(path=path), "does not answer within")


def test_a_full_store(registry: Store, valkey: Valkey) -> None:
    valkey.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(ConfigError, match="is full") as caught:
            registry.add(wanted())
    finally:
        valkey.client.config_set("maxmemory", 0)
    assert len(caught.value.message) < 200


def test_nothing_is_written_when_the_notice_cannot_be(registry: Store, valkey: Valkey) -> None:
    valkey.client.set(keys.CHANGES, "not a stream")
    with pytest.raises(ConfigError, match="refused: WRONGTYPE") as caught:
        registry.add(wanted())
    assert len(caught.value.message) < 300  # redis-py would repeat the command, certificate and all
    assert set(valkey.client.keys()) == {keys.CHANGES, keys.EPOCH}


def test_a_replica(registry: Store, valkey: Valkey) -> None:
    valkey.client.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(ConfigError, match="is a replica"):
            registry.add(wanted())
    finally:
        valkey.client.replicaof("NO", "ONE")


def test_a_store_that_goes_away_meanwhile(tmp_path: Path) -> None:
    with Valkey(tmp_path) as server, Store.connect(server.endpoint, "cli:x") as store:
        server.kill()
        with pytest.raises(ConfigError, match="cannot be reached"):
            store.add(wanted())


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server is installed")
def test_it_works_on_redis_too(tmp_path: Path) -> None:
    binary = shutil.which("redis-server")
    assert binary is not None
    path = str(tmp_path / "s")
    with subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", path, "--save", "", "--dir", str(tmp_path)], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        try:
            while b"ready to accept connections" not in server.stdout.readline().lower():
                assert server.poll() is None
            with Store.connect(Endpoint(path=path), "cli:x") as store:
                assert store.version().startswith("redis ")
                registration = wanted()
                assert store.add(registration).outcome is Outcome.ADDED
                assert store.remove("default", "dev1").outcome is Outcome.REMOVED
                assert store.add(registration).outcome is Outcome.KEY_REMOVED
                assert len(list(store.iterate("default"))) == 1
        finally:
            server.kill()
