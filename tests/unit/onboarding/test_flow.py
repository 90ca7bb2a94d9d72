"""What becomes of a device: each standing of its key, in each mode (R19, R20, R22)."""

import base64
import json

import msgspec
import pytest
from cryptography import x509

from gateway.model import Refusal, Status
from gateway.onboarding.answer import created, learn
from gateway.onboarding.body import Presented, read_presented
from gateway.onboarding.flow import Decision, Enrol, Forward, Known, Mode, Standing, decide
from gateway.onboarding.verdict import Accept, Pending, Reject, Verdict
from gateway.reasons import Reason
from gateway.registry.records import WAITING, Record
from gateway.registry.registration import prepare
from tests.support.certificates import certificate, p256_spki

NOW = 1_800_000_000.0
BY_CA = Accept("ca", "plant-7")
MODES: tuple[Mode, ...] = ("proxy", "local", "passthrough")


class Says:
    """A trust policy of one answer; `asked` is what it was told of pins."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self.asked: list[bool] = []

    def judge(self, _: x509.Certificate, der: bytes, now: float, pinned: bool) -> Verdict:
        self.asked.append(pinned)
        return self._verdict


@pytest.fixture(scope="module")
def presented() -> Presented:
    text = base64.b64encode(certificate(p256_spki())).decode()
    return read_presented(json.dumps({"certificate": text}).encode())


def record(presented: Presented, status: Status = Status.ACTIVE, **changes: object) -> Record:
    stored = prepare("default", "dev1", presented.der, "test", 0).certificate
    return Record(**{"realm": "default", "id": "dev1", "status": status, "since": 0, "certs": (stored,), **changes})  # type: ignore[arg-type]


def outcome(presented: Presented, standing: Standing, mode: Mode = "proxy", verdict: Verdict = BY_CA) -> Decision:
    return decide(presented, standing, mode, Says(verdict), NOW)  # type: ignore[arg-type]


def reason(decision: Decision) -> Reason | None:
    return decision.reason if isinstance(decision, Refusal) else None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.PENDING, Reason.KEY_PENDING),
        (Status.REVOKED, Reason.KEY_REVOKED),
        (Status.RETIRED, Reason.KEY_RETIRED),
        (Status.TOMBSTONE, Reason.KEY_REMOVED),
    ],
)
def test_r22_only_an_active_client_is_known(presented: Presented, status: Status, expected: Reason, mode: Mode) -> None:
    assert reason(outcome(presented, Standing("dev1", record(presented, status)), mode)) is expected


@pytest.mark.parametrize("mode", MODES)
def test_r22_a_tombstone_is_final_whoever_vouches(presented: Presented, mode: Mode) -> None:
    assert reason(outcome(presented, Standing("tombstone:dev1", None, True), mode)) is Reason.KEY_REMOVED


def test_an_active_client_is_known_without_a_rule(presented: Presented) -> None:
    known = Standing("dev1", record(presented))
    nobody = Reject(Reason.TRUST_UNTRUSTED)
    assert outcome(presented, known, "proxy", nobody) == Known("dev1")
    assert outcome(presented, known, "local", nobody) == Known("dev1")
    assert outcome(presented, known, "passthrough", nobody) == Forward()


def test_a_certificate_that_was_rotated_away_is_retired(presented: Presented) -> None:
    (stored,) = record(presented).certs
    old = record(presented, certs=(msgspec.structs.replace(stored, retire_after=int(NOW) - 1),))
    assert reason(outcome(presented, Standing("dev1", old))) is Reason.KEY_RETIRED


def test_r25_a_record_without_the_key_is_not_its_clients(presented: Presented) -> None:
    assert reason(outcome(presented, Standing("dev1", record(presented, certs=())))) is Reason.STORE_ANSWER


def test_approved_and_still_without_an_id(presented: Presented) -> None:
    waiting = Standing("dev1", record(presented, labels=dict([WAITING]), tenant="t"))
    assert outcome(presented, waiting) == Enrol("approval", "t", held="dev1")
    assert outcome(presented, waiting, "local") == Known("dev1")


@pytest.mark.parametrize("mode", ["proxy", "local"])
def test_r19_the_verdict_decides_about_an_unknown_key(presented: Presented, mode: Mode) -> None:
    assert outcome(presented, Standing(), mode) == Enrol("ca", "plant-7")
    assert outcome(presented, Standing("lease:1"), mode) == Enrol("ca", "plant-7")
    assert outcome(presented, Standing("dev1"), mode) == Enrol("ca", "plant-7", resume="dev1")
    assert outcome(presented, Standing(), mode, Pending()) == Enrol("approval", pending=True)
    assert reason(outcome(presented, Standing(), mode, Reject(Reason.TRUST_CHAIN))) is Reason.TRUST_CHAIN


def test_r19_the_policy_is_told_of_pins(presented: Presented) -> None:
    for pinned in (True, False):
        trust = Says(Accept("pinned"))
        decide(presented, Standing(pinned=pinned), "proxy", trust, NOW)  # type: ignore[arg-type]
        assert trust.asked == [pinned]


def test_mode_passthrough_records_nothing(presented: Presented) -> None:
    assert outcome(presented, Standing(), "passthrough") == Forward()
    assert decide(presented, Standing(), "passthrough", None, NOW) == Forward()
    refused = outcome(presented, Standing(), "passthrough", Reject(Reason.TRUST_UNTRUSTED))
    assert reason(refused) is Reason.TRUST_UNTRUSTED


@pytest.mark.parametrize("older", [False, True])
def test_what_we_answer_is_what_we_would_learn(older: bool) -> None:
    assert learn(created("dev1", older).body) == "dev1"


def test_r20_two_names_that_say_the_same_teach() -> None:
    assert learn(b'{"clientId":"a","client_id":"a"}') == "a"
    assert learn(b'{"clientId":"a","client_id":"b"}') is None
    assert learn('{"clientId":"a"}'.encode("utf-16")) is None
