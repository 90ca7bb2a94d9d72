"""A rotation in the pipeline: one signature of each key, four public-key operations in all (R5, R13, R23)."""

import base64
import json

import msgspec
import pytest

from gateway.config import Onboarding
from gateway.model import Algorithm, Refusal
from gateway.onboarding.rotation import TAG, Successor, conclude
from gateway.reasons import Reason
from gateway.registry.registration import Decision, Outcome
from gateway.steps import NeedBody, Rotate
from tests.support.certificates import certificate
from tests.support.device import Device
from tests.support.drive import World, config_with, with_certificates

TARGET = "/api/v1/clients/dev-1/certificate"


def world() -> World:
    config = msgspec.structs.replace(config_with(), onboarding=Onboarding(rotation=True, trust=("tofu",)))
    return World(config)


def body_of(device: Device) -> bytes:
    der = certificate(device.certificate.spki)
    return json.dumps({"certificate": base64.b64encode(der).decode()}).encode()


def signature_lines(head: bytes) -> list[str]:
    return [line for line in head.decode().split("\r\n") if line.startswith("Signature")]


def rotation(old: Device, new: Device, body: bytes, extra: Device | None = None) -> bytes:
    """A head with the signature of each, in the order bad (if there is one), old, new."""
    head = old.head(target=TARGET, body=body).decode().removesuffix("\r\n\r\n")
    lines = signature_lines(new.head(target=TARGET, body=body, label="new", params=f';tag="{TAG}"'))
    if extra is not None:
        first = signature_lines(extra.head(target=TARGET, body=body, label="bad"))
        at = head.index("Signature-Input")
        head = head[:at] + "\r\n".join(first) + "\r\n" + head[at:]
    return "\r\n".join([head, *lines, "", ""]).encode()


def rotate(bench: World, head: bytes, body: bytes) -> Rotate:
    step = bench.judge(head, body)
    assert isinstance(step, Rotate), step
    return step


def successor(bench: World, step: Rotate, body: bytes) -> Successor:
    rotations = bench.pipeline.rotations
    assert rotations is not None
    return rotations.successor(step.admitted, step.successor, body, step.request.operations)


def test_r23_both_signatures_lead_to_one_step() -> None:
    bench, old, new = world(), Device(), Device(which=1)
    bench.know(old.client())
    body = body_of(new)
    step = rotate(bench, rotation(old, new, body), body)
    assert step.successor.label == "new"
    assert step.admitted.verified.certificate == old.certificate
    assert len(bench.claimed) == 1
    (job,) = successor(bench, step, body).jobs
    assert bench.engine.verify([job]) == [True]


def test_r23_a_signature_of_the_new_key_is_not_taken_for_the_old_ones() -> None:
    bench, old, new = world(), Device(), Device(which=1)
    bench.know(with_certificates(old.client(), new.client()))
    body = body_of(new)
    head = new.head(target=TARGET, body=body, params=f';tag="{TAG}"')
    assert bench.reason(head, body) is Reason.SIGNATURE_MISSING


def test_r23_no_possession_is_refused_before_anybody_is_asked() -> None:
    bench, old = world(), Device()
    assert bench.reason(old.head(target=TARGET, body=b"x"), b"x") is Reason.SIGNATURE_POSSESSION
    assert bench.steps == [step for step in bench.steps if isinstance(step, Refusal)]


def test_r5_the_body_is_small_whatever_the_policy() -> None:
    bench, old, new = world(), Device(), Device(which=1)
    bench.know(old.client())
    body = body_of(new)
    rotate(bench, rotation(old, new, body), body)
    (need,) = [step for step in bench.steps if isinstance(step, NeedBody)]
    assert need.limit_bytes == 65_536


@pytest.mark.parametrize("bad", [0, 1])
def test_r5_four_public_key_operations_in_all(bad: int) -> None:
    """RSA keys whose devices send no alg, in the algorithm that is tried last."""
    bench = world()
    old, new = (Device(algorithm=Algorithm.RSA_PSS_SHA256, which=which) for which in (0, 1))
    extra = Device(algorithm=Algorithm.RSA_PSS_SHA256, which=2) if bad else None
    bench.know(old.client())
    body = body_of(new)
    end = bench.judge(rotation(old, new, body, extra), body)
    if bad:
        assert isinstance(end, Refusal)  # another signature used up the attempts of the old key
        assert bench.operations == 3
        return
    assert isinstance(end, Rotate)
    assert bench.operations == 3
    jobs = successor(bench, end, body).jobs
    assert len(jobs) == 1
    assert bench.engine.verify(list(jobs)) == [True], "the algorithm of the old key comes first"


def test_r13_every_signature_of_the_old_key_is_claimed() -> None:
    config = config_with(replay="off")
    bench = World(msgspec.structs.replace(config, onboarding=Onboarding(rotation=True, trust=("tofu",))))
    old, new = Device(), Device(which=1)
    bench.know(old.client())
    body = body_of(new)
    head = rotation(old, new, body)
    second = signature_lines(old.head(target=TARGET, body=body, label="again", params=';nonce="n"'))
    whole = head.decode().removesuffix("\r\n\r\n") + "\r\n" + "\r\n".join([*second, "", ""])
    rotate(bench, whole.encode(), body)
    assert len(bench.claimed) == 2


def test_the_route_is_there_only_where_it_is_switched_on() -> None:
    body = b"x"
    assert World().reason(Device().head(target=TARGET, body=body), body) is Reason.REQUEST_NO_ROUTE


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.KEY_TAKEN, Reason.KEY_TAKEN),
        (Outcome.KEY_REMOVED, Reason.KEY_REMOVED),
        (Outcome.TOO_MANY, Reason.KEY_TOO_MANY),
        (Outcome.UNKNOWN, Reason.KEY_UNKNOWN),
        (Outcome.NOT_ACTIVE, Reason.KEY_REVOKED),
        (Outcome.DAMAGED, Reason.STORE_ANSWER),
        (Outcome.WAITS, Reason.INTERNAL_ERROR),
    ],
)
def test_what_the_registry_refuses_has_a_reason(outcome: Outcome, reason: Reason) -> None:
    told = conclude(Decision(outcome, "why"), Device().client())
    assert isinstance(told, Refusal)
    assert (told.reason, told.detail, told.client_id) == (reason, "why", "dev-1")


def test_the_end_of_the_old_certificate_is_told_even_if_nothing_changed() -> None:
    old = msgspec.structs.replace(Device().certificate, retire_after=1_800_000_000)
    client = msgspec.structs.replace(Device().client(), certificates=(old, Device(which=1).certificate))
    told = conclude(Decision(Outcome.UNCHANGED, ""), client)
    assert not isinstance(told, Refusal)
    assert json.loads(told.body) == {"clientId": "dev-1", "retireAfter": "2027-01-15T08:00:00Z"}
