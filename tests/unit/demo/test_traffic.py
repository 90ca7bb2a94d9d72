"""The traffic is what it claims to be, seen by a pipeline of our own; and the plan of a fleet has every algorithm."""

import random
import uuid
from collections import Counter

import pytest

from gateway._native import ecdsa_der, parse_digest, parse_head, select
from gateway.demo.device import Device
from gateway.demo.fleet_plan import plan, thieves
from gateway.demo.pki import make_key
from gateway.demo.traffic import Traffic
from gateway.model import Algorithm
from gateway.reasons import Reason
from gateway.registry.keys import is_client_id

ORIGIN = "https://wfm.example.com"
NOW = 1_700_000_000


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    quick = (Algorithm.ECDSA_P256_SHA256, Algorithm.ECDSA_P384_SHA384, Algorithm.ED25519)
    devices = [Device(str(uuid.uuid4()), make_key(algorithm), algorithm, ORIGIN) for algorithm in quick]
    return Traffic(devices, {algorithm: make_key(algorithm) for algorithm in quick}, ORIGIN, 0.5, random.Random(3))


def test_half_is_bad_and_every_trick_is_played(traffic: Traffic) -> None:
    shots = [traffic.next(NOW) for _ in range(600)]
    bad = [shot for shot in shots if any(step.expected for step in shot.steps)]
    assert 240 < len(bad) < 360
    expected = {step.expected for shot in bad for step in shot.steps}
    assert expected == {
        None,  # the first of a replayed pair
        Reason.DIGEST_MISMATCH,
        Reason.POLICY_TOO_OLD,
        Reason.REPLAY_SEEN,
        Reason.SIGNATURE_WRONG,
        Reason.KEY_UNKNOWN,
        Reason.SIGNATURE_MISSING,
        Reason.DIGEST_NOT_COVERED,
        Reason.SIGNATURE_LENGTH,
    }
    kinds = Counter(shot.kind for shot in shots if shot not in bad)
    assert kinds.most_common(1)[0][0] == "poll"
    assert {"status report", "capability report", "root certificate"} <= set(kinds)


def test_no_two_honest_requests_are_one_replay(traffic: Traffic) -> None:
    """R13: what a device sends in one second must differ, unless it is safe to repeat."""
    seen = Counter(
        (step.message.target, step.message.fields, step.message.body)
        for shot in (traffic.next(NOW) for _ in range(600))
        for step in shot.steps
        if step.expected is None and step.message.method != "GET" and shot.kind != "replayed"
    )
    assert set(seen.values()) == {1}


def test_each_bad_request_has_its_one_fault(traffic: Traffic) -> None:
    for shot in (traffic.next(NOW) for _ in range(600)):
        step = shot.steps[-1]
        head = parse_head(step.message.octets().removesuffix(step.message.body))
        match step.expected:
            case Reason.SIGNATURE_MISSING:
                assert head.values(b"signature") == head.values(b"signature-input") == []
            case Reason.DIGEST_NOT_COVERED:
                assert not select(head)[0].covers(b"content-digest")
                assert parse_digest(head) is not None
            case Reason.SIGNATURE_LENGTH:
                assert select(head)[0].signature[0] == 0x30  # a DER sequence
            case Reason.POLICY_TOO_OLD:
                assert select(head)[0].created == NOW - 3600
            case Reason.REPLAY_SEEN:
                assert shot.steps[0].message == step.message
            case _:
                if shot.algorithm.startswith("ecdsa"):
                    ecdsa_der(select(head)[0].signature, 256 if "256" in shot.algorithm else 384)
        assert head.content_length == (len(step.message.body) if step.message.body else head.content_length)


@pytest.mark.parametrize("devices", [1, 2, 5, 6, 7, 50, 1000])
def test_a_fleet_has_as_many_devices_as_asked_for(devices: int) -> None:
    made = plan(devices)
    assert len(made) == devices
    assert len({name for name, _ in made}) == devices
    assert all(is_client_id(name) for name, _ in made)
    algorithms = Counter(algorithm for _, algorithm in made)
    if devices >= 6:
        assert set(algorithms) == set(Algorithm)
    for rsa in (Algorithm.RSA_PSS_SHA256, Algorithm.RSA_PSS_SHA512, Algorithm.RSA_V1_5_SHA256):
        assert algorithms[rsa] <= 4
    assert {algorithm for _, algorithm in thieves([algorithm for _, algorithm in made])} == set(algorithms)
