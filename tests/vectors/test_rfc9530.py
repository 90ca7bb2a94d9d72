"""RFC 9530: what Content-Digest says, and whether it fits the content; examples transcribed, and the shared vectors.

Most examples of the RFC are responses or Repr-Digest. A digest is a digest: each is put into the Content-Digest of a request
and compared with the bytes that the RFC shows.
"""

import base64
import hashlib
from types import ModuleType
from typing import Any

import pytest

from tests.vectors.shared import load, needs

HELLO = b'{"hello": "world"}'

# RFC 9530 appendix D, for the content HELLO.
SAMPLES = [
    ("sha-512", "WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew=="),
    ("sha-256", "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
    ("md5", "Sd/dVLAcvNLSq16eXua5uQ=="),
    ("sha", "07CavjDP4u3/TungoUHJO/Wzr4c="),
    ("unixsum", "GQU="),
    ("unixcksum", "7zsHAA=="),
    ("adler", "OZkGFw=="),
    ("crc32c", "Q3lHIA=="),
]


def digest_of(backend: ModuleType, value: str) -> Any:
    head = f"PUT /items/123 HTTP/1.1\r\nHost: foo.example\r\nContent-Digest: {value}\r\n\r\n".encode()
    return backend.parse_digest(backend.parse_head(head))


def fits(digest: Any, content: bytes) -> bool:
    matches = digest.matches(hashlib.sha256(content).digest(), hashlib.sha512(content).digest())
    assert isinstance(matches, bool)
    return matches


@pytest.mark.parametrize(("algorithm", "value"), SAMPLES)
def test_sample_values(backend: ModuleType, algorithm: str, value: str) -> None:
    digest = digest_of(backend, f"{algorithm}=:{value}:")
    computed = algorithm in ("sha-256", "sha-512")
    assert digest.known is computed
    assert fits(digest, HELLO) is computed
    assert not fits(digest, HELLO + b"\n")


def test_every_known_algorithm_must_match(backend: ModuleType) -> None:
    # RFC 9530 §2: several algorithms in one field; R10 wants all that are known to match.
    values = dict(SAMPLES)
    both = digest_of(backend, f"sha-256=:{values['sha-256']}:,sha-512=:{values['sha-512']}:, md5=:AAAA:")
    assert fits(both, HELLO)
    wrong = digest_of(backend, f"sha-256=:{values['sha-256']}:, sha-512=:{'A' * 86}==:")
    assert not fits(wrong, HELLO)


def test_the_example_of_section_b1(backend: ModuleType) -> None:
    # RFC 9530 §B.1: the content ends with a line feed.
    digest = digest_of(backend, "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:")
    assert fits(digest, HELLO + b"\n")
    assert not fits(digest, HELLO)


def test_the_example_of_no_content(backend: ModuleType) -> None:
    # RFC 9530 §B.2: the digest of nothing.
    assert fits(digest_of(backend, "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"), b"")


SHARED = load("rfc9530/rfc9530-vectors.json") or {"examples": [], "samples": []}
CHECKS = [
    pytest.param(example, check, id=f"line{example['line']}-{check['field']}-{check['alg']}")
    for example in SHARED["examples"]
    for check in example["checks"]
]


@needs("rfc9530")
@pytest.mark.parametrize(("example", "check"), CHECKS)
def test_shared_examples(backend: ModuleType, example: Any, check: Any) -> None:
    field = f"{check['alg']}=:{check['value']}:"
    if not check["base64_canonical"]:
        # One `=` too many, a mistake of the draft's text: no base64 (RFC 4648 §4).
        with pytest.raises(backend.Refused) as refused:
            digest_of(backend, field)
        assert refused.value.reason == "digest.malformed"
        return
    digest = digest_of(backend, field)
    assert digest.known
    assert fits(digest, base64.b64decode(example["content_b64"])) is check["matches_this_content"]


@needs("rfc9530")
def test_shared_samples_are_those_above() -> None:
    assert [(sample["alg"], sample["value"]) for sample in SHARED["samples"]] == SAMPLES
