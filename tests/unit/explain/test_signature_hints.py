"""For each known mistake of signers: the request that makes it gets its hint, proven by trying, and a right one gets none."""

import base64
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from gateway.explain.report import Report
from gateway.model import Algorithm
from gateway.reasons import Reason
from tests.support.device import Device, raw_signature
from tests.unit.explain.making import BODY, COMPONENTS, PATH, codes, der, explained, make, rsa_signer

P256 = Device()
P384 = Device(algorithm=Algorithm.ECDSA_P384_SHA384)
RSA = Device(algorithm=Algorithm.RSA_PSS_SHA512)
ED25519 = Device(algorithm=Algorithm.ED25519)
QUERY = PATH + "?b=2&a=1"


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def swapped(octets: bytes) -> bytes:
    half = len(octets) // 2
    return octets[half:] + octets[:half]


def little(octets: bytes) -> bytes:
    half = len(octets) // 2
    return octets[:half][::-1] + octets[half:][::-1]


def unhashed(base: bytes) -> bytes:
    r, s = decode_dss_signature(der(P256, Prehashed(hashes.SHA256()))(base[:32]))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def with_other_hash(base: bytes) -> bytes:
    r, s = decode_dss_signature(der(P256, hashes.SHA384())(base))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def with_lost_zero(base: bytes) -> bytes:
    while True:
        octets = raw_signature(P256.key, P256.algorithm, base)
        if octets[0] == 0:
            return octets[1:]


def sha256(base: bytes) -> bytes:
    return hashlib.sha256(base).digest()


def reordered(params: str) -> str:
    inner, created, keyid = params.split(";")
    return ";".join([inner, keyid, created])


