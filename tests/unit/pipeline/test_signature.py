"""Which signature counts, with which key and algorithm (R5, R8, R9, R11)."""

import base64
import hashlib

import msgspec
import pytest

from gateway.model import Admitted, Algorithm, Refusal
from gateway.reasons import Reason
from tests.support.device import STATUS_PATH, Device, raw_signature
from tests.support.drive import World, config_with, with_certificates


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_algorithm_passes_without_alg(algorithm: Algorithm) -> None:
    device, world = Device(algorithm=algorithm), World()
    world.know(device.client())
    end = world.judge(device.head())
    assert isinstance(end, Admitted)
    assert end.verified.algorithm is algorithm
    assert end.body_verified


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_algorithm_passes_with_alg(algorithm: Algorithm) -> None:
    device, world = Device(algorithm=algorithm), World()
    world.know(device.client())
    assert world.reason(device.head(params=f';alg="{algorithm}"')) is None
    assert world.operations == 1


def test_r11_what_worked_for_an_rsa_key_is_tried_first_the_next_time() -> None:
    device, world = Device(algorithm=Algorithm.RSA_PSS_SHA256), World()
    world.know(device.client())
    assert world.reason(device.head()) is None
    assert world.operations == 3
    assert world.reason(device.head(created=1_799_999_999)) is None
    assert world.operations == 4


@pytest.mark.parametrize(
    ("alg", "reason"),
    [
        ("hmac-sha256", Reason.SIGNATURE_ALGORITHM),
        ("ES256", Reason.SIGNATURE_ALGORITHM),
        ("rsa-v1_5-sha256", Reason.SIGNATURE_ALGORITHM_KEY),
        ("ecdsa-p384-sha384", Reason.SIGNATURE_ALGORITHM_KEY),
    ],
)
def test_r11_alg_must_fit_the_key(alg: str, reason: Reason) -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(params=f';alg="{alg}"')) is reason


def test_r11_alg_must_be_allowed() -> None:
    device, world = Device(), World(config_with(algorithms=(Algorithm.ED25519,)))
    world.know(device.client())
    assert world.reason(device.head(params=';alg="ecdsa-p256-sha256"')) is Reason.POLICY_ALGORITHM
    assert world.reason(device.head()) is Reason.POLICY_ALGORITHM


def test_r11_the_key_comes_from_the_path_never_from_keyid() -> None:
    thief, victim, world = Device("dev-2", which=1), Device("dev-1"), World()
    world.know(victim.client(), thief.client())
    assert world.reason(thief.head()) is Reason.SIGNATURE_WRONG


def test_r11_a_keyid_that_is_not_the_certificates_is_noted_or_refused() -> None:
    device, lenient, strict = Device(), World(), World(config_with(keyid="match"))
    raw = device.head()
    assert strict.judge(raw) == Refusal(Reason.KEY_UNKNOWN, "realm default", "dev-1", tells_who_is_known=True)
    device.certificate = msgspec.structs.replace(device.certificate, spki_sha256="ab" * 32)
    for world in (lenient, strict):
        world.know(device.client())
    end = lenient.judge(raw)
    assert isinstance(end, Admitted)
    assert any("keyid" in note for note in end.notes)
    assert strict.reason(raw) is Reason.KEY_ID


def test_r11_keyid_orders_the_certificates() -> None:
    old, new, world = Device(which=3), Device(which=4), World()
    world.know(with_certificates(old.client(), new.client()))
    assert world.reason(new.head()) is None
    assert world.operations == 1


def test_signature_lengths_and_ranges_are_exact() -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(signature=b"\1" * 63)) is Reason.SIGNATURE_LENGTH
    assert world.reason(device.head(signature=b"\1" * 65)) is Reason.SIGNATURE_LENGTH
    assert world.reason(device.head(signature=b"\0" * 64)) is Reason.SIGNATURE_RANGE
    assert world.reason(device.head(signature=b"\xff" * 64)) is Reason.SIGNATURE_RANGE
    assert world.operations == 0
    for algorithm, size in ((Algorithm.RSA_V1_5_SHA256, 255), (Algorithm.ED25519, 63)):
        other = Device(algorithm=algorithm)
        world.know(other.client())
        assert world.reason(other.head(signature=b"\1" * size)) is Reason.SIGNATURE_LENGTH


