"""Explanations of onboarding requests go on with the certificate in the body (R18 to R22)."""

import msgspec
import pytest

from gateway.config import Onboarding
from gateway.explain import capture as captures
from gateway.explain.explain import Options, explain
from gateway.explain.lookup import OneCertificate
from gateway.explain.report import Report
from gateway.model import Certificate, Peer
from gateway.onboarding.flow import Standing
from gateway.reasons import Reason
from gateway.registry.registration import TOMBSTONE
from tests.support.device import Device
from tests.support.drive import config_with
from tests.unit.pipeline.test_rotation import body_of

TARGET = "/api/v1/onboarding"
NOW_S = 1_800_000_000
UNKNOWN = Standing()


class Known(OneCertificate, frozen=True):
    """A store that knows one thing about every key."""

    found: Standing = UNKNOWN

    def standing(self, realm: str, certificate: Certificate) -> Standing:
        return self.found


def explained(device: Device, standing: Standing = UNKNOWN, body: bytes | None = None, **section: object) -> Report:
    options = {"mode": "proxy", "trust": ("pinned",), **section}
    config = msgspec.structs.replace(config_with(), onboarding=Onboarding(**options))
    octets = body_of(device) if body is None else body
    capture = captures.read(device.head(target=TARGET, body=octets) + octets)
    lookup = Known(Device(which=3).certificate, "test", found=standing)
    return explain(capture, config, Peer("192.0.2.7"), lookup, Options(now_s=NOW_S, system_s=NOW_S))


def summary(report: Report, name: str) -> str:
    return next(step.summary for step in report.steps if step.name == name)


def test_r18_the_key_is_that_of_the_body() -> None:
    device = Device()
    report = explained(device, Standing(pinned=True))
    assert summary(report, "key") == "the certificate in the body, active, 1 certificate"
    assert summary(report, "signature").startswith("verifies as ecdsa-p256-sha256")
    assert report.verdict.reason is None
    assert summary(report, "verdict") == (
        "accepted: the gateway would ask the WFM for an id, and record it before the device gets it (by rule pinned)"
    )


@pytest.mark.parametrize(
    ("standing", "section", "reason"),
    [
        (UNKNOWN, {}, Reason.TRUST_UNTRUSTED),
        (Standing(TOMBSTONE + "old-1"), {}, Reason.KEY_REMOVED),
        (UNKNOWN, {"trust": ("approval",)}, Reason.KEY_PENDING),
        (UNKNOWN, {"mode": "off"}, Reason.REQUEST_ROUTE_OFF),
    ],
)
def test_r19_trust_and_what_is_known_decide(standing: Standing, section: dict[str, object], reason: Reason) -> None:
    assert explained(Device(), standing, **section).verdict.reason is reason


def test_r18_a_body_without_a_certificate_is_the_key_step() -> None:
    report = explained(Device(), body=b'{"certificate": 1}')
    assert report.verdict.reason is Reason.ONBOARDING_BODY
    assert "not a string" in summary(report, "key")


def test_r18_a_signature_of_another_key_is_told() -> None:
    report = explained(Device(), body=body_of(Device(which=1)))
    assert report.verdict.reason is Reason.SIGNATURE_WRONG
    assert summary(report, "key").startswith("the certificate in the body")
