"""What becomes of a client that an operator removes, revokes, retires, approves, rotates or restores (R20, R22)."""

import hashlib

import msgspec
import pytest

from gateway.model import KeyType, Status
from gateway.reasons import ConfigError, Reason
from gateway.registry.damaged import Damaged
from gateway.registry.operations import (
    OVERLAP_LIMIT_S,
    REASON_LIMIT,
    Action,
    Change,
    Restoration,
    Rotation,
    StateChange,
    decide_change,
    prepare_change,
    prepare_rotation,
)
from gateway.registry.records import Record, StoredCertificate
from gateway.registry.registration import CERTIFICATE_LIMIT, Decision, Outcome, Registration
from tests.support import certificates as made

NOW_S = 1000
ENDS = (Action.REMOVE, Action.REVOKE, Action.RETIRE)
AFTER = {Action.REMOVE: Status.TOMBSTONE, Action.REVOKE: Status.REVOKED, Action.RETIRE: Status.RETIRED}
BLOCKED = (Status.TOMBSTONE, Status.REVOKED, Status.RETIRED)


def certificate(key: str, serial: str = "", retire_after: int | None = None) -> StoredCertificate:
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
        retire_after=retire_after,
    )


def record(*certs: str | StoredCertificate, status: Status = Status.ACTIVE) -> Record:
    made = tuple(certificate(cert) if isinstance(cert, str) else cert for cert in certs)
    return Record(realm="default", id="dev1", status=status, since=1, certs=made, labels={"a": "b"})


