"""The registry in a cluster, as commands and workers change it: one key, one client, in every order of events (R20 to R22)."""

import base64
import json
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from gateway.cli.main import run as cli
from gateway.model import Status
from gateway.registry import index_check, ordered_writes
from gateway.registry.changeset import Changeset, Entry
from gateway.registry.keys import client_key, spki_key
from gateway.registry.operations import Action, StateChange
from gateway.registry.records import Record
from gateway.registry.registration import Outcome, Registration, prepare
from gateway.registry.store import Store
from gateway.registry.store_url import ClusterStore, parse
from tests.integration.backend import RecordingBackend
from tests.integration.harness import Device, Gateway, make_config, make_device
from tests.integration.onboarding import ask, assigns, request_of, spki_of
from tests.support.certificates import certificate, p256_spki
from tests.topology.cluster import Cluster

IMPORTED = 1500
"""Below what is read in several processes, which take their time to start."""
_serial = count()


def store_of(cluster: Cluster) -> ClusterStore:
    store = parse(cluster.url)
    assert isinstance(store, ClusterStore)
    return store


@pytest.fixture
def store(steady: Cluster) -> Iterator[Store]:
    with Store.connect(store_of(steady), "cli:alice") as opened:
        yield opened


def fresh(client_id: str = "") -> Registration:
    name = client_id or f"c{next(_serial)}"
    return prepare("default", name, certificate(p256_spki()), "test", int(time.time()))


def test_r20_one_key_one_client(store: Store) -> None:
    one = fresh()
    assert store.add(one).outcome is Outcome.ADDED
    two = prepare("default", f"c{next(_serial)}", one.certificate.der, "test", int(time.time()))
    assert store.add(two).outcome is Outcome.KEY_TAKEN
    # In one batch, too, where neither is there when both are decided.
    der = certificate(p256_spki())
    both = [prepare("default", f"c{next(_serial)}", der, "test", int(time.time())) for _ in range(2)]
    assert [result.outcome for result in store.add_all(both)] == [Outcome.ADDED, Outcome.KEY_TAKEN]


def test_r22_the_dead_stay_dead(store: Store, steady: Cluster) -> None:
    one = fresh()
    store.add(one)
    index = spki_key("default", one.certificate.spki_sha256)
    assert steady.get(index) == one.client_id.encode()
    assert store.apply(StateChange("default", one.client_id, Action.REVOKE)).outcome is Outcome.REVOKED
    assert steady.get(index) == b"tombstone:" + one.client_id.encode()
    assert store.add(one).outcome is Outcome.KEY_REMOVED
    # Said once more it is told once more, in case that it broke off before.
    assert store.apply(StateChange("default", one.client_id, Action.REVOKE)).outcome is Outcome.UNCHANGED
    what = [notice.what for notice in store.history("default", one.client_id).notices]
    assert what == ["added", "revoked", "unchanged"]


def test_r21_what_broke_off_gives_nobody_anything_and_is_completed(store: Store, steady: Cluster) -> None:
    one = fresh()
    index = spki_key("default", one.certificate.spki_sha256)
    steady.owner(index).client.set(index, one.client_id)  # ended between index and record
    assert store.get("default", one.client_id) is None
    other = prepare("default", f"c{next(_serial)}", one.certificate.der, "test", int(time.time()))
    assert store.add(other).outcome is Outcome.KEY_TAKEN
    assert store.add(one).outcome is Outcome.ADDED
    record = store.get("default", one.client_id)
    assert isinstance(record, Record)
    assert record.status is Status.ACTIVE


def test_r21_a_write_that_does_not_fit_changes_no_record(store: Store, steady: Cluster) -> None:
    name, index = client_key("default", "misfit"), spki_key("default", "0" * 64)
    steady.owner(name).client.set(name, b"somebody else's")
    gift = Entry(index, b"", b"misfit")
    change = Changeset(Entry(name, b"", b"mine"), (gift,), ("realm", "default", "id", "misfit"))
    assert ordered_writes.write(store._client, store.endpoint, [change]) == [False]
    assert steady.get(name) == b"somebody else's"
    assert steady.get(index) == b"misfit"
    ordered_writes.undo(store._client, store.endpoint, ordered_writes.orphans([gift], None, "default"))
    assert steady.get(index) is None
    steady.owner(name).client.delete(name)


