"""What becomes of a registration: one key, one client (R20), and tombstones (R22)."""

import hashlib

import msgspec
import pytest

from gateway.model import KeyType, Status
from gateway.reasons import ConfigError, Reason
from gateway.registry.records import Record, StoredCertificate
from gateway.registry.registration import (
    CERTIFICATE_LIMIT,
    Decision,
    OtherKey,
    Outcome,
    Registration,
    decide,
    prepare,
)
from tests.support import certificates as made

NOW_S = 1000


def certificate(key: str, serial: str = "") -> StoredCertificate:
    spki, der = key.encode(), f"{key}{serial}".encode()
    return StoredCertificate(
        der=der,
        sha256=hashlib.sha256(der).hexdigest(),
        spki=spki,
        spki_sha256=hashlib.sha256(spki).hexdigest(),
        key_type=KeyType.P256,
        bits=256,
        not_before=0,
        not_after=1,
        added=2,
    )


def wanted(
    key: str = "k1", client_id: str = "dev1", serial: str = "", lift: bool = False, other: OtherKey = OtherKey.REFUSE
) -> Registration:
    return Registration(
        realm="default", client_id=client_id, certificate=certificate(key, serial), lift=lift, other_key=other
    )


def record(*names: str, status: Status = Status.ACTIVE, client_id: str = "dev1") -> Record:
    certs = tuple(certificate(name) for name in names)
    return Record(realm="default", id=client_id, status=status, since=1, certs=certs, labels={"a": "b"})


