"""The log line of a refusal names the known change on the way that would make the signature hold; nothing passes by it."""

from collections.abc import Mapping

import pytest

from gateway.explain import brief
from gateway.explain.brief import Brief
from gateway.model import Algorithm, Refusal
from gateway.pipeline import Pipeline
from gateway.reasons import Reason
from gateway.signature.engine import CryptographyEngine
from tests.support.device import Device
from tests.support.drive import World, config_with
from tests.unit.explain.making import BODY, HOST, PATH, make

DEVICE = Device()


def world(listen: Mapping[str, object] | None = None, device: Device = DEVICE, **policy: object) -> World:
    made = World()
    config = config_with(listen, **policy)
    made.pipeline = Pipeline(config, made.clock, advice=Brief(config, made.clock))
    made.know(device.client())
    return made


def refused(made: World, raw: bytes, body: bytes = BODY) -> Refusal:
    head, _, _ = raw.partition(b"\r\n\r\n")
    end = made.judge(head + b"\r\n\r\n", body)
    assert isinstance(end, Refusal)
    return end


def signed_as(uri: str, host: str = HOST, **options: object) -> bytes:
    return make(DEVICE, signed={"@target-uri": uri, "@authority": uri.split("/")[2]}, host=host, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "component", "configure"),
    [
        (signed_as(f"http://{HOST}{PATH}"), '"@target-uri" differs', "listen.public_url"),
        (signed_as(f"https://10.0.0.7:8080{PATH}", host="10.0.0.7:8080"), '"@authority" differs', "listen.public_url"),
        (signed_as(f"https://{HOST}:8443{PATH}"), '"@authority" differs', "listen.public_url"),
        (signed_as(f"https://{HOST}/wfm{PATH}"), '"@target-uri" differs', "policy.base_path"),
        (signed_as(f"https://{HOST}{PATH}/"), '"@target-uri" differs', "normalisation"),
    ],
    ids=["scheme", "host", "port", "prefix", "path"],
)
def test_what_would_verify_is_named_and_the_request_stays_refused(raw: bytes, component: str, configure: str) -> None:
    end = refused(world(), raw)
    assert end.reason is Reason.SIGNATURE_WRONG
    assert component in end.hint
    assert configure in end.hint


def test_nothing_is_said_where_nothing_known_verifies() -> None:
    assert refused(world(), signed_as(f"https://elsewhere.example.net{PATH}")).hint == ""


def test_r5_at_most_one_diagnosis_a_second() -> None:
    made, raw = world(), signed_as(f"http://{HOST}{PATH}")
    assert refused(made, raw).hint
    assert [refused(made, raw).hint for _ in range(50)] == [""] * 50
    made.clock.advance(0.999)
    assert refused(made, raw).hint == ""
    made.clock.advance(0.001)
    assert refused(made, raw).hint


def test_r5_the_operations_of_one_diagnosis_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    verify = CryptographyEngine.verify

    def counted(self: CryptographyEngine, jobs: list[object]) -> list[bool]:
        nonlocal count
        count += len(jobs)
        return verify(self, jobs)  # type: ignore[arg-type]

    monkeypatch.setattr(brief.CryptographyEngine, "verify", counted)
    many = [f"X-Forwarded-Host: {','.join(f'h{n}.example' for n in range(800))}" for _ in range(2)]
    made = world()
    assert refused(made, signed_as(f"https://elsewhere.example.net{PATH}", fields=many)).hint == ""
    assert made.operations < count <= made.operations + brief.QUESTIONS


def test_who_is_known_cannot_be_measured_where_it_is_hidden() -> None:
    assert refused(world(hide_unknown_clients=True), signed_as(f"http://{HOST}{PATH}")).hint == ""


@pytest.mark.parametrize(
    ("base_path", "path", "configure"),
    [("", "/wfm" + PATH, 'policy.base_path = "/wfm"'), ("/wfm", PATH, "let the load balancer not remove /wfm")],
    ids=["added", "removed"],
)
def test_a_prefix_that_no_route_has_is_named(base_path: str, path: str, configure: str) -> None:
    end = refused(world(base_path=base_path), make(DEVICE, target=path))
    assert end.reason is Reason.REQUEST_NO_ROUTE
    assert configure in end.hint


def test_a_body_that_was_recoded_is_told_as_such() -> None:
    end = refused(world(), make(DEVICE, fields=["Content-Encoding: gzip"]), BODY.replace(b" ", b""))
    assert end.reason is Reason.DIGEST_MISMATCH
    assert '"content-digest" does not fit the body (Content-Encoding: gzip)' in end.hint


def test_every_kind_of_key_is_tried_in_its_own_way() -> None:
    device = Device(algorithm=Algorithm.RSA_PSS_SHA512)
    raw = make(device, signed={"@target-uri": f"http://{HOST}{PATH}"})
    assert "scheme" in refused(world(device=device), raw).hint