def spki(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def owned(existing: Record, **others: str) -> dict[str, str]:
    """Index entries as they stand beside a record; more of them by key name."""
    owners = {known.spki_sha256: existing.id for known in existing.certs}
    return owners | {spki(key): owner for key, owner in others.items()}


def change(action: Action, reason: str = "") -> StateChange:
    return StateChange("default", "dev1", action, reason)


def rotation(key: str, serial: str = "", overlap_s: int = 60, lift: bool = False) -> Rotation:
    return Rotation(
        realm="default", client_id="dev1", certificate=certificate(key, serial), overlap_s=overlap_s, lift=lift
    )


def apply(wanted: Change, existing: Record | Damaged | None, owners: dict[str, str]) -> Decision:
    return decide_change(wanted, existing, owners, NOW_S)


# The end of a client


@pytest.mark.parametrize("action", ENDS)
@pytest.mark.parametrize("before", [Status.ACTIVE, Status.PENDING])
def test_r22_the_end_of_a_client_buries_its_id_and_every_key(action: Action, before: Status) -> None:
    existing = record("k1", "k2", status=before)
    decision = apply(change(action, "sold"), existing, {spki("k1"): "dev1", spki("k2"): ""})
    assert decision.record == msgspec.structs.replace(existing, status=AFTER[action], since=NOW_S, reason="sold")
    assert decision.index == {spki("k1"): "tombstone:dev1", spki("k2"): "tombstone:dev1"}


def test_an_index_entry_of_somebody_else_is_left_alone() -> None:
    decision = apply(change(Action.REVOKE), record("k1"), {spki("k1"): "dev2"})
    assert (decision.outcome, decision.index) == (Outcome.REVOKED, {})


@pytest.mark.parametrize("action", [Action.REVOKE, Action.RETIRE])
def test_the_same_end_again_changes_nothing_and_keeps_the_first_reason(action: Action) -> None:
    existing = record("k1", status=AFTER[action])
    decision = apply(change(action, "again"), existing, {spki("k1"): "tombstone:dev1"})
    assert (decision.outcome, decision.record) == (Outcome.UNCHANGED, None)
    mended = apply(change(action, "again"), existing, {spki("k1"): ""})
    assert mended.index == {spki("k1"): "tombstone:dev1"}


@pytest.mark.parametrize(
    ("before", "action", "outcome"),
    [
        (Status.RETIRED, Action.REVOKE, Outcome.REVOKED),
        (Status.REVOKED, Action.RETIRE, Outcome.NOT_ACTIVE),
        (Status.REVOKED, Action.REMOVE, Outcome.REMOVED),
        (Status.RETIRED, Action.REMOVE, Outcome.REMOVED),
        (Status.TOMBSTONE, Action.REVOKE, Outcome.ID_REMOVED),
        (Status.TOMBSTONE, Action.RETIRE, Outcome.ID_REMOVED),
        (Status.TOMBSTONE, Action.REMOVE, Outcome.ID_REMOVED),
    ],
)
def test_a_client_never_comes_to_say_less(before: Status, action: Action, outcome: Outcome) -> None:
    assert apply(change(action), record("k1", status=before), {spki("k1"): "tombstone:dev1"}).outcome is outcome


@pytest.mark.parametrize("action", Action)
def test_nothing_is_done_to_a_stranger(action: Action) -> None:
    assert apply(change(action), None, {}) == Decision(Outcome.UNKNOWN, "there is no client dev1")


@pytest.mark.parametrize("action", ENDS)
def test_r25_a_damaged_record_can_be_blocked_and_nothing_else(action: Action) -> None:
    damaged = Damaged("default", "dev1", "it is not JSON")
    decision = apply(change(action), damaged, {})
    assert decision.record is not None
    assert decision.record.status is AFTER[action]
    registration = Registration(realm="default", client_id="dev1", certificate=certificate("k1"))
    for other in (change(Action.APPROVE), rotation("k1"), registration, Restoration(record("k1"))):
        assert apply(other, damaged, {spki("k1"): ""}).outcome is Outcome.DAMAGED
    assert apply(Restoration(record("k1"), overwrite=True), damaged, {}).outcome is Outcome.RESTORED


# Approval


def test_an_approved_client_is_active_and_has_its_keys() -> None:
    waiting = record("k1", status=Status.PENDING)
    decision = apply(change(Action.APPROVE, "seen on site"), waiting, {spki("k1"): ""})
    assert decision.outcome is Outcome.APPROVED
    assert decision.record == msgspec.structs.replace(waiting, status=Status.ACTIVE, since=NOW_S, reason="seen on site")
    assert decision.index == {spki("k1"): "dev1"}
    assert apply(change(Action.APPROVE), record("k1"), owned(record("k1"))).outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("status", BLOCKED)
def test_r22_approval_lifts_nothing(status: Status) -> None:
    decision = apply(change(Action.APPROVE), record("k1", status=status), {spki("k1"): "tombstone:dev1"})
    assert (decision.outcome, decision.record) == (Outcome.NOT_PENDING, None)


@pytest.mark.parametrize(("owner", "outcome"), [("dev2", Outcome.KEY_TAKEN), ("tombstone:x", Outcome.KEY_REMOVED)])
def test_r20_r22_a_key_that_went_elsewhere_meanwhile_is_not_approved(owner: str, outcome: Outcome) -> None:
    decision = apply(change(Action.APPROVE), record("k1", status=Status.PENDING), {spki("k1"): owner})
    assert (decision.outcome, decision.record) == (outcome, None)


def test_a_client_without_a_certificate_is_not_approved() -> None:
    assert apply(change(Action.APPROVE), record(status=Status.PENDING), {}).outcome is Outcome.DAMAGED


# Rotation


def test_a_rotation_keeps_the_old_certificate_until_the_overlap_ends() -> None:
    existing = record("k1")
    decision = apply(rotation("k2"), existing, owned(existing, k2=""))
    assert decision.outcome is Outcome.ROTATED
    assert decision.record == msgspec.structs.replace(
        existing, certs=(certificate("k1", retire_after=NOW_S + 60), certificate("k2"))
    )
    assert decision.index == {spki("k2"): "dev1"}
    assert decision.sha256 == certificate("k2").sha256
    again = apply(rotation("k2"), decision.record, owned(decision.record))
    assert (again.outcome, again.record) == (Outcome.UNCHANGED, None)


def test_a_second_rotation_shortens_an_overlap_and_never_lengthens_it() -> None:
    existing = record(certificate("k1", retire_after=NOW_S + 60), "k2")
    longer = apply(rotation("k2", overlap_s=600), existing, owned(existing))
    assert longer.outcome is Outcome.UNCHANGED
    shorter = apply(rotation("k2", overlap_s=10), existing, owned(existing))
    assert shorter.record is not None
    assert [known.retire_after for known in shorter.record.certs] == [NOW_S + 10, None]


def test_r22_without_an_overlap_the_old_key_is_buried_at_once() -> None:
    existing = record("k1")
    decision = apply(rotation("k2", overlap_s=0), existing, owned(existing, k2=""))
    assert decision.record is not None
    assert decision.record.certs == (certificate("k2"),)
    assert decision.index == {spki("k1"): "tombstone:dev1", spki("k2"): "dev1"}


def test_r22_what_was_rotated_away_before_is_buried_by_the_next_rotation() -> None:
    existing = record(certificate("k1", retire_after=NOW_S - 1), "k2")
    decision = apply(rotation("k3"), existing, owned(existing, k3=""))
    assert decision.record is not None
    assert [known.spki for known in decision.record.certs] == [b"k2", b"k3"]
    assert decision.index == {spki("k1"): "tombstone:dev1", spki("k3"): "dev1"}


def test_r22_a_certificate_that_was_rotated_away_needs_lifting() -> None:
    existing = record(certificate("k1", retire_after=NOW_S - 1), "k2")
    assert apply(rotation("k1"), existing, owned(existing)).outcome is Outcome.KEY_REMOVED
    back = apply(rotation("k1", lift=True), existing, owned(existing))
    assert back.record is not None
    assert [(known.spki, known.retire_after) for known in back.record.certs] == [(b"k2", NOW_S + 60), (b"k1", None)]


def test_within_the_overlap_a_rotation_can_go_back() -> None:
    existing = record(certificate("k1", retire_after=NOW_S + 60), "k2")
    back = apply(rotation("k1"), existing, owned(existing))
    assert back.record is not None
    assert [(known.spki, known.retire_after) for known in back.record.certs] == [(b"k2", NOW_S + 60), (b"k1", None)]


def test_a_new_certificate_for_the_same_key_takes_the_place_of_the_old_one() -> None:
    existing = record("k1")
    decision = apply(rotation("k1", serial="2"), existing, owned(existing))
    assert decision.record is not None
    assert decision.record.certs == (certificate("k1", "2"),)
    assert decision.index == {spki("k1"): "dev1"}


@pytest.mark.parametrize("lift", [False, True])
def test_r20_r23_a_key_of_another_client_is_never_rotated_in(lift: bool) -> None:
    existing = record("k1")
    decision = apply(rotation("k2", lift=lift), existing, owned(existing, k2="dev2"))
    assert (decision.outcome, decision.record) == (Outcome.KEY_TAKEN, None)


def test_r22_a_removed_key_is_rotated_in_only_when_lifted() -> None:
    existing = record("k1")
    owners = owned(existing, k2="tombstone:dev9")
    assert apply(rotation("k2"), existing, owners).outcome is Outcome.KEY_REMOVED
    assert apply(rotation("k2", lift=True), existing, owners).outcome is Outcome.ROTATED


@pytest.mark.parametrize("status", [*BLOCKED, Status.PENDING])
def test_only_active_clients_rotate(status: Status) -> None:
    assert apply(rotation("k2"), record("k1", status=status), {}).outcome is Outcome.NOT_ACTIVE
    assert apply(rotation("k2"), None, {}).outcome is Outcome.UNKNOWN


def test_r5_a_rotation_leaves_no_more_certificates_than_can_be_tried() -> None:
    full = record(*(f"k{number}" for number in range(CERTIFICATE_LIMIT)))
    assert apply(rotation("new"), full, owned(full, new="")).outcome is Outcome.TOO_MANY
    assert apply(rotation("new", overlap_s=0), full, owned(full, new="")).outcome is Outcome.ROTATED


# Restoration


@pytest.mark.parametrize("status", Status)
def test_a_record_is_restored_with_its_index_as_it_was(status: Status) -> None:
    saved = record("k1", status=status)
    decision = apply(Restoration(saved), None, {spki("k1"): ""})
    entry = "tombstone:dev1" if status in BLOCKED else "dev1"
    assert (decision.outcome, decision.record, decision.index) == (Outcome.RESTORED, saved, {spki("k1"): entry})
    again = apply(Restoration(saved), saved, {spki("k1"): entry})
    assert again.outcome is Outcome.UNCHANGED


def test_a_record_that_differs_is_overwritten_only_when_told() -> None:
    saved, there = record("k2"), record("k1")
    owners = owned(there, k2="")
    assert apply(Restoration(saved), there, owners).outcome is Outcome.DIFFERS
    decision = apply(Restoration(saved, overwrite=True), there, owners)
    assert decision.record == saved
    assert decision.index == {spki("k1"): "tombstone:dev1", spki("k2"): "dev1"}


@pytest.mark.parametrize("status", BLOCKED)
def test_r22_an_old_file_brings_nobody_back(status: Status) -> None:
    there = record("k1", status=status)
    owners = {spki("k1"): "tombstone:dev1"}
    assert apply(Restoration(record("k1"), overwrite=True), there, owners).outcome is Outcome.ID_REMOVED
    assert apply(Restoration(record("k1"), overwrite=True), None, owners).outcome is Outcome.KEY_REMOVED
    revoked = apply(Restoration(there, overwrite=True), record("k1"), owned(record("k1")))
    assert (revoked.record, revoked.index) == (there, owners)


@pytest.mark.parametrize("overwrite", [False, True])
def test_r20_a_file_takes_nobodys_key(overwrite: bool) -> None:
    decision = apply(Restoration(record("k1"), overwrite=overwrite), None, {spki("k1"): "dev2"})
    assert (decision.outcome, decision.record) == (Outcome.KEY_TAKEN, None)
    dead = apply(Restoration(record("k1", status=Status.REVOKED)), None, {spki("k1"): "dev2"})
    assert (dead.outcome, dead.index) == (Outcome.RESTORED, {})


# What is asked for is checked


@pytest.mark.parametrize(("realm", "client_id"), [("default", "a/b"), ("a:b", "dev1"), ("default", "")])
def test_r2_r3_names_outside_of_the_grammar_are_refused(realm: str, client_id: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_change(realm, client_id, Action.REVOKE)
    assert caught.value.reason is Reason.CONFIG_INVALID
    with pytest.raises(ConfigError):
        prepare_rotation(realm, client_id, made.OPENSSL_V1_PEM, "dev1.pem", 7)


def test_reason_and_overlap_are_bounded() -> None:
    assert prepare_change("default", "dev1", Action.REVOKE, "x" * REASON_LIMIT).reason
    with pytest.raises(ConfigError, match="longer than"):
        prepare_change("default", "dev1", Action.REVOKE, "x" * (REASON_LIMIT + 1))
    for overlap_s in (-1, OVERLAP_LIMIT_S + 1):
        with pytest.raises(ConfigError, match="overlap"):
            prepare_rotation("default", "dev1", made.OPENSSL_V1_PEM, "dev1.pem", 7, overlap_s)


def test_a_rotation_reads_its_certificate() -> None:
    wanted = prepare_rotation("default", "dev1", made.OPENSSL_V1_PEM, "dev1.pem", 7, 60)
    assert (wanted.certificate.spki_sha256, wanted.certificate.added, wanted.overlap_s) == (
        made.OPENSSL_V1_KEYID,
        7,
        60,
    )
