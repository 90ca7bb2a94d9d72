"""What we sign verifies with a library by others, and looks as the reference device's requests do."""

import base64
import hashlib
from typing import Any

import http_message_signatures
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureAlgorithm, MappingKeyResolver, algorithms

from gateway.model import Algorithm
from gateway.reasons import ConfigError, Reason
from gateway.signing import PrivateKey, Request, SignedRequest, SignOptions, keyid_of, sign, split_url

URL = "https://wfm.example.com/api/v1/clients/dev-1/deployments/d/status"
BODY = b'{"status":{"state":"installed"}}'
CREATED = 1_700_000_000


class PssSha256(HTTPSignatureAlgorithm):
    """Margo's algorithm that no registry has, told to the other library."""

    algorithm_id = "rsa-pss-sha256"

    def __init__(self, public_key: Any = None, private_key: Any = None, password: Any = None) -> None:
        assert isinstance(public_key, rsa.RSAPublicKey)
        self._key = public_key

    def verify(self, signature: bytes, message: bytes) -> None:
        self._key.verify(signature, message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


OTHERS: dict[Algorithm, type[HTTPSignatureAlgorithm]] = {
    Algorithm.ECDSA_P256_SHA256: algorithms.ECDSA_P256_SHA256,
    Algorithm.ECDSA_P384_SHA384: algorithms.ECDSA_P384_SHA384,
    Algorithm.RSA_V1_5_SHA256: algorithms.RSA_V1_5_SHA256,
    Algorithm.RSA_PSS_SHA256: PssSha256,
    Algorithm.RSA_PSS_SHA512: algorithms.RSA_PSS_SHA512,
    Algorithm.ED25519: algorithms.ED25519,
}


class Message:
    """A signed request as the other library wants to see it."""

    def __init__(self, signed: SignedRequest) -> None:
        self.method = signed.method
        self.url = f"{signed.scheme}://{signed.authority}{signed.target}"
        self.headers = dict(signed.fields)


def checked(signed: SignedRequest, key: PrivateKey, algorithm: Algorithm) -> http_message_signatures.VerifyResult:
    resolver = MappingKeyResolver(private_keys={}, public_keys={keyid_of(key): key.public_key()})
    verifier = HTTPMessageVerifier(signature_algorithm=OTHERS[algorithm], key_resolver=resolver)
    (result,) = verifier.verify(Message(signed), max_age=None, body=signed.body or None)
    return result


def test_another_library_accepts_every_algorithm(keys: dict[Algorithm, PrivateKey], algorithm: Algorithm) -> None:
    key = keys[algorithm]
    options = SignOptions(created=CREATED, alg=algorithm, send_alg=True, nonce='n"1\\', tag="t", expires=4_102_444_800)
    signed = sign(Request("POST", URL, BODY), key, options)
    result = checked(signed, key, algorithm)
    assert result.parameters["alg"] == algorithm.value
    assert result.parameters["nonce"] == 'n"1\\'
    assert signed.algorithm is algorithm


def test_the_check_itself_can_fail(keys: dict[Algorithm, PrivateKey], algorithm: Algorithm) -> None:
    key = keys[algorithm]
    signed = sign(Request("POST", URL, BODY), key, SignOptions(created=CREATED, alg=algorithm))
    other = SignedRequest("PUT", *(getattr(signed, name) for name in SignedRequest.__struct_fields__[1:]))
    with pytest.raises(http_message_signatures.InvalidSignature):
        checked(other, key, algorithm)


def test_defaults_are_the_reference_devices(keys: dict[Algorithm, PrivateKey]) -> None:
    key = keys[Algorithm.ECDSA_P256_SHA256]
    signed = sign(
        Request("POST", URL, BODY, (("Content-Type", "application/json"),)), key, SignOptions(created=CREATED)
    )
    assert [name for name, _ in signed.fields] == [
        "Host",
        "Content-Type",
        "Content-Length",
        "Content-Digest",
        "Signature-Input",
        "Signature",
    ]
    assert signed.field("signature-input") == (
        f'sig1=("@method" "@target-uri" "@authority" "content-digest");created={CREATED};keyid="{keyid_of(key)}"'
    )
    digest = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    assert signed.field("Content-Digest") == f"sha-256=:{digest}:"


def test_without_a_body_there_is_no_digest(keys: dict[Algorithm, PrivateKey]) -> None:
    signed = sign(Request("GET", URL), keys[Algorithm.ED25519], SignOptions(created=CREATED, label="sig", keyid=""))
    assert signed.field("Content-Digest") is None
    assert signed.field("Content-Length") is None
    assert signed.field("Signature-Input") == f'sig=("@method" "@target-uri" "@authority");created={CREATED}'


def test_rsa_without_alg_is_pss_sha512(keys: dict[Algorithm, PrivateKey]) -> None:
    key = keys[Algorithm.RSA_V1_5_SHA256]
    signed = sign(Request("GET", URL), key, SignOptions(created=CREATED))
    assert signed.algorithm is Algorithm.RSA_PSS_SHA512
    checked(signed, key, Algorithm.RSA_PSS_SHA512)


def test_parameters_come_in_the_order_of_the_reference_device(keys: dict[Algorithm, PrivateKey]) -> None:
    options = SignOptions(created=1, expires=2, keyid="k", nonce="n", tag="t", send_alg=True)
    signed = sign(Request("GET", URL), keys[Algorithm.ED25519], options)
    value = signed.field("Signature-Input")
    assert value is not None
    assert value.partition(");")[2] == 'created=1;expires=2;keyid="k";alg="ed25519";nonce="n";tag="t"'


def test_components_with_parameters_and_fields(keys: dict[Algorithm, PrivateKey]) -> None:
    options = SignOptions(
        created=None, components=("@method", '"@query-param";name="a"', "x-one", '"x-one";bs'), keyid="k"
    )
    signed = sign(Request("GET", URL + "?a=1&b=2", fields=(("X-One", "1, 2"),)), keys[Algorithm.ED25519], options)
    assert signed.base.decode().splitlines() == [
        '"@method": GET',
        '"@query-param";name="a": 1',
        '"x-one": 1, 2',
        '"x-one";bs: :MSwgMg==:',
        '"@signature-params": ("@method" "@query-param";name="a" "x-one" "x-one";bs);keyid="k"',
    ]


def test_the_authority_is_signed_as_given(keys: dict[Algorithm, PrivateKey]) -> None:
    """R7: devices neither lower-case it nor drop the port, and the base must show the same."""
    url = "https://WFM.Example.com:443/a%2Fb?"
    signed = sign(Request("GET", url), keys[Algorithm.ED25519], SignOptions(created=CREATED))
    assert f'"@target-uri": {url}\n"@authority": WFM.Example.com:443\n' in signed.base.decode()
    assert signed.field("Host") == "WFM.Example.com:443"


def test_digests_by_choice(keys: dict[Algorithm, PrivateKey]) -> None:
    key = keys[Algorithm.ED25519]
    both = sign(Request("POST", URL, BODY), key, SignOptions(created=1, digests=("sha-512", "sha-256")))
    found = both.field("Content-Digest")
    assert found is not None
    assert found.startswith("sha-512=:")
    assert ", sha-256=:" in found
    none = sign(Request("POST", URL, BODY), key, SignOptions(created=1, digests=()))
    assert none.field("Content-Digest") is None
    given = Request("POST", URL, BODY, (("Content-Digest", "sha-256=:AA==:"),))
    assert sign(given, key, SignOptions(created=1)).field("Content-Digest") == "sha-256=:AA==:"


@pytest.mark.parametrize(
    ("request_", "options", "sentence"),
    [
        (Request("GET", URL), {"components": ("x-absent",)}, "signature.component_missing"),
        (Request("GET", URL), {"components": ("@method", "@method")}, "signature.duplicate_component"),
        (Request("GET", URL), {"components": ("Content-Digest",)}, "signature.component_case"),
        (Request("GET", URL), {"components": ()}, "signature.empty_coverage"),
        (Request("GET", URL), {"components": ("@nothing",)}, "signature.unknown_component"),
        (Request("GET", URL), {"components": ('"@method" "x"); (',)}, "signature.malformed_input"),
        (Request("GET", URL), {"label": "Sig"}, "the label 'Sig' must be"),
        (Request("GET", URL), {"nonce": "ä"}, "the nonce 'ä' is not printable ASCII"),
        (
            Request("GET", URL),
            {"alg": Algorithm.RSA_V1_5_SHA256},
            "the key cannot sign rsa-v1_5-sha256; it can sign ed25519",
        ),
        (Request("POST", URL, BODY), {"digests": ("md5",)}, "'md5' is not a digest algorithm"),
        (Request("G T", URL), {}, "'G T' is not an HTTP method"),
        (Request("GET", URL, fields=(("A b", "c"),)), {}, "'A b' has a malformed name"),
        (Request("GET", URL, fields=(("A", "b\r\nC: d"),)), {}, "'A' has a malformed name or value"),
        (Request("GET", URL, fields=(("host", "x"),)), {}, "cannot be given"),
        (Request("GET", "ftp://x/"), {}, "is not an http or https URL"),
        (Request("GET", "https://x/#f"), {}, "without a fragment"),
        (Request("GET", "https://u:p@x/"), {}, "user name or password"),
        (Request("GET", "https://x/a b"), {}, "percent-encode it"),
    ],
)
def test_mistakes_are_one_sentence(
    keys: dict[Algorithm, PrivateKey], request_: Request, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        sign(request_, keys[Algorithm.ED25519], SignOptions(created=CREATED, **options))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert sentence in caught.value.message
    assert not caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://a", ("https", "a", "/")),
        ("HTTP://A:80/b", ("http", "A:80", "/b")),
        ("https://a?x", ("https", "a", "/?x")),
        ("https://a/b/../c?d=%2F&e", ("https", "a", "/b/../c?d=%2F&e")),
        ("https://[::1]:8443/b?", ("https", "[::1]:8443", "/b?")),
    ],
)
def test_split_url_changes_nothing(url: str, parts: tuple[str, str, str]) -> None:
    assert split_url(url) == parts
