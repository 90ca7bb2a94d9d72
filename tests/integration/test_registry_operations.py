"""Operators' changes on a real Valkey: what is written together, one notice each, and rehearsals that write nothing."""

from collections.abc import Iterator

import msgspec
import pytest

from gateway.model import Status
from gateway.reasons import ConfigError
from gateway.registry import keys, records
from gateway.registry.operations import Action, Restoration, StateChange, prepare_rotation
from gateway.registry.records import Record
from gateway.registry.registration import OtherKey, Outcome, Registration, prepare
from gateway.registry.store import Store
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


def wanted(client_id: str = "dev1", status: Status = Status.ACTIVE) -> Registration:
    registration = prepare("default", client_id, made.certificate(made.p256_spki()), "cert", NOW_S)
    return msgspec.structs.replace(registration, status=status)


def act(registry: Store, action: Action, reason: str = "", client_id: str = "dev1") -> Outcome:
    return registry.apply(StateChange("default", client_id, action, reason)).outcome


def found(registry: Store, client_id: str = "dev1") -> Record:
    record = registry.get("default", client_id)
    assert isinstance(record, Record)
    return record


def notices(valkey: Valkey) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in valkey.client.xrange(keys.CHANGES)]


def owner(valkey: Valkey, registration: Registration) -> bytes | None:
    value: bytes | None = valkey.client.get(keys.spki_key("default", registration.certificate.spki_sha256))
    return value


@pytest.mark.parametrize(
    ("action", "status", "what"),
    [
        (Action.REVOKE, Status.REVOKED, b"revoked"),
        (Action.RETIRE, Status.RETIRED, b"retired"),
        (Action.REMOVE, Status.TOMBSTONE, b"removed"),
    ],
)
def test_r22_an_end_leaves_tombstones_and_one_notice(
    registry: Store, valkey: Valkey, action: Action, status: Status, what: bytes
) -> None:
    registration = wanted()
    registry.add(registration)
    assert not act(registry, action, "stolen").refused
    assert (found(registry).status, found(registry).reason) == (status, "stolen")
    assert owner(valkey, registration) == b"tombstone:dev1"
    data = valkey.client.get(keys.client_key("default", "dev1"))
    assert records.decode(data, "default", "dev1").status is status  # as the request path reads it
    assert notices(valkey)[1:] == [
        {
            b"realm": b"default",
            b"id": b"dev1",
            b"what": what,
            b"who": b"cli:alice",
            b"when": b"%d" % NOW_S,
            b"why": b"stolen",
        }
    ]
    for other in (registration, msgspec.structs.replace(registration, client_id="dev2")):
        assert registry.add(other).outcome is Outcome.KEY_REMOVED
    assert registry.add(wanted()).outcome is Outcome.ID_REMOVED
    assert registry.add(msgspec.structs.replace(registration, lift=True)).outcome is Outcome.LIFTED


def test_what_changes_nothing_is_not_told(registry: Store, valkey: Valkey) -> None:
    registry.add(wanted())
    act(registry, Action.REVOKE)
    assert act(registry, Action.REVOKE) is Outcome.UNCHANGED
    assert act(registry, Action.RETIRE) is Outcome.NOT_ACTIVE
    assert act(registry, Action.REVOKE, client_id="stranger") is Outcome.UNKNOWN
    assert [fields[b"what"] for fields in notices(valkey)] == [b"added", b"revoked"]


def test_a_client_that_waits_is_approved(registry: Store, valkey: Valkey) -> None:
    registration = wanted(status=Status.PENDING)
    registry.add(registration)
    assert found(registry).status is Status.PENDING
    assert owner(valkey, registration) == b"dev1"
    assert act(registry, Action.APPROVE) is Outcome.APPROVED
    assert found(registry).status is Status.ACTIVE
    assert [fields[b"what"] for fields in notices(valkey)] == [b"added", b"approved"]