def _two(first: bytes, second: bytes) -> bytes:
    """One head with the signatures of two: the first one's lines, the second one's signature fields behind."""
    lines = [line for line in second.split(b"\r\n") if line.startswith(b"Signature")]
    return first.removesuffix(b"\r\n") + b"\r\n".join(lines) + b"\r\n\r\n"


def test_r8_a_bad_signature_beside_a_good_one_does_no_harm_and_is_noted() -> None:
    device, world = Device(), World()
    world.know(device.client())
    bad = device.head(label="bad", signature=b"\1" * 64)
    assert world.reason(bad) is Reason.SIGNATURE_WRONG
    end = world.judge(_two(bad, device.head(label="good")))
    assert isinstance(end, Admitted)
    assert end.verified.candidate.label == "good"
    assert "label bad: signature.wrong" in end.notes


def test_r8_a_label_that_fails_policy_is_noted() -> None:
    device, world = Device(), World()
    world.know(device.client())
    stale = device.head(label="stale", created=1_700_000_000)
    end = world.judge(_two(stale, device.head(label="good")))
    assert isinstance(end, Admitted)
    assert "label stale: policy.too_old" in end.notes


def test_r8_the_first_in_field_order_counts() -> None:
    device, world = Device(), World()
    world.know(device.client())
    end = world.judge(_two(device.head(label="b"), device.head(label="a", params=";x=1")))
    assert isinstance(end, Admitted)
    assert end.verified.candidate.label == "b"


def test_r8_of_several_bad_signatures_the_furthest_one_is_told() -> None:
    device, world = Device(), World()
    world.know(device.client())
    uncovered = device.head(label="a", components='"content-digest" "@method"')
    broken = device.head(label="b", components='"@method" "@method"', signature=b"\1" * 64)
    assert world.reason(_two(broken, uncovered)) is Reason.POLICY_NOT_COVERED
    assert world.reason(_two(uncovered, broken)) is Reason.POLICY_NOT_COVERED


def test_r5_at_most_four_public_key_operations() -> None:
    device, world = Device(), World()
    world.know(device.client())
    raw = device.head(label="l0", signature=b"\1" * 64)
    for index in range(1, 8):
        raw = _two(raw, device.head(label=f"l{index}", signature=b"\1" * 64))
    assert world.reason(raw) is Reason.SIGNATURE_WRONG
    assert world.operations == 4


def test_r5_one_signature_cannot_use_up_anothers_share() -> None:
    devices = [Device(which=5), Device(which=6), Device(which=7), Device(which=8)]
    world = World()
    world.know(with_certificates(*[device.client() for device in devices]))
    foreign = Device("dev-1", which=9)
    raw = _two(foreign.head(label="bad", signature=b"\1" * 64), devices[0].head(label="good"))
    assert world.reason(raw) is None


@pytest.mark.parametrize(
    ("components", "reason"),
    [
        ('"@method" "@target-uri"', Reason.DIGEST_NOT_COVERED),
        ('"@method" "@target-uri" "content-digest";key="sha-256"', Reason.DIGEST_NOT_COVERED),
        ('"@method" "content-digest"', Reason.POLICY_NOT_COVERED),
        ('"@target-uri" "content-digest"', Reason.POLICY_NOT_COVERED),
        ('"@method" "@target-uri" "content-digest";sf', None),
        ('"@method" "@target-uri" "content-digest";bs', None),
    ],
)
def test_r9_required_components_count_only_bare(components: str, reason: Reason | None) -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(components=components)) is reason


@pytest.mark.parametrize(
    ("components", "reason"),
    [
        ("", Reason.SIGNATURE_EMPTY),
        ('"@method" "@method"', Reason.SIGNATURE_DUPLICATE_COMPONENT),
        ('"@method" "Host"', Reason.SIGNATURE_COMPONENT_CASE),
        ('"@method" "@nonsense"', Reason.SIGNATURE_COMPONENT_NAME),
        ('"@status"', Reason.SIGNATURE_COMPONENT_NAME),
        ('"@method" "host";x', Reason.SIGNATURE_COMPONENT_PARAMETER),
        ('"@method" "host";bs;sf', Reason.SIGNATURE_COMPONENT_PARAMETER_USE),
        ('"@method";req', Reason.SIGNATURE_REQ),
        ('"@method" "expires";tr', Reason.SIGNATURE_TR),
        ('"@method" "host";sf;sf', Reason.SIGNATURE_DUPLICATE_PARAMETER),
        (" ".join(f'"x-{n}"' for n in range(33)), Reason.SIGNATURE_TOO_MANY_COMPONENTS),
    ],
)
def test_r9_components_are_refused_each_with_its_reason(components: str, reason: Reason) -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(components=components)) is reason


