"""What the WFM says of unknown ids: shapes, key checks, ration and memory (R5, R20, R22, R23)."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.reasons import Reason
from gateway.registry.answers import Denied, Learned, Missing, Unavailable
from gateway.registry.issued import ISSUER_BYTES, issued
from gateway.registry.origin import ANSWER_LIMIT_BYTES, Memory, Ration, may_be_asked, read_answer, what_follows
from gateway.registry.registration import Decision, Outcome, Registration
from gateway.registry.revocations import Revocations, Watch
from tests.support.certificates import certificate, ec_spki, p256_spki, pem

NOW = 1_800_000_000.0
DER = certificate(p256_spki())


def read(body: bytes, status: int = 200, client_id: str = "dev1", revocations: Revocations | None = None) -> Any:
    return read_answer(status, body, "default", client_id, NOW, revocations or Revocations())


def margo(value: bytes | str, **more: str) -> bytes:
    text = value if isinstance(value, str) else base64.b64encode(value).decode()
    return json.dumps({"certificate": text, **more}).encode()


@pytest.mark.parametrize(
    "body",
    [
        margo(DER),
        margo(pem(DER)),
        margo(pem(DER).decode()),
        margo(DER, clientId="dev1", other="member"),
        margo(DER, client_id="dev1"),
        json.dumps({"public_certificate": base64.b64encode(DER).decode()}).encode(),
        b"  " + margo(DER) + b"\n",
        pem(DER),
        DER,
        base64.b64encode(DER),
    ],
)
def test_r23_every_shape_in_the_field_is_read(body: bytes) -> None:
    found = read(body)
    assert isinstance(found, Registration)
    assert (found.realm, found.client_id, found.certificate.der) == ("default", "dev1", DER)
    assert (found.certificate.added, found.lift) == (int(NOW), False)


@pytest.mark.parametrize("status", [404, 410])
def test_r23_the_origin_does_not_know_the_client(status: int) -> None:
    assert read(b"whatever", status) == Missing()


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 401, 403, 429, 500, 503])
def test_r26_any_other_status_is_our_trouble(status: int) -> None:
    found = read(margo(DER), status)
    assert isinstance(found, Unavailable)
    assert found.reason is Reason.UPSTREAM_ORIGIN
    assert str(status) in found.detail


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b'{"certificate": 5}',
        b'{"certificate": ""}',
        b'{"certificate": "!"}',
        b'{"certificate": "\\ud800"}',
        b'{"certificate": "' + b"\xff" + b'"}',
        b'{"a":' * 5_000,
        margo(DER, clientId="dev2"),
        margo(DER, client_id="dev2"),
        margo(DER, clientId="dev1", client_id="dev2"),
        margo(DER, public_certificate=base64.b64encode(DER).decode()),
        margo(DER)[:-1] + b', "certificate": "x"}',
        margo(DER)[:-1] + b', "Certificate": "x"}',
        DER + b"x",
        pem(DER) + pem(DER),
        b"<html>not found</html>",
        b"x" * ANSWER_LIMIT_BYTES,
    ],
)
def test_r26_what_is_no_certificate_is_our_trouble(body: bytes) -> None:
    found = read(body)
    assert isinstance(found, Unavailable)
    assert found.reason is Reason.UPSTREAM_ORIGIN


@pytest.mark.parametrize(
    ("der", "reason"),
    [
        (certificate(ec_spki(ec.SECP224R1())), Reason.TRUST_WEAK_KEY),
        (certificate(p256_spki(), not_before=int(NOW) + 1), Reason.KEY_NOT_YET_VALID),
        (certificate(p256_spki(), not_after=int(NOW) - 1), Reason.KEY_EXPIRED),
    ],
)
def test_r23_its_answers_pass_the_key_checks(der: bytes, reason: Reason) -> None:
    found = read(margo(der))
    assert isinstance(found, Denied)
    assert found.reason is reason


def test_r23_its_answers_pass_the_revocation_lists() -> None:
    known = issued(DER)
    revocations = Revocations()
    revocations.replace({known[:ISSUER_BYTES]: Watch(frozenset({known[ISSUER_BYTES:]}), fresh_until_s=NOW + 60)})
    found = read(margo(DER), revocations=revocations)
    assert isinstance(found, Denied)
    assert found.reason is Reason.KEY_REVOKED


def test_r23_ids_that_lead_elsewhere_are_not_asked_for() -> None:
    assert not may_be_asked(".")
    assert not may_be_asked("..")
    assert may_be_asked("...")
    assert may_be_asked("a.b")


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (Outcome.ADDED, Learned()),
        (Outcome.UNCHANGED, Learned()),
        (Outcome.KEY_TAKEN, Denied(Reason.KEY_TAKEN, "why")),
        (Outcome.KEY_REMOVED, Denied(Reason.KEY_REMOVED, "why")),
    ],
)
def test_r20_r22_the_recorder_has_the_last_word(outcome: Outcome, answer: Learned | Denied) -> None:
    assert what_follows(Decision(outcome, "why")) == answer


def test_r5_look_ups_are_rationed_by_the_second() -> None:
    ration = Ration(2.0, 10, 0.0)
    for _ in range(2):
        assert ration.take(0.0) is None
        ration.done()
    refusal = ration.take(0.4)
    assert refusal is not None
    assert refusal.reason is Reason.UPSTREAM_ORIGIN
    assert "origin_per_second" in refusal.detail
    assert ration.take(0.5) is None
    ration.done()
    assert [ration.take(1000.0) is None for _ in range(3)] == [True, True, False]


def test_r5_look_ups_are_rationed_by_how_many_are_under_way() -> None:
    ration = Ration(1000.0, 2, 0.0)
    assert ration.take(0.0) is None
    assert ration.take(0.0) is None
    refusal = ration.take(0.0)
    assert refusal is not None
    assert "origin_concurrency" in refusal.detail
    ration.done()
    assert ration.take(0.0) is None
    assert ration.under_way == 2


def test_r5_a_slow_ration_gives_one_at_a_time() -> None:
    ration = Ration(0.5, 10, 0.0)
    assert [ration.take(second) is None for second in (0.0, 1.0, 2.0, 3.0)] == [True, False, True, False]


def test_r5_a_no_is_remembered_for_a_while_and_not_for_everybody() -> None:
    memory = Memory(30, entries=2)
    denied = Denied(Reason.TRUST_WEAK_KEY, "")
    memory.put(("r", "a"), Missing(), 0.0)
    memory.put(("r", "b"), denied, 10.0)
    assert memory.get(("r", "a"), 29.9) == Missing()
    assert memory.get(("s", "a"), 29.9) is None
    assert memory.get(("r", "a"), 30.0) is None
    assert memory.get(("r", "b"), 30.0) is denied
    for name in ("c", "d", "e"):
        memory.put(("r", name), Missing(), 30.0)
    assert len(memory) == 2
    assert memory.get(("r", "b"), 30.0) is None


def test_a_memory_can_be_switched_off() -> None:
    memory = Memory(0)
    memory.put(("r", "a"), Missing(), 0.0)
    assert memory.get(("r", "a"), 0.0) is None
