"""What is claimed (R13): the octets that other workers and other versions of the gateway claim for the same request."""

import hashlib

import msgspec
import pytest

from gateway._native import select
from gateway.replay import claim_key
from tests.support.device import Device


def by_hand(*parts: bytes) -> bytes:
    """SHA-256 over the parts, each behind its length in four octets."""
    digest = hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
    return b"wfmgw:seen:" + digest[:16]


@pytest.mark.parametrize("nonce", ["", 'once-"1"'])
def test_r13_a_claim_is_over_realm_id_and_nonce_or_base(nonce: str) -> None:
    device = Device("edge-17")
    params = ';nonce="' + nonce.replace('"', '\\"') + '"' if nonce else ""
    (candidate,) = select(device.parsed(params=params))
    base = candidate.base(b"https", b"wfm.example.com")
    value = (b"nonce", nonce.encode()) if nonce else (b"base", hashlib.sha256(base).digest())
    assert claim_key(device.client(), candidate, base) == by_hand(b"default", b"edge-17", *value)


def test_r13_who_has_no_id_yet_claims_by_key() -> None:
    device = Device()
    (candidate,) = select(device.parsed())
    base = candidate.base(b"https", b"wfm.example.com")
    newcomer = msgspec.structs.replace(device.client(), client_id="")
    who = b"spki:" + device.certificate.spki_sha256.encode()
    assert claim_key(newcomer, candidate, base) == by_hand(b"default", who, b"base", hashlib.sha256(base).digest())
