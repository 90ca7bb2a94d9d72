"""Names of everything that the gateway keeps in its store; whatever holds a client id holds its realm too (R3)."""

import re
from binascii import crc_hqx
from typing import Final

PREFIX: Final = b"wfmgw:"
CLIENT_PREFIX: Final = b"wfmgw:client:"
"""Before `<realm>:<client id>`: the client's record in JSON."""
SPKI_PREFIX: Final = b"wfmgw:spki:"
"""Before `<realm>:<hex SHA-256 of the SPKI>`: who has that key (R20)."""
PIN_PREFIX: Final = b"wfmgw:pin:"
"""Before `<realm>:<hex SHA-256 of a certificate or of a key>`: an operator vouches for it (R19)."""
TOFU_PREFIX: Final = b"wfmgw:tofu:"
"""Before `<realm>`, and `<realm>:<minute>`: how many were accepted on first contact (R19)."""
RATE_PREFIX: Final = b"wfmgw:rate:"
"""Before `<kind>:<hash>:<minute>`: how many requests of a client or tenant were let through."""
SEEN_PREFIX: Final = b"wfmgw:seen:"
"""Before 16 octets: one replay claim (R13)."""
EPOCH: Final = b"wfmgw:seen:epoch"
"""Since when the replay window is complete, in milliseconds since 1970. Five octets after the prefix: never a claim."""
STREAM_EPOCH: Final = b"wfmgw:seen:{wfmgw:changes}:epoch"
"""In a cluster: since when the change stream is complete; in the stream's own slot."""
BUCKETS: Final = 64
"""So many parts the replay claims of a cluster are in, each in one slot with its own epoch."""
CHANGES: Final = b"wfmgw:changes"
"""Stream of registry changes: fields realm, id, what, who, when (R25)."""

_NAME: Final = re.compile(r"[A-Za-z0-9._~=-]{1,128}")


def is_client_id(text: str) -> bool:
    """R2: 1 to 128 characters of `A-Z a-z 0-9 . _ ~ = -`, compared literally."""
    return _NAME.fullmatch(text) is not None


def is_realm(text: str) -> bool:
    """The grammar of R2, so that no realm holds the `:` between realm and id, nor what a SCAN pattern would read."""
    return _NAME.fullmatch(text) is not None


def client_key(realm: str, client_id: str) -> bytes:
    """Key of one client's record."""
    return b"wfmgw:client:%b:%b" % (realm.encode(), client_id.encode())


def spki_key(realm: str, spki_sha256: str) -> bytes:
    """Key of the index entry of one public key; `spki_sha256` is lower-case hex."""
    return b"wfmgw:spki:%b:%b" % (realm.encode(), spki_sha256.encode())


def pin_key(realm: str, sha256: str) -> bytes:
    """Key of one pin; `sha256` is lower-case hex."""
    return b"wfmgw:pin:%b:%b" % (realm.encode(), sha256.encode())


def tofu_key(realm: str, minute: int | None = None) -> bytes:
    """Key of the count of first contacts, in all or in one minute since 1970."""
    return TOFU_PREFIX + (realm if minute is None else f"{realm}:{minute}").encode()


def rate_key(kind: str, hash_hex: str, minute: int) -> bytes:
    """Key of the count of what was let through in one minute since 1970; `kind` is "client" or "tenant"."""
    return RATE_PREFIX + f"{kind}:{hash_hex}:{minute}".encode()


def seen_key(claim: bytes) -> bytes:
    """Key of one replay claim of 16 octets."""
    return SEEN_PREFIX + claim


def bucket_of(key: bytes) -> int:
    """The bucket of one replay claim, from what `seen_key` made."""
    return key[len(SEEN_PREFIX)] % BUCKETS


def bucket_key(number: int, key: bytes) -> bytes:
    """Key of one replay claim in a cluster, from what `seen_key` made."""
    return _BUCKET_PREFIXES[number] + key[len(SEEN_PREFIX) :]


def bucket_epoch(number: int) -> bytes:
    """Key of the epoch of one bucket."""
    return _BUCKET_PREFIXES[number] + b"epoch"


def _bucket_prefixes() -> tuple[bytes, ...]:
    """Before the claims of each bucket. The tags are the least numbers whose slots divide the cluster evenly, so that
    each of its nodes, which have ranges of slots, gets its share."""
    width = 16384 // BUCKETS
    tags: dict[int, int] = {}
    number = 0
    while len(tags) < BUCKETS:
        tags.setdefault(crc_hqx(b"%d" % number, 0) % 16384 // width, number)
        number += 1
    return tuple(SEEN_PREFIX + b"{%d}:" % tags[bucket] for bucket in range(BUCKETS))


_BUCKET_PREFIXES: Final = _bucket_prefixes()