MISTAKES: list[tuple[str, Device, dict[str, Any]]] = [
    # The octets of the signature and how they are written.
    ("ecdsa-der", P256, {"sign": der(P256)}),
    ("ecdsa-der", P384, {"sign": der(P384)}),
    ("leading-zero-lost", P256, {"sign": with_lost_zero}),
    ("ecdsa-octet-order", P256, {"encode": lambda octets: f":{text(swapped(octets))}:"}),
    ("ecdsa-octet-order", P256, {"encode": lambda octets: f":{text(little(octets))}:"}),
    ("base64url", P256, {"encode": lambda octets: f":{base64.urlsafe_b64encode(b'x' + octets).decode()}:", "sign": None}),
    ("base64-padding", P256, {"encode": lambda octets: f":{text(octets).rstrip('=')}:"}),
    ("signature-hex", P256, {"encode": lambda octets: f":{octets.hex()}:"}),
    ("signature-hex", RSA, {"encode": lambda octets: f":{octets.hex()}:"}),
    ("signature-hex", ED25519, {"encode": lambda octets: f":{text(octets.hex().encode())}:"}),
    ("base64-twice", P256, {"encode": lambda octets: f":{text(text(octets).encode())}:"}),
    ("signature-colons", P256, {"encode": text}),
    ("signature-colons", P256, {"encode": lambda octets: f'"{text(octets)}"'}),
    ("label-missing", P256, {"signature_field": "Signature: {value}"}),
    ("label-missing", P256, {"input_field": "Signature-Input: {value}"}),
    ("label-case", P256, {"label": "Sig1"}),
    # Signature-Input.
    ("component-quotes", P256, {"sent_params": lambda params: params.replace('"', "", 8), "line": "{}: {}".format}),
    ("component-quotes", P256, {"sent_params": lambda params: params.replace('"', "'", 8)}),
    ("component-commas", P256, {"sent_params": lambda params: params.replace('" "', '", "')}),
    ("parameter-quotes", P256, {"sent_params": lambda params: params.replace('keyid="', "keyid=")[:-1], "keyid": "abc"}),
    ("created-text", P256, {"created": '"1800000000"'}),
    ("capital-component", P256, {"components": (*COMPONENTS[:3], "Content-Digest")}),
    ("capital-component", P256, {"components": (*COMPONENTS, "Content-Type"), "fields": ["Content-Type: text/plain"]}),
    # The signature base.
    ("trailing-newline", P256, {"base": lambda base: base + b"\n"}),
    ("trailing-newline", P384, {"base": lambda base: base + b"\n"}),
    ("trailing-newline", RSA, {"base": lambda base: base + b"\n"}),
    ("crlf-base", P256, {"base": lambda base: base.replace(b"\n", b"\r\n")}),
    ("crlf-base", ED25519, {"base": lambda base: base.replace(b"\n", b"\r\n") + b"\r\n"}),
    ("params-line-missing", P256, {"base": lambda base: base.rpartition(b"\n")[0]}),
    ("params-line-missing", P256, {"base": lambda base: base.rpartition(b"\n")[0] + b"\n"}),
    ("colon-space", P256, {"line": '"{}":{}'.format}),
    ("newlines-missing", P256, {"base": lambda base: base.replace(b"\n", b"")}),
    ("name-quotes", P256, {"line": "{}: {}".format}),
    ("name-case", P256, {"line": lambda name, value: f'"{name if name[0] == "@" else name.title()}": {value}'}),
    ("parameter-order", P256, {"signed_params": reordered}),
    ("parameter-added-later", P256, {"signed_params": lambda params: params.partition(";keyid")[0]}),
    ("parameter-added-later", P256, {"parameters": ';alg="ecdsa-p256-sha256"', "signed_params": lambda params: params.partition(";alg")[0]}),
    ("parameter-lost", P256, {"signed_params": lambda params: params + ';alg="ecdsa-p256-sha256"'}),
    ("params-label", P256, {"signed_params": lambda params: "sig1=" + params}),
    ("params-list-missing", P256, {"signed_params": lambda params: params.partition(");")[2]}),
    ("params-spaces", P256, {"sent_params": lambda params: params.replace(";", "; "), "signed_params": lambda params: params.replace(";", "; ")}),
    ("component-order", P256, {"base": lambda base: b"\n".join([*base.split(b"\n")[1::-1], *base.split(b"\n")[2:]])}),
    ("component-not-signed", P256, {"base": lambda base: b"\n".join(base.split(b"\n")[1:])}),
    # Values of components.
    ("method-case", P256, {"signed": {"@method": "post"}}),
    ("target-uri-form", P256, {"signed": {"@target-uri": PATH}}),
    ("target-uri-form", P256, {"target": QUERY, "signed": {"@target-uri": f"https://wfm.example.com{PATH}"}}),
    ("digest-spelled", P256, {"signed": {"content-digest": "digest"}, "digest": None}),
    # What is signed, and how.
    ("prehashed", P256, {"base": sha256}),
    ("prehashed", P384, {"base": lambda base: sha256(base).hex().encode()}),
    ("prehashed", RSA, {"base": sha256}),
    ("prehashed", RSA, {"base": lambda base: hashlib.sha512(base).hexdigest().encode()}),
    ("prehashed", ED25519, {"base": sha256}),
    ("prehashed", P256, {"base": base64.b64encode}),
    ("prehashed", P256, {"base": lambda base: base.hex().encode()}),
    ("prehashed", P256, {"sign": unhashed}),
    ("wrong-hash", P256, {"sign": with_other_hash}),
    ("pss-salt-length", RSA, {"sign": rsa_signer(RSA, padding.PSS(padding.MGF1(hashes.SHA256()), 222), hashes.SHA256())}),
    ("pss-salt-length", RSA, {"sign": rsa_signer(RSA, padding.PSS(padding.MGF1(hashes.SHA512()), 0), hashes.SHA512())}),
    ("rsa-pss-hash", RSA, {"sign": rsa_signer(RSA, padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256())}),
    ("rsa-pss-hash", RSA, {"sign": rsa_signer(RSA, padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())}),
    ("rsa-padding", RSA, {"sign": rsa_signer(RSA, padding.PKCS1v15(), hashes.SHA512())}),
    ("rsa-padding", RSA, {"sign": rsa_signer(RSA, padding.PKCS1v15(), hashes.SHA256()), "parameters": ';alg="rsa-pss-sha512"'}),
    ("rsa-padding", RSA, {"parameters": ';alg="rsa-v1_5-sha256"'}),
    ("alg-name", P256, {"parameters": ';alg="ES256"'}),
    ("alg-name", RSA, {"parameters": ';alg="RS256"'}),
    ("alg-name", P256, {"parameters": ';alg="ecdsa-p256"'}),
    ("alg-key", P256, {"parameters": ';alg="rsa-pss-sha512"'}),
]  # fmt: skip