def spki(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def keys_of(decision: Decision) -> list[str]:
    assert decision.record is not None
    return [certificate.spki.decode() for certificate in decision.record.certs]


def test_a_new_client_is_added() -> None:
    decision = decide(wanted(), None, {spki("k1"): ""}, NOW_S)
    assert decision.outcome is Outcome.ADDED
    assert decision.record == Record(
        realm="default", id="dev1", status=Status.ACTIVE, since=NOW_S, certs=(certificate("k1"),)
    )
    assert decision.index == {spki("k1"): "dev1"}


def test_the_same_again_changes_nothing() -> None:
    decision = decide(wanted(), record("k1"), {spki("k1"): "dev1"}, NOW_S)
    assert decision == Decision(Outcome.UNCHANGED, "registered with this certificate already")


def test_the_same_again_mends_a_missing_index_entry() -> None:
    decision = decide(wanted(), record("k1"), {spki("k1"): ""}, NOW_S)
    assert (decision.outcome, decision.index) == (Outcome.UPDATED, {spki("k1"): "dev1"})


def test_a_setting_is_changed_and_kept_when_not_named() -> None:
    lenient = msgspec.structs.replace(wanted(), require_covered_digest=False)
    decision = decide(lenient, record("k1"), {spki("k1"): "dev1"}, NOW_S)
    assert decision.outcome is Outcome.UPDATED
    assert decision.record is not None
    assert decision.record.require_covered_digest is False
    assert decision.record.labels == {"a": "b"}
    again = decide(wanted(), decision.record, {spki("k1"): "dev1"}, NOW_S)
    assert again.outcome is Outcome.UNCHANGED


def test_a_new_certificate_for_the_same_key_takes_the_place_of_the_old_one() -> None:
    decision = decide(wanted(serial="2"), record("k1", "k2"), {spki("k1"): "dev1"}, NOW_S)
    assert decision.outcome is Outcome.RENEWED
    assert decision.record is not None
    assert decision.record.certs == (certificate("k1", "2"), certificate("k2"))


@pytest.mark.parametrize("other", OtherKey)
@pytest.mark.parametrize("lift", [False, True])
@pytest.mark.parametrize("existing", [None, record("k2", client_id="dev9"), record(status=Status.TOMBSTONE)])
def test_r20_a_key_of_another_client_is_never_taken(other: OtherKey, lift: bool, existing: Record | None) -> None:
    decision = decide(wanted(lift=lift, other=other), existing, {spki("k1"): "dev2"}, NOW_S)
    assert (decision.outcome, decision.record, decision.index) == (Outcome.KEY_TAKEN, None, {})
    assert "dev2" in decision.sentence


@pytest.mark.parametrize("lift", [False, True])
def test_r20_a_client_with_another_key_is_not_overwritten(lift: bool) -> None:
    decision = decide(wanted("k2", lift=lift), record("k1"), {spki("k1"): "dev1", spki("k2"): ""}, NOW_S)
    assert (decision.outcome, decision.record) == (Outcome.ID_TAKEN, None)
    assert "--replace" in decision.sentence


def test_replace_puts_the_new_key_in_place_and_buries_the_old_one() -> None:
    owners = {spki("k1"): "dev1", spki("k2"): ""}
    decision = decide(wanted("k2", other=OtherKey.REPLACE), record("k1"), owners, NOW_S)
    assert decision.outcome is Outcome.REPLACED
    assert keys_of(decision) == ["k2"]
    assert decision.record is not None
    assert decision.record.labels == {"a": "b"}
    assert decision.index == {spki("k1"): "tombstone:dev1", spki("k2"): "dev1"}


def test_beside_keeps_both_keys() -> None:
    decision = decide(wanted("k2", other=OtherKey.BESIDE), record("k1"), {spki("k1"): "dev1", spki("k2"): ""}, NOW_S)
    assert decision.outcome is Outcome.EXTENDED
    assert keys_of(decision) == ["k1", "k2"]
    assert decision.index == {spki("k2"): "dev1"}


def test_r5_a_client_has_no_more_certificates_than_can_be_tried() -> None:
    full = record(*(f"k{number}" for number in range(CERTIFICATE_LIMIT)))
    decision = decide(wanted("new", other=OtherKey.BESIDE), full, {}, NOW_S)
    assert (decision.outcome, decision.record) == (Outcome.TOO_MANY, None)


@pytest.mark.parametrize("status", [Status.TOMBSTONE, Status.REVOKED, Status.RETIRED])
@pytest.mark.parametrize("other", OtherKey)
def test_r22_an_id_that_is_blocked_needs_lifting(status: Status, other: OtherKey) -> None:
    owners = {spki("k1"): "tombstone:dev1", spki("k2"): ""}
    decision = decide(wanted("k2", other=other), record("k1", status=status), owners, NOW_S)
    assert (decision.outcome, decision.record) == (Outcome.ID_REMOVED, None)
    lifted = decide(wanted("k2", other=other, lift=True), record("k1", status=status), owners, NOW_S)
    assert lifted.outcome is Outcome.LIFTED
    assert keys_of(lifted) == ["k2"]
    assert lifted.index == {spki("k2"): "dev1"}  # the old key stays buried


def test_a_client_that_waits_for_approval_is_not_let_in_by_a_registration() -> None:
    owners = {spki("k1"): "dev1", spki("k2"): ""}
    waiting = record("k1", status=Status.PENDING)
    for key in ("k1", "k2"):
        decision = decide(wanted(key), waiting, owners, NOW_S)
        assert (decision.outcome, decision.record) == (Outcome.WAITS, None)
    lifted = decide(wanted("k2", lift=True), waiting, owners, NOW_S)
    assert (lifted.outcome, keys_of(lifted)) == (Outcome.LIFTED, ["k2"])
    assert lifted.index == {spki("k1"): "tombstone:dev1", spki("k2"): "dev1"}


def test_a_registration_can_wait_for_approval_and_asks_once() -> None:
    asking = msgspec.structs.replace(wanted(), status=Status.PENDING, tenant="plant-7", labels={"line": "3"})
    decision = decide(asking, None, {spki("k1"): ""}, NOW_S)
    assert decision.record is not None
    assert (decision.record.status, decision.record.tenant) == (Status.PENDING, "plant-7")
    assert decision.record.labels == {"line": "3"}
    again = decide(asking, decision.record, {spki("k1"): "dev1"}, NOW_S)
    assert (again.outcome, again.record) == (Outcome.UNCHANGED, None)


def test_tenant_and_labels_are_kept_when_not_named() -> None:
    known = msgspec.structs.replace(record("k1"), tenant="plant-7")
    assert decide(wanted(), known, {spki("k1"): "dev1"}, NOW_S).outcome is Outcome.UNCHANGED
    moved = decide(msgspec.structs.replace(wanted(), tenant="plant-8"), known, {spki("k1"): "dev1"}, NOW_S)
    assert moved.record == msgspec.structs.replace(known, tenant="plant-8")


@pytest.mark.parametrize("serial", ["", "2"])
def test_r22_a_key_that_was_rotated_away_needs_lifting(serial: str) -> None:
    old = msgspec.structs.replace(certificate("k1"), retire_after=NOW_S - 1)
    rotated = msgspec.structs.replace(record("k2"), certs=(old, certificate("k2")))
    owners = {spki("k1"): "dev1", spki("k2"): "dev1"}
    decision = decide(wanted(serial=serial), rotated, owners, NOW_S)
    certs = rotated.certs if decision.record is None else decision.record.certs
    assert [known.retire_after for known in certs] == [NOW_S - 1, None]
    lifted = decide(wanted(serial=serial, lift=True), rotated, owners, NOW_S)
    assert lifted.record is not None
    assert [known.retire_after for known in lifted.record.certs] == [None, None]


@pytest.mark.parametrize("existing", [None, record("k9"), record("k1", status=Status.TOMBSTONE)])
@pytest.mark.parametrize("former", ["dev1", "dev2"])
def test_r22_a_key_that_was_removed_needs_lifting(existing: Record | None, former: str) -> None:
    owners = {spki("k1"): f"tombstone:{former}", spki("k9"): "dev1"}
    decision = decide(wanted(other=OtherKey.REPLACE), existing, owners, NOW_S)
    assert (decision.outcome, decision.record) == (Outcome.KEY_REMOVED, None)
    lifted = decide(wanted(lift=True, other=OtherKey.REPLACE), existing, owners, NOW_S)
    assert not lifted.outcome.refused
    assert keys_of(lifted) == ["k1"]
    assert lifted.index[spki("k1")] == "dev1"


def test_every_refusal_writes_nothing() -> None:
    refused = {outcome for outcome in Outcome if outcome.refused}
    assert refused == {
        Outcome.ID_TAKEN,
        Outcome.KEY_TAKEN,
        Outcome.ID_REMOVED,
        Outcome.KEY_REMOVED,
        Outcome.TOO_MANY,
        Outcome.WAITS,
        Outcome.NOT_PENDING,
        Outcome.NOT_ACTIVE,
        Outcome.DIFFERS,
        Outcome.UNKNOWN,
        Outcome.DAMAGED,
    }


def test_prepare_reads_the_certificate() -> None:
    registration = prepare("default", "dev1", made.OPENSSL_V1_PEM, "dev1.pem", 7)
    assert registration.certificate.spki_sha256 == made.OPENSSL_V1_KEYID
    assert registration.certificate.added == 7
    assert hashlib.sha256(registration.certificate.der).hexdigest() == registration.certificate.sha256


@pytest.mark.parametrize(("realm", "client_id"), [("default", "a/b"), ("a:b", "dev1"), ("default", "")])
def test_r2_r3_prepare_refuses_names_outside_of_the_grammar(realm: str, client_id: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(realm, client_id, made.OPENSSL_V1_PEM, "dev1.pem", 7)
    assert caught.value.reason is Reason.CONFIG_INVALID
