"""Content-Digest of a request (RFC 9530 §2, R10): what parses, what is known, what matches."""

import base64
import hashlib
from types import ModuleType
from typing import Any

import pytest

from tests.outcomes import BODY, of_digest

SHA256 = hashlib.sha256(BODY).digest()
SHA512 = hashlib.sha512(BODY).digest()
GOOD256 = f"sha-256=:{base64.b64encode(SHA256).decode()}:"
GOOD512 = f"sha-512=:{base64.b64encode(SHA512).decode()}:"


def digest(backend: ModuleType, *lines: str) -> Any:
    fields = "".join(f"Content-Digest: {line}\r\n" for line in lines)
    return of_digest(backend, f"PUT / HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode("latin-1"))


def test_absent(backend: ModuleType) -> None:
    assert digest(backend) is None


def test_matches_wants_every_known_one(backend: ModuleType) -> None:
    # The last element: matches(sha256 or None, sha512 or None), for (-, -), (-, 512), (256, -), (256, 512).
    assert digest(backend, GOOD256) == (SHA256, None, True, [False, False, True, True])
    assert digest(backend, GOOD512) == (None, SHA512, True, [False, True, False, True])
    assert digest(backend, f"{GOOD256}, {GOOD512}") == (SHA256, SHA512, True, [False, False, False, True])
    assert digest(backend, GOOD256, GOOD512) == (SHA256, SHA512, True, [False, False, False, True])
    assert digest(backend, f"{GOOD256}, sha-512=:AAAA:")[3] == [False, False, False, False]


@pytest.mark.parametrize("value", ["md5=:AAAA:", "sha=:AAAA:, crc32c=:AAAA:", "sha-384=:AAAA:", "sha-2567=:AAAA:"])
def test_unknown_algorithms_match_nothing(backend: ModuleType, value: str) -> None:
    assert digest(backend, value) == (None, None, False, [False] * 4)
    assert digest(backend, f"{value}, {GOOD256}")[2:] == (True, [False, False, True, True])


@pytest.mark.parametrize("value", ["sha-256=:AAAA:", "sha-256=::", GOOD256.replace("sha-256", "sha-512")])
def test_a_value_of_another_size_matches_nothing(backend: ModuleType, value: str) -> None:
    assert digest(backend, value)[2:] == (True, [False] * 4)


@pytest.mark.parametrize(
    "lines",
    [
        (f"{GOOD256}, {GOOD256}",),
        (GOOD256, GOOD256),
        ("md5=:AAAA:, md5=:AAAA:",),
        (f"{GOOD256}, md5=1",),
        ("sha-256",),
        ('sha-256="AAAA"',),
        ("sha-256=AAAA",),
        ("sha-256=(:AAAA:)",),
        ("sha-256=:AAA:",),
        ("sha-256=:AAB=:",),
        ("sha-256=:AA=A:",),
        ("sha-256=:AA A:",),
        ("SHA-256=:AAAA:",),
        ("sha-256=:AAAA",),
        (f"{GOOD256},",),
        (GOOD256, ""),
        ("(",),
        ("é",),
    ],
)
def test_malformed(backend: ModuleType, lines: tuple[str, ...]) -> None:
    encoded = [line.encode("utf-8").decode("latin-1") for line in lines]
    assert digest(backend, *encoded) == ("refused", "digest.malformed")
