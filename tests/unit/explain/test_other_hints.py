"""Clocks, bodies, coverage, routes, clients and keys: each mistake gets its hint, and the reason is the pipeline's."""

import base64
import hashlib
import json
import zlib

import msgspec
import pytest

from gateway.config import Config
from gateway.explain.report import Report
from gateway.model import Algorithm, Status
from gateway.reasons import Reason
from tests.support.device import Device, raw_signature
from tests.support.drive import config_with
from tests.unit.explain.making import (
    BODY,
    COMPONENTS,
    HOST,
    NOW_S,
    PATH,
    Registered,
    codes,
    digest_of,
    explained,
    make,
)

P256 = Device()
OTHER = Device("dev-2", which=1)
RSA = Device(algorithm=Algorithm.RSA_PSS_SHA512)
OTHER_RSA = Device("dev-3", Algorithm.RSA_PSS_SHA512, which=1)


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def sha256(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


CLOCKS = [
    ("too-old", NOW_S - 1000, Reason.POLICY_TOO_OLD),
    ("clock-ahead", NOW_S + 1000, Reason.POLICY_FUTURE),
    ("time-zone", NOW_S + 7200, Reason.POLICY_FUTURE),
    ("time-zone", NOW_S - 5 * 3600 - 1800, Reason.POLICY_TOO_OLD),
    ("created-unit", NOW_S * 1000, Reason.POLICY_FUTURE),
    ("created-unit", NOW_S * 1_000_000 // 1_000_000 * 1000 + 999, Reason.POLICY_FUTURE),
    ("created-epoch", NOW_S + 2_208_988_800, Reason.POLICY_FUTURE),
    ("clock-unset", 86_400, Reason.POLICY_TOO_OLD),
]


@pytest.mark.parametrize(("code", "created", "reason"), CLOCKS)
def test_clocks(code: str, created: int, reason: Reason) -> None:
    report = explained(make(P256, created=str(created)), P256)
    assert codes(report) == [code]
    assert report.verdict.reason is reason


def test_an_old_capture_can_be_judged_as_of_its_own_time() -> None:
    report = explained(make(P256, created="1700000000"), P256, now_s=None)
    assert report.verdict.accepted
    assert codes(report) == []
    assert any("judged as of created=1700000000" in note for note in report.notes)


@pytest.mark.parametrize("expires", [NOW_S - 10, NOW_S - 300])
def test_expires(expires: int) -> None:
    report = explained(make(P256, created=str(NOW_S - 100), parameters=f";expires={expires}"), P256)
    assert codes(report) == ["expired"]
    assert report.verdict.reason is Reason.POLICY_EXPIRED


JSON = b'{"a": [1, 2], "b": "\xc3\xa9"}'
BODIES: list[tuple[str, bytes, str]] = [
    ("digest-content", b"line", digest_of(b"line\n")),
    ("digest-content", b"line\n", digest_of(b"line")),
    ("digest-content", b"a\r\nb", digest_of(b"a\nb")),
    ("digest-content", b"a\nb", digest_of(b"a\r\nb")),
    ("digest-content", b"abc", digest_of(base64.b64encode(b"abc"))),
    ("digest-content", b"abc", digest_of(b"abc".hex().encode())),
    ("digest-content", b"abc", digest_of(sha256(b"abc"))),
    ("digest-content", b"abc", digest_of(b"")),
    ("digest-content", JSON, digest_of(json.dumps(json.loads(JSON), separators=(",", ":"), ensure_ascii=False).encode())),
    ("digest-content", JSON, digest_of(json.dumps(json.loads(JSON), indent=2).encode())),
    ("digest-content", b'{"b":1,"a":2}', digest_of(b'{"a":2,"b":1}')),
    ("digest-encoding", b"abc", f"sha-256=:{text(sha256(b'abc').hex().encode())}:"),
    ("digest-encoding", b"abc", f"sha-256=:{sha256(b'abc').hex()}:"),
    ("digest-encoding", b"abc", f"sha-256=:{text(text(sha256(b'abc')).encode())}:"),
    ("digest-algorithm", b"abc", f"sha-512=:{text(sha256(b'abc'))}:"),
    ("digest-algorithm", b"abc", f"sha-256=:{text(hashlib.sha512(b'abc').digest())}:"),
    ("digest-mismatch", b"abc", digest_of(b"something else")),
    ("digest-syntax", b"abc", f"sha-256={text(sha256(b'abc'))}"),
    ("digest-syntax", b"abc", f"SHA-256={text(sha256(b'abc'))}"),
    ("digest-syntax", b"abcdefg", f"sha-256=:{base64.urlsafe_b64encode(sha256(b'abcdefg')).decode().rstrip('=')}:"),
    ("digest-syntax", b"abc", f"sha-256={sha256(b'abc').hex()}"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "body", "digest"), BODIES)
def test_digests(code: str, body: bytes, digest: str) -> None:
    report = explained(make(P256, body=body, digest=digest), P256)
    assert codes(report) == [code]
    assert report.hints[0].proven == (code != "digest-mismatch")
    wanted = Reason.DIGEST_MALFORMED if code == "digest-syntax" else Reason.DIGEST_MISMATCH
    assert report.verdict.reason is wanted
    assert digest_of(body) in report.hints[0].device or "sha-512=" in report.hints[0].device


def test_digest_before_content_encoding() -> None:
    packed = zlib.compress(BODY)
    report = explained(make(P256, body=packed, digest=digest_of(BODY), fields=["Content-Encoding: deflate"]), P256)
    assert codes(report) == ["digest-content"]


def test_digest_missing() -> None:
    raw = make(P256, fields=["Digest: SHA-256=abc"], components=COMPONENTS[:3]).replace(
        b"Content-Digest:", b"X-Digest:"
    )
    report = explained(raw, P256)
    assert codes(report) == ["digest-missing", "digest-not-covered"] or codes(report) == [
        "digest-not-covered",
        "digest-missing",
    ]
    assert report.verdict.reason is Reason.DIGEST_MISSING


def test_digest_not_covered() -> None:
    report = explained(make(P256, components=COMPONENTS[:3]), P256)
    assert codes(report) == ["digest-not-covered"]
    assert report.verdict.reason is Reason.DIGEST_NOT_COVERED
    tolerated = explained(make(P256, components=COMPONENTS[:3]), P256, config_with(require_covered_digest=False))
    assert tolerated.verdict.accepted
    assert codes(tolerated) == []


def test_components_missing() -> None:
    report = explained(make(P256, components=("@method", "@path", "content-digest")), P256)
    assert codes(report) == ["not-covered"]
    assert '"@target-uri"' in report.hints[0].device
    assert report.verdict.reason is Reason.POLICY_NOT_COVERED


def test_a_covered_field_that_is_not_there() -> None:
    report = explained(make(P256, components=(*COMPONENTS, "x-device")), P256)
    assert codes(report) == ["component-absent"]
    assert report.verdict.reason is Reason.SIGNATURE_COMPONENT_ABSENT


def test_created_missing() -> None:
    raw = make(P256, signed_params=lambda params: params.replace(f";created={NOW_S}", ""),
               sent_params=lambda params: params.replace(f";created={NOW_S}", ""))  # fmt: skip
    report = explained(raw, P256)
    assert codes(report) == ["created-missing"]
    assert report.verdict.reason is Reason.POLICY_NO_CREATED


PATHS: list[tuple[str, str, str, Config, Reason]] = [
    ("base-path", "POST", "/v1alpha2/margo" + PATH, config_with(), Reason.REQUEST_NO_ROUTE),
    ("base-path", "POST", PATH, config_with(base_path="/v1alpha2/margo"), Reason.REQUEST_NO_ROUTE),
    ("base-path", "POST", "/x/y/edge" + PATH, config_with(base_path="/edge"), Reason.REQUEST_NO_ROUTE),
    ("trailing-slash", "POST", PATH + "/", config_with(), Reason.REQUEST_NO_ROUTE),
    ("method", "PUT", PATH, config_with(), Reason.REQUEST_METHOD),
    ("ambiguous-path", "POST", "/api/v1//clients/dev-1/deployments/d-1/status", config_with(), Reason.REQUEST_PATH),
    ("ambiguous-path", "POST", "/api/v1/clients/a/../dev-1/status", config_with(), Reason.REQUEST_PATH),
]


@pytest.mark.parametrize(("code", "method", "target", "config", "reason"), PATHS)
def test_paths(code: str, method: str, target: str, config: Config, reason: Reason) -> None:
    report = explained(make(P256, method=method, target=target), P256, config)
    assert codes(report) == [code]
    assert report.verdict.reason is reason


@pytest.mark.parametrize(
    ("keyid", "says"),
    [
        (P256.certificate.sha256, "whole certificate"),
        (text(bytes.fromhex(P256.keyid)), "base64"),
        (base64.urlsafe_b64encode(bytes.fromhex(P256.keyid)).decode().rstrip("="), "base64"),
        (":".join(P256.keyid[at : at + 2] for at in range(0, 64, 2)).upper(), "colons"),
        ("sha256:" + P256.keyid, "prefix"),
        ("my-key", "something else"),
    ],
)
def test_keyid_forms(keyid: str, says: str) -> None:
    report = explained(make(P256, keyid=keyid), P256)
    assert report.verdict.accepted
    assert codes(report) == ["keyid-form"]
    assert says in report.hints[0].title
    assert P256.keyid in report.hints[0].device


def test_keyid_that_must_match() -> None:
    report = explained(make(P256, keyid="my-key"), P256, config_with(keyid="match"))
    assert codes(report) == ["keyid-form"]
    assert report.verdict.reason is Reason.KEY_ID


def test_key_of_another_client_is_named() -> None:
    store = Registered(P256.client(), OTHER.client())
    report = explained(make(OTHER), store)
    assert codes(report) == ["other-key"]
    assert report.hints[0].proven
    assert "dev-2" in report.hints[0].title
    assert report.verdict.reason is Reason.SIGNATURE_WRONG


def test_key_of_another_client_is_found_by_scanning() -> None:
    store = Registered(RSA.client(), P256.client(), OTHER_RSA.client())
    report = explained(make(OTHER_RSA), store)
    assert codes(report) == ["other-key"]
    assert "dev-3" in report.hints[0].title
    unscanned = explained(make(OTHER_RSA), Registered(RSA.client(), OTHER_RSA.client()), scan=0)
    assert codes(unscanned) == ["other-key"]
    assert "Another key" in unscanned.hints[0].title


def test_the_key_that_the_keyid_names_is_recovered_from_the_signature() -> None:
    """No store knows it; the signature and the keyid agree."""
    report = explained(make(OTHER), P256)
    assert codes(report) == ["other-key"]
    assert report.hints[0].proven
    assert OTHER.keyid in report.hints[0].proof


def test_a_keyid_that_names_another_key_is_told() -> None:
    raw = make(P256, keyid=OTHER.keyid, sign=lambda base: raw_signature(P256.key, P256.algorithm, b"something else"))
    report = explained(raw, P256)
    assert codes(report) == ["other-key"]
    assert not report.hints[0].proven


@pytest.mark.parametrize("signer", [Device(algorithm=Algorithm.ECDSA_P384_SHA384), RSA])
def test_key_of_another_kind(signer: Device) -> None:
    report = explained(make(signer, keyid=""), P256)
    assert codes(report) == ["signature-size"]
    assert report.verdict.reason is Reason.SIGNATURE_LENGTH


def test_unknown_client() -> None:
    report = explained(make(P256), Registered(OTHER.client()))
    assert codes(report) == ["unknown-client"]
    assert report.verdict.reason is Reason.KEY_UNKNOWN


def test_what_the_device_is_told_of_an_unknown_client_can_be_hidden() -> None:
    report = explained(make(P256), Registered(OTHER.client()), config_with(hide_unknown_clients=True))
    assert report.verdict.reason is Reason.KEY_UNKNOWN
    assert any("hide_unknown_clients" in note for note in report.verdict.notes)


def test_r_and_s_out_of_range() -> None:
    report = explained(make(P256, sign=lambda base: bytes(32) + b"\1" * 32), P256)
    assert report.verdict.reason is Reason.SIGNATURE_RANGE
    facts = dict(next(step for step in report.steps if step.name == "signature").facts)
    assert facts["range"].startswith("signature.out_of_range")


def test_unknown_client_whose_key_is_known_under_another_id() -> None:
    moved = msgspec.structs.replace(P256.client(), client_id="dev-9")
    report = explained(make(P256), Registered(moved))
    assert codes(report) == ["unknown-client"]
    assert "dev-9" in report.hints[0].found


def test_expired_certificate() -> None:
    certificate = msgspec.structs.replace(P256.certificate, not_after=NOW_S - 10)
    store = Registered(msgspec.structs.replace(P256.client(), certificates=(certificate,)))
    report = explained(make(P256), store)
    assert codes(report) == ["certificate-validity"]
    assert report.verdict.reason is Reason.KEY_EXPIRED


def test_revoked_client() -> None:
    report = explained(make(P256), Registered(P256.client(Status.REVOKED)))
    assert report.verdict.reason is Reason.KEY_REVOKED
    assert mark(report, "key") == "fail"
    assert mark(report, "signature") == "ok"


def test_replay() -> None:
    store = Registered(P256.client())
    first = explained(make(P256), store)
    assert first.verdict.accepted
    key = next(value for name, value in next(s for s in first.steps if s.name == "replay").facts if name == "key")
    store.claims.add(b"wfmgw:seen:" + bytes.fromhex(key.removeprefix("wfmgw:seen:")))
    raw = make(P256, sign=lambda base: raw_signature(P256.key, P256.algorithm, base))
    again = explained(raw, store)
    assert again.verdict.reason is Reason.REPLAY_SEEN
    assert codes(again) == ["replayed"]


def mark(report: Report, name: str) -> str:
    return next(step for step in report.steps if step.name == name).mark.value


def plain(*fields: str) -> bytes:
    return "\r\n".join(["GET /api/v1/clients/dev-1/deployments HTTP/1.1", f"Host: {HOST}", *fields, "", ""]).encode()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (plain('Signature: keyId="a",algorithm="rsa-sha256",signature="abc"'), "old-draft"),
        (plain("Signature: sig1=:AAAA:"), "field-missing"),
        (plain('Signature-Input: sig1=("@method");created=1800000000'), "field-missing"),
        (plain("X-Payload-Signature: abc"), "older-margo"),
    ],
)
def test_requests_without_a_signature_of_today(raw: bytes, code: str) -> None:
    report = explained(raw, P256)
    assert codes(report) == [code]
    assert report.verdict.reason is Reason.SIGNATURE_MISSING


def test_an_open_route_needs_nothing() -> None:
    report = explained(f"GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), P256)
    assert report.verdict.accepted
    assert [step.name for step in report.steps] == ["head", "route", "origin", "verdict"]
