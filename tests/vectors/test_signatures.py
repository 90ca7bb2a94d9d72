"""RFC 9421 signatures through selection, base and engine, without policy: the valid ones hold, changed ones do not.

HMAC (B.2.5) and responses (B.2.4, §2.4) are left out, see `rfc9421_signatures`.
"""

import base64
import dataclasses
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway import _native
from gateway.model import Algorithm
from gateway.signature.verify import check
from tests.outcomes import outcome
from tests.vectors.keys import ENGINE, HOLDS, certificate, client, verdict
from tests.vectors.messages import candidate_of, head_of
from tests.vectors.rfc9421_signatures import EXAMPLES, PUBLIC_KEYS, Example

COVERING = [example for example in EXAMPLES if example.section != "B.2.1"]


def checked(example: Example) -> Any:
    held = certificate(load_pem_public_key(PUBLIC_KEYS[example.key].encode()))
    head = _native.parse_head(head_of(example.message))
    candidate = candidate_of(_native, head, example.label)
    algorithm = Algorithm(example.algorithm)
    return outcome(_native, lambda: check(candidate, client(held), held, algorithm, b"https", head.host, ENGINE))


@pytest.mark.parametrize("example", COVERING, ids=lambda example: example.section)
def test_examples(example: Example) -> None:
    found = checked(example)
    if example.valid:
        assert (found.base.decode(), found.algorithm) == (example.base, example.algorithm)
    else:
        assert found == ("refused", "signature.wrong")


def test_the_minimal_signature_is_right_and_refused() -> None:
    # B.2.1 covers nothing. The arithmetic holds, and R9 refuses it all the same.
    (example,) = [e for e in EXAMPLES if e.section == "B.2.1"]
    held = certificate(load_pem_public_key(PUBLIC_KEYS[example.key].encode()))
    candidate = candidate_of(_native, _native.parse_head(head_of(example.message)), example.label)
    assert verdict(held, Algorithm(example.algorithm), example.base.encode(), candidate.signature) == HOLDS
    assert checked(example) == ("refused", "signature.empty_coverage")


@pytest.mark.parametrize("example", [e for e in COVERING if e.valid], ids=lambda example: example.section)
def test_one_changed_octet_of_a_signature_is_wrong(example: Example) -> None:
    # A label stands before `=:` in Signature only; in Signature-Input it stands before `=(`.
    start = example.message.index(f"{example.label}=:") + len(example.label) + 2
    end = example.message.index(":", start)
    value = bytearray(base64.b64decode(example.message[start:end]))
    value[-1] ^= 1
    message = example.message[:start] + base64.b64encode(value).decode() + example.message[end:]
    assert message != example.message
    assert checked(dataclasses.replace(example, message=message)) == ("refused", "signature.wrong")


@pytest.mark.parametrize("example", [e for e in COVERING if e.valid], ids=lambda example: example.section)
def test_another_method_is_wrong(example: Example) -> None:
    _, _, rest = example.message.partition(" ")
    found = checked(dataclasses.replace(example, message="DELETE " + rest))
    if '"@method"' in example.base:
        assert found == ("refused", "signature.wrong")
    else:
        assert found.base.decode() == example.base
