"""Before a socket opens: signatures that RFC 9421 prints must verify, and must stop to verify when one bit is
changed."""

import base64
import hashlib
from typing import Final, NamedTuple

from gateway._native import Refused, parse_head, select
from gateway.model import Algorithm, Certificate, KeyType
from gateway.reasons import ConfigError, Reason
from gateway.signature.batch import LANES
from gateway.signature.engine import Engine
from gateway.signature.verify import prepare

_REQUEST: Final = (
    b"POST /foo?param=Value&Pet=dog HTTP/1.1\r\n"
    b"Host: example.com\r\n"
    b"Date: Tue, 20 Apr 2021 02:07:55 GMT\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Digest: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaP"
    b"m+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\r\n"
    b"Content-Length: 18\r\n"
)
"""RFC 9421 appendix B.2, test-request."""


class _Printed(NamedTuple):
    """A signature as printed in `section` of RFC 9421, with its key (SPKI, base64)."""

    section: str
    algorithm: Algorithm
    key_type: KeyType
    bits: int
    spki: str
    parameters: str
    signature: str


_PRINTED: Final = (
    _Printed(
        "B.2.2",
        Algorithm.RSA_PSS_SHA512,
        KeyType.RSA,
        2048,
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+"
        "Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgc"
        "hwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9"
        "v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB",
        '("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss"'
        ';tag="header-example"',
        "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+EC"
        "xCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7C"
        "l+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQ"
        "l3/XaVe4bXTugEjHSw==",
    ),
    _Printed(
        "B.2.6",
        Algorithm.ED25519,
        KeyType.ED25519,
        256,
        "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
        '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473'
        ';keyid="test-key-ed25519"',
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
    ),
    _Printed(
        "4.3",
        Algorithm.ECDSA_P256_SHA256,
        KeyType.P256,
        256,
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdl"
        "dkkDXZCnTNnoXQ==",
        '("@method" "@authority" "@path" "content-digest" "content-type" "content-length");created=1618884475'
        ';keyid="test-key-ecc-p256"',
        "X5spyd6CFnAG5QnDyHfqoSNICd+BUP4LYMz2Q0JXlb//4Ijpzp+kve2w4NIyqeAuM7jTDX+sNalzA8ESSaHD3A==",
    ),
)


def run(engine: Engine) -> None:
    """Verify each printed signature, and refuse it once with a changed octet.

    :raises ConfigError: config.native_module: this build must not be trusted with a request
    """
    for printed in _PRINTED:
        if False in _answers(printed, engine, _REQUEST):
            raise _failure(f"the signature of RFC 9421 section {printed.section} is refused")
        changed = printed.signature[:8] + ("A" if printed.signature[8] != "A" else "B") + printed.signature[9:]
        if True in _answers(printed._replace(signature=changed), engine, _REQUEST):
            raise _failure(f"a changed signature of RFC 9421 section {printed.section} is accepted")


def _failure(what: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_NATIVE, f"self-test failed: {what}")


def _answers(printed: _Printed, engine: Engine, request: bytes) -> list[bool]:
    """As many answers as one batch has lanes."""
    spki = base64.b64decode(printed.spki)
    spki_sha256 = hashlib.sha256(spki).hexdigest()
    certificate = Certificate("", spki, spki_sha256, printed.key_type, printed.bits, 0, 0)
    fields = f"Signature-Input: sig={printed.parameters}\r\nSignature: sig=:{printed.signature}:\r\n\r\n"
    head = parse_head(request + fields.encode())
    try:
        candidate = select(head)[0]
        base = candidate.base(b"https", b"example.com")
        return engine.verify([prepare(candidate, certificate, printed.algorithm, base)] * LANES)
    except Refused:
        return [False]
