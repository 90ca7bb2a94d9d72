"""What is claimed so that a signed request counts once (R13)."""

import hashlib
import struct
from typing import Final

from gateway._native import Candidate
from gateway.model import Client
from gateway.registry.keys import seen_key

_four: Final = struct.Struct(">I").pack
_SAFE_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})


def is_claimed(mode: str, method: bytes) -> bool:
    """Does `mode` (off, unsafe, all) claim requests of this method?"""
    return mode == "all" or (mode == "unsafe" and method not in _SAFE_METHODS)


def claim_key(client: Client, candidate: Candidate, base: bytes) -> bytes:
    """The store key of one signature: 16 octets of SHA-256 over length-prefixed realm, client id, kind and value.

    Never over the signature's own octets: ECDSA lets anybody make a second valid signature from one.
    """
    nonce = candidate.nonce
    if nonce is not None:
        kind, value = b"nonce", nonce.encode()
    else:
        kind, value = b"base", hashlib.sha256(base).digest()
    # Who is onboarded has no id yet, but a key (R13). No id holds a colon.
    who = client.client_id or "spki:" + client.certificates[0].spki_sha256
    realm, owner = client.realm.encode(), who.encode()
    parts = (_four(len(realm)), realm, _four(len(owner)), owner, _four(len(kind)), kind, _four(len(value)), value)
    return seen_key(hashlib.sha256(b"".join(parts)).digest()[:16])
