"""Project Wycheproof, every file that one of our algorithms can be given.

Left out: HMAC; SHA-512 with P-256 or PKCS #1 v1.5, which no RFC 9421 algorithm is. The DER files of ECDSA are run to see every
value of theirs refused: RFC 9421 has r and s side by side, and a DER value of another meaning must not slip through.
`acceptable` (RSA, the NULL of the AlgorithmIdentifier left out) must be refused: RFC 8017 §9.2 encodes the NULL.
"""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.model import Algorithm, Certificate
from tests.vectors.keys import HOLDS, certificate, verdict
from tests.vectors.shared import load, needs

pytestmark = needs("wycheproof")

FOLDER = "wycheproof/testvectors_v1"
V1_5 = Algorithm.RSA_V1_5_SHA256
PSS_256 = Algorithm.RSA_PSS_SHA256
PSS_512 = Algorithm.RSA_PSS_SHA512

# File, algorithm, number of tests in it.
FILES = [
    ("ecdsa_secp256r1_sha256_p1363", Algorithm.ECDSA_P256_SHA256, 262),
    ("ecdsa_secp384r1_sha384_p1363", Algorithm.ECDSA_P384_SHA384, 280),
    ("ed25519", Algorithm.ED25519, 151),
    ("rsa_signature_2048_sha256", V1_5, 259),
    ("rsa_signature_3072_sha256", V1_5, 259),
    ("rsa_signature_4096_sha256", V1_5, 258),
    ("rsa_pss_2048_sha256_mgf1_32", PSS_256, 108),
    ("rsa_pss_3072_sha256_mgf1_32", PSS_256, 108),
    ("rsa_pss_4096_sha512_mgf1_64", PSS_512, 179),
    ("rsa_pss_4096_sha512_mgf1_64_params", PSS_512, 179),
]

# Other salts, other hashes inside: every test, the valid ones too, must be refused under both of our PSS algorithms.
OTHER_PARAMETERS = [
    ("rsa_pss_2048_sha256_mgf1_0", 103),
    ("rsa_pss_4096_sha512_mgf1_32", 177),
    ("rsa_pss_2048_sha512_mgf1sha256_32_params", 178),
]
MIXED_PARAMETERS = [("rsa_pss_misc", 150), ("rsa_pss_misc_params", 150)]
DER = [
    ("ecdsa_secp256r1_sha256", Algorithm.ECDSA_P256_SHA256, 484),
    ("ecdsa_secp384r1_sha384", Algorithm.ECDSA_P384_SHA384, 504),
]


def groups(name: str) -> list[Any]:
    found: Any = load(f"{FOLDER}/{name}_test.json")
    return list(found["testGroups"]) if found else []


def entries(name: str) -> list[Any]:
    return [(group, test) for group in groups(name) for test in group["tests"]]


def held_by(group: Any) -> Certificate:
    public = group["publicKey"]
    if isinstance(public, dict) and "modulus" in public:
        # Some files give the key as id-RSASSA-PSS; a certificate's SPKI is compared by its numbers alone here.
        return certificate(RSAPublicNumbers(int(public["publicExponent"], 16), int(public["modulus"], 16)).public_key())
    return certificate(load_der_public_key(bytes.fromhex(group["publicKeyDer"])))


def of(group: Any, test: Any, algorithm: Algorithm) -> str:
    return verdict(held_by(group), algorithm, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))


def parameters(files: list[Any]) -> list[Any]:
    return [
        pytest.param(algorithm, group, test, id=f"{name}-{test['tcId']}")
        for name, algorithm, _ in files
        for group, test in entries(name)
    ]


def test_every_test_is_run() -> None:
    assert [(name, algorithm, len(entries(name))) for name, algorithm, _ in FILES] == FILES
    assert [(name, algorithm, len(entries(name))) for name, algorithm, _ in DER] == DER
    for name, count in [*OTHER_PARAMETERS, *MIXED_PARAMETERS]:
        assert len(entries(name)) == count


@pytest.mark.parametrize(("algorithm", "group", "test"), parameters(FILES))
def test_signatures(algorithm: Algorithm, group: Any, test: Any) -> None:
    found = of(group, test, algorithm)
    if test["result"] == "valid":
        assert found == HOLDS
    else:
        assert found in ("signature.wrong", "signature.bad_length", "signature.out_of_range")


@pytest.mark.parametrize(("algorithm", "group", "test"), parameters(DER))
def test_der_is_refused(algorithm: Algorithm, group: Any, test: Any) -> None:
    expected = {"signature.bad_length"}
    if len(test["sig"]) // 2 == 2 * group["publicKey"]["keySize"] // 8:
        expected |= {"signature.wrong", "signature.out_of_range"}
    assert of(group, test, algorithm) in expected


@pytest.mark.parametrize("name", [name for name, _ in OTHER_PARAMETERS])
@pytest.mark.parametrize("algorithm", [PSS_256, PSS_512])
def test_other_pss_parameters_are_refused(name: str, algorithm: Algorithm) -> None:
    # R11: the salt length is exact.
    valid = [(group, test) for group, test in entries(name) if test["result"] == "valid"]
    assert valid
    assert {of(group, test, algorithm) for group, test in valid} == {"signature.wrong"}


@pytest.mark.parametrize("name", [name for name, _ in MIXED_PARAMETERS])
def test_of_mixed_pss_parameters_only_ours_hold(name: str) -> None:
    holding = {
        (group["sha"], group["mgfSha"], group["sLen"], algorithm)
        for group, test in entries(name)
        for algorithm in (PSS_256, PSS_512)
        if of(group, test, algorithm) == HOLDS
    }
    ours = {("SHA-256", "SHA-256", 32, PSS_256), ("SHA-512", "SHA-512", 64, PSS_512)}
    there = {(group["sha"], group["mgfSha"], group["sLen"]) for group in groups(name)}
    assert holding == {entry for entry in ours if entry[:3] in there}
    assert holding


def test_a_signature_of_one_algorithm_is_not_one_of_another() -> None:
    (group, test) = next((g, t) for g, t in entries("rsa_signature_2048_sha256") if t["result"] == "valid")
    assert [of(group, test, algorithm) for algorithm in (V1_5, PSS_256, PSS_512)] == [
        HOLDS,
        "signature.wrong",
        "signature.wrong",
    ]