def prepared(code: str, device: Device, wrong: dict[str, Any]) -> bytes:
    """Some mistakes depend on the request itself, or show only in some signatures."""
    if code == "digest-spelled":
        wrong = {**wrong, "signed": {"content-digest": text(hashlib.sha256(BODY).digest())}}
    if code == "base64url":
        while True:
            raw = make(device, encode=lambda octets: f":{base64.urlsafe_b64encode(octets).decode()}:")
            value = raw.partition(b"Signature: ")[2]
            if b"-" in value or b"_" in value:
                return raw
    return make(device, **wrong)


@pytest.mark.parametrize(
    ("code", "device", "wrong"), MISTAKES, ids=[f"{number}-{code}" for number, (code, _, _) in enumerate(MISTAKES)]
)
def test_hint(code: str, device: Device, wrong: dict[str, Any]) -> None:
    report = explained(prepared(code, device, wrong), device)
    assert codes(report) == [code]
    hint = report.hints[0]
    assert hint.proven
    assert hint.device
    assert not report.verdict.accepted


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("alg", [False, True])
@pytest.mark.parametrize("target", [PATH, QUERY, "https://wfm.example.com" + PATH])
def test_a_right_request_has_no_hint(algorithm: Algorithm, alg: bool, target: str) -> None:
    device = Device(algorithm=algorithm)
    parameters = f';alg="{algorithm}"' if alg else ""
    uri = target if target.startswith("https") else f"https://wfm.example.com{target}"
    report = explained(make(device, target=target, parameters=parameters, signed={"@target-uri": uri}), device)
    assert report.verdict.reason is None
    assert codes(report) == []
    assert report.signed_base == report.base


def test_two_mistakes_are_found_together() -> None:
    report = explained(make(P256, sign=der(P256), base=lambda base: base + b"\n"), P256)
    assert sorted(codes(report)) == ["ecdsa-der", "trailing-newline"]
    assert all(hint.proven for hint in report.hints)


def test_der_is_told_even_where_nothing_verifies() -> None:
    report = explained(make(P256, sign=lambda base: der(P256)(b"something else")), P256)
    assert codes(report)[0] == "ecdsa-der"
    assert not report.hints[0].proven
    assert report.verdict.reason is Reason.SIGNATURE_LENGTH


def test_padding_is_told_even_where_nothing_verifies() -> None:
    salt = rsa_signer(RSA, padding.PSS(padding.MGF1(hashes.SHA512()), 20), hashes.SHA512())
    report = explained(make(RSA, sign=lambda base: salt(b"something else")), RSA)
    assert codes(report) == ["pss-salt-length"]
    assert not report.hints[0].proven


def test_what_was_signed_is_shown() -> None:
    report = explained(make(P256, signed={"@method": "post"}), P256)
    assert report.base is not None
    assert report.signed_base == report.base.replace(b"POST", b"post")


def test_attempts_are_bounded() -> None:
    report = explained(make(P256, sign=lambda base: raw_signature(P256.key, P256.algorithm, b"something else")), P256)
    assert codes(report) == []
    assert 100 < report.attempts <= 1500


def marks(report: Report) -> dict[str, str]:
    return {step.name: step.mark.value for step in report.steps}


def test_later_steps_are_shown_after_the_first_failure() -> None:
    report = explained(make(P256, method="PUT", created="1700000000"), P256)
    assert report.verdict.reason is Reason.REQUEST_METHOD
    found = marks(report)
    assert found["route"] == "fail"
    assert found["policy"] == "fail"
    assert found["signature"] == "ok"
    assert found["digest"] == "ok"