@pytest.mark.parametrize(
    ("components", "reason"),
    [
        ('"@method" "@target-uri" "x-absent"', Reason.SIGNATURE_COMPONENT_ABSENT),
        ('"@method" "@target-uri" "@query-param";name="a"', Reason.SIGNATURE_COMPONENT_VALUE),
    ],
)
def test_components_without_a_value_are_refused(components: str, reason: Reason) -> None:
    device, world = Device(), World()
    world.know(device.client())
    raw = device.head(
        method="GET", body=b"", target="/api/v1/clients/dev-1/deployments?a=1&a=2", components='"@method"'
    )
    raw = raw.replace(b'("@method")', f"({components})".encode())
    assert world.reason(raw, b"") is reason


def test_parameters_are_refused_each_with_its_reason() -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(params=';nonce="a";nonce="b"')) is Reason.SIGNATURE_DUPLICATE_PARAMETER
    assert world.reason(device.head(params=";nonce=12")) is Reason.SIGNATURE_PARAMETER
    assert world.reason(device.head(params=';something="else"')) is None


def test_signature_fields_are_refused_each_with_its_reason() -> None:
    device, world = Device(), World()
    world.know(device.client())
    raw = device.head()

    def swap(name: bytes, value: bytes) -> bytes:
        lines = [name + b": " + value if line.startswith(name + b":") else line for line in raw.split(b"\r\n")]
        return b"\r\n".join(lines)

    some = base64.b64encode(b"\1" * 64)
    labels = b", ".join(b"l%d=()" % n for n in range(9))
    assert world.reason(raw.replace(b"Signature-Input", b"Other")) is Reason.SIGNATURE_MISSING
    assert world.reason(swap(b"Signature-Input", b"sig=1")) is Reason.SIGNATURE_INPUT
    assert world.reason(swap(b"Signature", b"sig=" + some)) is Reason.SIGNATURE_VALUE
    assert world.reason(swap(b"Signature", b"other=:" + some + b":")) is Reason.SIGNATURE_LABELS
    assert world.reason(swap(b"Signature", b"sig=:AAAA:, sig=:AAAA:")) is Reason.SIGNATURE_DUPLICATE_LABEL
    assert world.reason(swap(b"Signature-Input", labels)) is Reason.SIGNATURE_TOO_MANY_LABELS


def test_r7_the_received_spelling_is_tried_and_then_the_normal_form() -> None:
    device, world = Device(), World()
    world.know(device.client())
    as_sent = world.judge(device.head(host="WFM.example.com:443"))
    assert isinstance(as_sent, Admitted)
    assert as_sent.verified.authority == b"WFM.example.com:443"
    normal = world.judge(device.head(host="WFM.example.com:443", signed_authority="wfm.example.com"))
    assert isinstance(normal, Admitted)
    assert normal.verified.authority == b"wfm.example.com"
    assert world.reason(device.head(host="evil.example.com")) is Reason.SIGNATURE_WRONG


def test_capital_content_digest_needs_the_leniency() -> None:
    device = Device()
    components = '"@method" "@target-uri" "Content-Digest"'
    strict, lenient = World(), World(config_with(capital_content_digest=True))
    strict.know(device.client())
    lenient.know(device.client())
    assert strict.reason(device.head(components=components)) is Reason.SIGNATURE_COMPONENT_CASE
    # As the Margo text prints it, so the device's base has the capitals, too.
    digest = "sha-256=:" + base64.b64encode(hashlib.sha256(b'{"state":"running"}').digest()).decode() + ":"
    base = (
        '"@method": POST\n'
        f'"@target-uri": https://wfm.example.com{STATUS_PATH}\n'
        f'"Content-Digest": {digest}\n'
        f'"@signature-params": ({components});created=1800000000;keyid="{device.keyid}"'
    )
    signature = raw_signature(device.key, device.algorithm, base.encode())
    end = lenient.judge(device.head(components=components, signature=signature))
    assert isinstance(end, Admitted)
    assert end.body_verified