def test_a_rotation_is_written_with_its_index_and_a_notice(registry: Store, valkey: Valkey) -> None:
    old = wanted()
    registry.add(old)
    fresh = made.certificate(made.p256_spki())
    rotation = prepare_rotation("default", "dev1", fresh, "new", NOW_S, overlap_s=3600)
    assert registry.apply(rotation).outcome is Outcome.ROTATED
    assert [known.retire_after for known in found(registry).certs] == [NOW_S + 3600, None]
    data = valkey.client.get(keys.client_key("default", "dev1"))
    assert [known.retire_after for known in records.decode(data, "default", "dev1").certificates] == [
        NOW_S + 3600,
        None,
    ]
    assert owner(valkey, old) == b"dev1"
    assert notices(valkey)[-1][b"cert"] == rotation.certificate.sha256.encode()
    assert registry.apply(rotation).outcome is Outcome.UNCHANGED
    assert len(notices(valkey)) == 2
    another = msgspec.structs.replace(rotation, client_id="dev2")
    registry.add(wanted("dev2"))
    assert registry.apply(another).outcome is Outcome.KEY_TAKEN  # R20


def test_many_are_revoked_in_few_round_trips(registry: Store, valkey: Valkey) -> None:
    list(registry.add_all(wanted(f"d{number}") for number in range(600)))
    before = valkey.client.info("commandstats")
    changes = [StateChange("default", f"d{number}", Action.REVOKE, "recall") for number in range(601)]
    results = list(registry.apply_all(changes))
    assert [result.client_id for result in results] == [change.client_id for change in changes]
    assert [result.outcome for result in results[:600]] == [Outcome.REVOKED] * 600
    assert results[600].outcome is Outcome.UNKNOWN
    reads = valkey.client.info("commandstats")["cmdstat_mget"]["calls"] - before["cmdstat_mget"]["calls"]
    assert reads == 4  # records and index, in two batches


def test_a_rehearsal_tells_what_would_be_and_writes_nothing(registry: Store, valkey: Valkey) -> None:
    registry.add(wanted("there"))
    before = sorted(valkey.client.keys())
    first, second = wanted("a"), wanted("b")
    changes = [
        first,
        first,
        msgspec.structs.replace(first, client_id="b"),  # the key of the rehearsed one
        second,
        msgspec.structs.replace(second, other_key=OtherKey.BESIDE, client_id="there"),
        StateChange("default", "a", Action.REVOKE),
        first,
    ]
    outcomes = [result.outcome for result in registry.apply_all(changes, rehearsal=True)]
    assert outcomes == [
        Outcome.ADDED,
        Outcome.UNCHANGED,
        Outcome.KEY_TAKEN,
        Outcome.ADDED,
        Outcome.KEY_TAKEN,
        Outcome.REVOKED,
        Outcome.KEY_REMOVED,
    ]
    assert sorted(valkey.client.keys()) == before
    assert len(notices(valkey)) == 1
    assert registry.apply(first).outcome is Outcome.ADDED  # nothing of the rehearsal is left


def test_a_record_is_restored_under_every_realm(registry: Store, valkey: Valkey) -> None:
    registration = wanted()
    registry.add(registration)
    saved = found(registry)
    valkey.client.flushall()
    assert registry.apply(Restoration(saved)).outcome is Outcome.RESTORED
    assert found(registry) == saved
    other = msgspec.structs.replace(saved, realm="plant-2")  # R3: another realm, another client
    assert registry.apply(Restoration(other)).outcome is Outcome.RESTORED
    assert {entry.realm for entry in registry.iterate()} == {"default", "plant-2"}
    assert [entry.realm for entry in registry.iterate("plant-2")] == ["plant-2"]


def test_a_store_that_is_full_is_told(registry: Store, valkey: Valkey) -> None:
    valkey.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(ConfigError, match="is full"):
            list(registry.apply_all([wanted("a"), wanted("b")]))
    finally:
        valkey.client.config_set("maxmemory", 0)
