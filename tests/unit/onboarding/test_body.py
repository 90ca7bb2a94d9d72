"""R18: one JSON object, each name once however it is spelled, one certificate in one of three forms, nothing behind it."""

import base64
import json

import pytest

from gateway._native import Refused
from gateway.onboarding.body import read_presented
from gateway.reasons import Reason
from tests.support.certificates import OPENSSL_V1_PEM, certificate, ec_spki, p256_spki, pem

DER = certificate(p256_spki())
PEM = pem(DER)
B64_DER = base64.b64encode(DER).decode()
B64_PEM = base64.b64encode(PEM).decode()
FORMS = {"base64-der": B64_DER, "base64-pem": B64_PEM, "pem": PEM.decode()}
CURRENT = {"apiVersion": "onboarding.margo.org/v1alpha1", "kind": "OnboardingRequest"}


def reason(body: bytes) -> Reason | None:
    try:
        read_presented(body)
    except Refused as refused:
        return Reason(refused.reason)
    return None


def with_certificate(value: object, **more: object) -> bytes:
    return json.dumps({**CURRENT, "certificate": value, **more}).encode()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["certificate", "public_certificate"])
def test_r18_both_shapes_and_all_three_forms(form: str, name: str) -> None:
    presented = read_presented(json.dumps({name: FORMS[form]}).encode(), 0.5)
    assert presented.der == DER
    assert presented.older is (name == "public_certificate")
    assert presented.took_s == 0.5
    assert presented.certificate.spki in DER


@pytest.mark.parametrize("space", ["\n", "\r\n", " \t"])
def test_r18_white_space_of_json_is_no_trailing_octet(space: str) -> None:
    # Go's encoder ends with a line feed.
    assert reason(space.encode() + with_certificate(B64_DER) + space.encode()) is None


def test_r18_base64_may_be_wrapped() -> None:
    wrapped = base64.encodebytes(DER).decode()
    assert "\n" in wrapped.strip()
    assert read_presented(with_certificate(wrapped)).der == DER


def test_what_openssl_makes_by_default_is_read() -> None:
    assert reason(with_certificate(base64.b64encode(OPENSSL_V1_PEM).decode())) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"null",
        b"{",
        b"{}",
        b'{"kind":"OnboardingRequest"}',
        b'{"certificate":null}',
        b'{"certificate":["a"]}',
        b'{"certificate":"a","certificate":"a"}',
        b'{"certificate":"a","Certificate":"a"}',
        b'{"certificate":"a","CERTIFICATE":"a"}',
        b'{"certificate":"a","public_certificate":"a"}',
        b'{"certificate":"a","PUBLIC_CERTIFICATE":"a"}',
        # Escapes spell the same name; U+017F and U+212A fold to s and k, as Go's decoder folds them.
        b'{"certificate":"a","\\u0063ertificate":"a"}',
        '{"kind":"a","\u212aind":"a","certificate":"a"}'.encode(),
        b'{"certificate":"a","spec":{"a":1,"A":2}}',
        b'{"certificate":"a","x":[{"a":1,"a":2}]}',
        b'{"certificate":"a"}{}',
        b'{"certificate":"a"}x',
        b'{"certificate":"a"}\0',
        b'{"certificate":"a",}',
        b'{"certificate":"a","x":NaN}',
        b'{"certificate":"a","x":-Infinity}',
        b'{"certificate":"a\n"}',
        b"\xef\xbb\xbf" + b'{"certificate":"a"}',
        b'{"certificate":"\xff"}',
        '{"certificate":"a"}'.encode("utf-16"),
        '{"certificate":"a"}'.encode("utf-32"),
        b'{"certificate":' + b"[" * 20_000,
        b'{"x":' + b"9" * 20_000 + b"}",
    ],
)
def test_r18_whatever_can_be_read_in_two_ways_is_a_bad_body(body: bytes) -> None:
    assert reason(body.replace(b'"certificate":"a"', b'"certificate":"' + B64_DER.encode() + b'"')) is (
        Reason.ONBOARDING_BODY
    )


@pytest.mark.parametrize("name", ["Certificate", "CERTIFICATE", "Public_Certificate"])
def test_r18_a_name_in_another_case_is_not_the_member(name: str) -> None:
    assert reason(json.dumps({name: B64_DER}).encode()) is Reason.ONBOARDING_BODY


OTHER = certificate(p256_spki())


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "====",
        B64_DER[:-8],
        B64_DER + "AAAA",
        "AAAA" + B64_DER,
        B64_DER + "=",
        B64_DER.replace("/", "_").replace("+", "-") + "-_",
        base64.b64encode(DER + b"\0").decode(),
        base64.b64encode(b"\n" + DER).decode(),
        base64.b64encode(DER + OTHER).decode(),
        base64.b64encode(B64_DER.encode()).decode(),
        base64.b64encode(PEM + pem(OTHER)).decode(),
        (PEM + pem(OTHER)).decode(),
        (PEM + PEM).decode(),
        (PEM + pem(OTHER, "TRUSTED CERTIFICATE")).decode(),
        (pem(OTHER, "X509 CERTIFICATE") + PEM).decode(),
        pem(DER, "TRUSTED CERTIFICATE").decode(),
        "subject=device\n" + PEM.decode(),
        PEM.decode() + "x",
        PEM.decode().replace("-----END CERTIFICATE-----", ""),
        base64.b64encode(b"text before\n" + PEM).decode(),
        pem(b"\x30\x00").decode(),
        "\udc00",
        B64_DER[:100] + "\u00e9" + B64_DER[100:],
    ],
)
def test_r18_exactly_one_certificate(text: str) -> None:
    assert reason(with_certificate(text)) is Reason.ONBOARDING_CERTIFICATE


def test_a_weak_key_has_a_reason_of_its_own() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    weak = certificate(ec_spki(ec.SECP224R1()))
    assert reason(with_certificate(base64.b64encode(weak).decode())) is Reason.TRUST_WEAK_KEY