def test_r21_a_key_is_taken_back_from_a_client_that_somebody_else_made_meanwhile(
    store: Store, steady: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fresh()
    other = fresh(one.client_id)
    write = ordered_writes._set

    def overtaken(client: object, entries: Sequence[Entry]) -> list[bool]:
        monkeypatch.setattr(ordered_writes, "_set", write)
        done = write(client, entries)
        with Store.connect(store_of(steady), "cli:bob") as second:
            assert second.add(other).outcome is Outcome.ADDED
        return done

    monkeypatch.setattr(ordered_writes, "_set", overtaken)
    assert store.add(one).outcome is Outcome.ID_TAKEN
    assert steady.get(spki_key("default", one.certificate.spki_sha256)) is None
    assert steady.get(spki_key("default", other.certificate.spki_sha256)) == one.client_id.encode()


def test_thousands_are_imported_and_moved_out_and_in(steady: Cluster, tmp_path: Path) -> None:
    rows = tmp_path / "devices.jsonl"
    with rows.open("w") as file:
        for number in range(IMPORTED):
            text = base64.b64encode(certificate(p256_spki())).decode()
            file.write(json.dumps({"id": f"imp{number}", "certificate": text}) + "\n")
    assert cli(["clients", "import", str(rows), "--store", steady.url]) == 0
    assert min(node.client.dbsize() for node in steady.nodes[:3]) > IMPORTED / 2  # of records and index entries
    with Store.connect(store_of(steady), "cli:x") as store:
        ids = [entry.id for entry in store.iterate("default") if isinstance(entry, Record)]
        assert len([each for each in ids if each.startswith("imp")]) == IMPORTED
    saved, elsewhere = tmp_path / "registry.jsonl", f"embedded:{tmp_path / 'elsewhere'}"
    assert cli(["store", "export", "--output", str(saved), "--store", steady.url]) == 0
    assert cli(["store", "import", str(saved), "--store", elsewhere]) == 0
    assert cli(["store", "migrate", elsewhere, steady.url]) == 0


def test_r20_a_device_onboards_works_and_is_known(steady: Cluster, tmp_path: Path) -> None:
    newcomer = make_device("newcomer")
    with Store.connect(store_of(steady), "cli:x") as store:
        store.pins.add("default", spki_of(newcomer))
        with RecordingBackend() as backend:
            backend.script = assigns("client-1")
            onboarding = {"mode": "proxy", "trust": ["pinned"]}
            config = make_config(backend.url, tmp_path, onboarding=onboarding, policy={"lost_memory": "accept"})
            with Gateway(config, store_of(steady), recording=store_of(steady)) as gateway:
                assert ask(gateway, request_of(newcomer)).status == 201
                record = store.get("default", "client-1")
                assert isinstance(record, Record)
                assert record.status is Status.ACTIVE
                assert steady.get(spki_key("default", spki_of(newcomer))) == b"client-1"
                known = Device("client-1", newcomer.key, newcomer.certificate)
                assert ask(gateway, known.request()).status == 201
                asked = len(backend.requests)
                again = ask(gateway, request_of(newcomer))
                assert (again.status, again.problem) == (201, {"clientId": "client-1"})
                assert len(backend.requests) == asked
        assert [notice.what for notice in store.history("default", "client-1").notices] == ["added"]


def test_store_check_tells_of_each_master(store: Store, steady: Cluster) -> None:
    report = store.examine()
    assert report.fine
    assert report.role == "cluster of 3 masters with 3 replicas"
    messages = [finding.message for finding in report.findings]
    for node in steady.nodes[:3]:
        assert f"127.0.0.1:{node.port}: the store keeps nothing on disk: a restart forgets every client" in messages
    evicting = steady.nodes[2]
    evicting.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        report = store.examine()
    finally:
        evicting.client.config_set("maxmemory-policy", "noeviction")
    (error,) = [finding.message for finding in report.findings if finding.level == "error"]
    assert error.startswith(f"127.0.0.1:{evicting.port}: maxmemory-policy is allkeys-lru")


def test_r20_store_check_finds_and_repairs_what_broke_off(
    store: Store, steady: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(index_check, "SECOND_LOOK_S", 0.0)
    assert index_check.examine(store) == []
    stray, given, bare, unburied = (fresh() for _ in range(4))

    def index(change: Registration) -> bytes:
        return spki_key("default", change.certificate.spki_sha256)

    def hold(change: Registration, value: str) -> None:
        steady.owner(index(change)).client.set(index(change), value)

    hold(stray, "nobody")  # ended before the record
    store.add(bare)
    hold(given, bare.client_id)  # the record was another one by then
    steady.owner(index(bare)).client.delete(index(bare))  # lost in a failover
    store.add(unburied)
    store.apply(StateChange("default", unburied.client_id, Action.REVOKE))
    hold(unburied, unburied.client_id)  # ended before the burial
    assert cli(["store", "check", "--store", steady.url]) == 0
    said = capsys.readouterr().out
    assert "there is no such client" in said
    assert "keys that the index is wrong about: 4; --repair puts it right" in said
    assert cli(["store", "check", "--repair", "--store", steady.url]) == 0
    assert "4 of 4 keys were put right in the index" in capsys.readouterr().out
    assert index_check.examine(store) == []
    assert steady.get(index(stray)) is None
    assert steady.get(index(given)) == b"tombstone:" + bare.client_id.encode()
    assert steady.get(index(bare)) == bare.client_id.encode()
    assert steady.get(index(unburied)) == b"tombstone:" + unburied.client_id.encode()


def test_r20_two_clients_with_one_key_are_an_error(
    store: Store, steady: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(index_check, "SECOND_LOOK_S", 0.0)
    one = fresh()
    store.add(one)
    other = prepare("default", f"c{next(_serial)}", one.certificate.der, "test", int(time.time()))
    index = spki_key("default", one.certificate.spki_sha256)
    steady.owner(index).client.delete(index)
    store.add(other)
    assert cli(["store", "check", "--repair", "--store", steady.url]) == 1
    said = capsys.readouterr().out
    assert f"ERROR: {one.client_id} has the key of {other.client_id}, too" in said
    store.apply(StateChange("default", one.client_id, Action.REVOKE))
    assert index_check.examine(store) == []


def test_what_is_being_changed_at_this_moment_is_not_repaired(
    store: Store, steady: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fresh()
    index = spki_key("default", one.certificate.spki_sha256)
    steady.owner(index).client.set(index, one.client_id)
    monkeypatch.setattr("gateway.registry.index_check.time.sleep", lambda _: store.add(one))
    assert index_check.examine(store) == []
