"""A device gives itself a new certificate, signed by its old and by its new key (R23), in a running gateway."""

import base64
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gateway.model import Algorithm, Status
from gateway.reasons import Reason
from gateway.registry.keys import CHANGES, PIN_PREFIX, spki_key
from gateway.registry.operations import Action, prepare_change, prepare_rotation
from gateway.registry.pins import Pin
from gateway.registry.records import Record
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from gateway.signing.sign import Request, SignOptions, sign
from tests.fault.valkey import Valkey
from tests.integration.backend import RecordingBackend
from tests.integration.client import Answer, RawClient
from tests.integration.conftest import MakeGateway, register
from tests.integration.harness import PUBLIC, Device, Gateway, make_device
from tests.support.certificates import certificate, pem

ON = {"trust": ["tofu"], "rotation": True}
WEEK_S = 7 * 86400
_serial = itertools.count()


def successor_of(device: Device, algorithm: Algorithm = Algorithm.ECDSA_P256_SHA256) -> Device:
    """The same client with another key and certificate."""
    return make_device(device.client_id, algorithm)


def body_of(new: Device) -> bytes:
    return json.dumps({"certificate": base64.b64encode(new.certificate).decode()}).encode()


def rotation(
    old: Device, new: Device, body: bytes | None = None, new_options: dict[str, Any] | None = None, **old_options: Any
) -> bytes:
    """The octets of a rotation. Options are those of `SignOptions`, for both signatures or for the new one alone."""
    body = body_of(new) if body is None else body
    now = int(time.time())
    request = Request("POST", PUBLIC + old.path("certificate"), body, (("X-Serial", "1"),))
    options = {"created": now, "nonce": str(next(_serial)), **old_options}
    first = sign(request, old.key, SignOptions(**{"label": "old", **options}))
    second = sign(
        request, new.key, SignOptions(**{"label": "new", "tag": "wfm-rotate", **options, **(new_options or {})})
    )
    fields = [*first.fields, *[field for field in second.fields if field[0] in ("Signature-Input", "Signature")]]
    lines = [f"POST {first.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture
def gateway(make_gateway: MakeGateway, device: Device) -> Gateway:
    return make_gateway(onboarding=ON)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[RawClient]:
    with RawClient(gateway.address) as made:
        yield made


def record(valkey: Valkey, client_id: str = "dev1") -> Record:
    with Store.connect(valkey.endpoint, "test") as store:
        found = store.get("default", client_id)
    assert isinstance(found, Record)
    return found


def retire_after(answer: Answer) -> float:
    when = answer.problem["retireAfter"]
    return time.mktime(time.strptime(when, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone


def test_r23_both_certificates_are_accepted_until_the_old_one_retires(
    client: RawClient, device: Device, valkey: Valkey, backend: RecordingBackend
) -> None:
    new = successor_of(device)
    assert client.ask(device.request()).status == 200
    answer = client.ask(rotation(device, new))
    assert (answer.status, answer.problem["clientId"]) == (200, "dev1")
    assert abs(retire_after(answer) - time.time() - WEEK_S) < 60
    for who in (new, device, new):
        assert client.ask(who.request()).status == 200
    assert len(backend.requests) == 4, "a rotation is not forwarded"
    old_one, new_one = record(valkey).certs
    assert old_one.retire_after == retire_after(answer)
    assert new_one.retire_after is None
    assert valkey.client.get(spki_key("default", new_one.spki_sha256)) == b"dev1"
    _, notice = valkey.client.xrevrange(CHANGES, count=1)[0]
    assert (notice[b"id"], notice[b"what"], notice[b"who"]) == (b"dev1", b"rotated", b"device")
    assert notice[b"cert"] == new_one.sha256.encode()


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_r23_keys_of_every_kind_can_follow(client: RawClient, device: Device, algorithm: Algorithm) -> None:
    new = successor_of(device, algorithm)
    answer = client.ask(rotation(device, new, new_options={"alg": algorithm}))
    assert answer.status == 200, answer.body
    assert client.ask(new.request(alg=algorithm)).status == 200


def test_r23_the_same_key_with_a_new_certificate_takes_the_old_ones_place(
    client: RawClient, device: Device, valkey: Valkey
) -> None:
    new = msgspec.structs.replace(successor_of(device), key=device.key, certificate=renewed(device))
    answer = client.ask(rotation(device, new))
    assert (answer.status, answer.problem["retireAfter"]) == (200, None)
    assert len(record(valkey).certs) == 1
    assert client.ask(device.request()).status == 200


def renewed(device: Device) -> bytes:
    """Another certificate for the device's key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = device.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return pem(certificate(spki))


def test_r23_a_repeated_rotation_is_the_same_rotation(client: RawClient, device: Device, valkey: Valkey) -> None:
    new = successor_of(device)
    first = client.ask(rotation(device, new))
    again = client.ask(rotation(device, new))
    assert (again.status, retire_after(again)) == (200, retire_after(first))
    assert len(record(valkey).certs) == 2


def test_r23_without_being_switched_on_there_is_no_such_route(make_gateway: MakeGateway, device: Device) -> None:
    with RawClient(make_gateway(onboarding={"trust": ["tofu"]}).address) as client:
        answer = client.ask(rotation(device, successor_of(device)))
    assert (answer.status, answer.reason) == (404, Reason.REQUEST_NO_ROUTE)


def refused(client: RawClient, data: bytes, reason: Reason) -> Answer:
    answer = client.ask(data)
    assert answer.reason == reason, answer.body
    return answer


def test_r23_both_keys_must_sign(client: RawClient, device: Device, valkey: Valkey) -> None:
    new, stranger = successor_of(device), successor_of(device)
    mixed = msgspec.structs.replace(new, key=stranger.key)
    bad = {
        "by another key than the certificate's": (rotation(device, mixed, body_of(new)), Reason.SIGNATURE_POSSESSION),
        "not by the client's key": (rotation(stranger, new), Reason.SIGNATURE_WRONG),
        "by the new key twice": (rotation(new, new), Reason.SIGNATURE_WRONG),
        "without the tag": (rotation(device, new, new_options={"tag": None}), Reason.SIGNATURE_POSSESSION),
        "with another tag": (rotation(device, new, new_options={"tag": "WFM-rotate"}), Reason.SIGNATURE_POSSESSION),
        "with the tag on both": (rotation(device, new, tag="wfm-rotate"), Reason.SIGNATURE_POSSESSION),
        "by the old key alone": (
            device.request(rest="certificate", body=body_of(new)),
            Reason.SIGNATURE_POSSESSION,
        ),
        "by the new key alone": (
            new.request(rest="certificate", body=body_of(new), tag="wfm-rotate"),
            Reason.SIGNATURE_MISSING,
        ),
    }
    for what, (data, reason) in bad.items():
        answer = client.ask(data)
        assert (what, answer.status, answer.reason) == (what, 401, reason)
    assert len(record(valkey).certs) == 1


def test_r23_both_keys_sign_the_same_components(client: RawClient, device: Device) -> None:
    more = {"components": ("@method", "@target-uri", "@authority", "content-digest", "x-serial")}
    refused(client, rotation(device, successor_of(device), new_options=more), Reason.SIGNATURE_POSSESSION)
    assert client.ask(rotation(device, successor_of(device), **more)).status == 200


def test_r23_what_one_signature_covers_is_required_of_both(client: RawClient, device: Device) -> None:
    new = successor_of(device)
    less = {"components": ("@method", "content-digest")}
    refused(client, rotation(device, new, new_options=less), Reason.POLICY_NOT_COVERED)
    old = {"created": int(time.time()) - 10_000}
    refused(client, rotation(device, new, new_options=old), Reason.POLICY_TOO_OLD)
    refused(client, rotation(device, new, new_options={"created": None}), Reason.POLICY_NO_CREATED)


def test_r10_r23_the_new_certificate_must_be_covered(make_gateway: MakeGateway, device: Device, valkey: Valkey) -> None:
    gateway = make_gateway(onboarding=ON, policy={"require_covered_digest": False})
    with RawClient(gateway.address) as client:
        bare = {"components": ("@method", "@target-uri")}
        refused(client, rotation(device, successor_of(device), **bare), Reason.DIGEST_NOT_COVERED)
    assert len(record(valkey).certs) == 1


def test_r18_the_body_is_read_as_an_onboarding_body(client: RawClient, device: Device) -> None:
    new = successor_of(device)
    twice = body_of(new)[:-1] + b', "Certificate": "x"}'
    refused(client, rotation(device, new, twice), Reason.ONBOARDING_BODY)
    refused(client, rotation(device, new, b'{"certificate": "x"}'), Reason.ONBOARDING_CERTIFICATE)
    refused(client, rotation(device, new, b"x" * 65_537), Reason.REQUEST_BODY_SIZE)
    refused(client, rotation(device, new, b""), Reason.ONBOARDING_BODY)


def test_r13_a_rotation_counts_once_whatever_the_policy(make_gateway: MakeGateway, device: Device) -> None:
    with RawClient(make_gateway(onboarding=ON, policy={"replay": "off"}).address) as client:
        data = rotation(device, successor_of(device))
        assert client.ask(data).status == 200
        refused(client, data, Reason.REPLAY_SEEN)


def test_r13_a_refused_rotation_may_come_again(client: RawClient, device: Device, valkey: Valkey) -> None:
    other, new = make_device("dev2"), successor_of(device)
    register(valkey, other)
    data = rotation(device, msgspec.structs.replace(new, key=other.key), body_of(new))
    for _ in range(2):
        refused(client, data, Reason.SIGNATURE_POSSESSION)


def test_r20_a_key_known_elsewhere_is_409(client: RawClient, device: Device, valkey: Valkey) -> None:
    other = make_device("dev2")
    register(valkey, other)
    answer = refused(client, rotation(device, other), Reason.KEY_TAKEN)
    assert answer.status == 409
    assert len(record(valkey).certs) == 1


def test_r22_a_removed_key_does_not_come_back(client: RawClient, device: Device, valkey: Valkey) -> None:
    other = make_device("dev2")
    register(valkey, other)
    with Store.connect(valkey.endpoint, "test") as store:
        store.apply(prepare_change("default", "dev2", Action.REVOKE))
    assert refused(client, rotation(device, other), Reason.KEY_REMOVED).status == 403


def test_r23_a_revoked_client_does_not_rotate(client: RawClient, device: Device, valkey: Valkey) -> None:
    with Store.connect(valkey.endpoint, "test") as store:
        store.apply(prepare_change("default", "dev1", Action.REVOKE))
    refused(client, rotation(device, successor_of(device)), Reason.KEY_REVOKED)
    assert record(valkey).status is Status.REVOKED


def test_r23_a_key_that_was_left_behind_names_no_other_successor(
    client: RawClient, device: Device, valkey: Valkey
) -> None:
    new = successor_of(device)
    assert client.ask(rotation(device, new)).status == 200
    thief = successor_of(device)
    refused(client, rotation(device, thief), Reason.KEY_RETIRED)
    assert client.ask(rotation(new, successor_of(device))).status == 200
    assert client.ask(rotation(device, new)).reason == Reason.KEY_RETIRED, "not the present one any more"
    assert len(record(valkey).certs) == 3


def test_r23_no_more_certificates_than_can_be_tried(client: RawClient, device: Device, valkey: Valkey) -> None:
    last = device
    for _ in range(3):
        new = successor_of(device)
        assert client.ask(rotation(last, new)).status == 200
        last = new
    assert refused(client, rotation(last, successor_of(device)), Reason.KEY_TOO_MANY).status == 409
    assert len(record(valkey).certs) == 4


def test_r19_the_new_certificate_passes_the_trust_policy(
    make_gateway: MakeGateway, device: Device, valkey: Valkey
) -> None:
    with RawClient(make_gateway(onboarding={"trust": ["pinned"], "rotation": True}).address) as client:
        new = successor_of(device)
        assert refused(client, rotation(device, new), Reason.TRUST_UNTRUSTED).status == 403
        known = prepare("default", "x", new.certificate, "test", 0).certificate
        pin = Pin(realm="default", sha256=known.spki_sha256, added=0)
        valkey.client.set(PIN_PREFIX + f"default:{known.spki_sha256}".encode(), msgspec.json.encode(pin))
        assert client.ask(rotation(device, new)).status == 200


def test_r19_approval_is_for_clients_not_for_certificates(make_gateway: MakeGateway, device: Device) -> None:
    with RawClient(make_gateway(onboarding={"trust": ["approval"], "rotation": True}).address) as client:
        refused(client, rotation(device, successor_of(device)), Reason.TRUST_UNTRUSTED)


def test_r19_an_expired_certificate_is_no_successor(client: RawClient, device: Device) -> None:
    new = successor_of(device)
    spki = prepare("default", "x", new.certificate, "test", 0).certificate.spki
    old = msgspec.structs.replace(new, certificate=pem(certificate(spki, not_after=1_000_000)))
    refused(client, rotation(device, old), Reason.TRUST_EXPIRED)


def test_the_overlap_is_the_operators(make_gateway: MakeGateway, device: Device) -> None:
    with RawClient(make_gateway(onboarding={**ON, "rotation_overlap_s": 0}).address) as client:
        new = successor_of(device)
        assert client.ask(rotation(device, new)).problem["retireAfter"] is None
        assert client.ask(new.request()).status == 200
        assert client.ask(device.request()).reason in (Reason.SIGNATURE_WRONG, Reason.KEY_RETIRED)


def test_an_operators_rotation_and_a_devices_agree(client: RawClient, device: Device, valkey: Valkey) -> None:
    new = successor_of(device)
    with Store.connect(valkey.endpoint, "test") as store:
        store.apply(prepare_rotation("default", "dev1", new.certificate, "test", int(time.time())))
    assert client.ask(rotation(device, new)).status == 200
    assert len(record(valkey).certs) == 2


def test_r26_a_store_that_cannot_be_written_is_our_trouble(client: RawClient, device: Device, valkey: Valkey) -> None:
    new = successor_of(device)
    assert client.ask(device.request()).status == 200
    valkey.client.config_set("maxmemory", "1")
    try:
        answer = client.ask(rotation(device, new))
    finally:
        valkey.client.config_set("maxmemory", "0")
    assert (answer.status, answer.reason) == (503, Reason.STORE_FULL)
    assert client.ask(rotation(device, new)).status == 200


def test_r20_an_unknown_key_is_a_strangers(client: RawClient) -> None:
    stranger = make_device("nobody")
    refused(client, rotation(stranger, successor_of(stranger)), Reason.KEY_UNKNOWN)
