"""Opens an RSA signature with the public key: the padding inside tells how it was made, whatever was signed (RFC
8017)."""

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

_HASHES: Final = ("sha256", "sha512", "sha384", "sha1")
# RFC 8017 §9.2 note 1: the DER of DigestInfo up to the hash.
_DIGEST_INFO: Final = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


class Block(msgspec.Struct, frozen=True):
    """`padding` is pss, v1_5, or v1_5-bare (a hash without DigestInfo); `mgf` and `salt` are those of PSS; `digest` is
    the hash of the message (v1_5) or the octets H (PSS)."""

    padding: str
    hash: str
    digest: bytes
    mgf: str = ""
    salt: bytes = b""

    def fits(self, message: bytes) -> bool:
        """Was this message signed?"""
        digest = hashlib.new(self.hash, message, usedforsecurity=False).digest()
        if self.padding == "pss":  # RFC 8017 §9.1.2
            digest = hashlib.new(self.hash, bytes(8) + digest + self.salt, usedforsecurity=False).digest()
        return digest == self.digest


def open_block(key: RSAPublicNumbers, signature: bytes) -> Block | None:
    """What is inside; None if there is no padding, so that another key made it, or it is damaged.

    A PSS salt of the greatest length leaves one octet to tell by, so that one foreign signature in some 5,000 seems to
    have one; `Block.fits` is never wrong.
    """
    size = (key.n.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if len(signature) != size or number >= key.n:
        return None
    encoded = pow(number, key.e, key.n).to_bytes(size, "big")
    return _v1_5(encoded) or _pss(encoded, key.n.bit_length() - 1)


def hash_name(name: str) -> str:
    """`SHA-256` for `sha256`."""
    return name.upper().replace("SHA", "SHA-")


def _v1_5(encoded: bytes) -> Block | None:
    """RFC 8017 §9.2: 00 01 FF ... FF 00 DigestInfo."""
    if not encoded.startswith(b"\x00\x01" + b"\xff" * 8):
        return None
    _, zero, content = encoded[2:].lstrip(b"\xff").partition(b"\0")
    if not zero:
        return None
    for name, prefix in _DIGEST_INFO.items():
        if (
            content.startswith(prefix)
            and len(content) == len(prefix) + hashlib.new(name, usedforsecurity=False).digest_size
        ):
            return Block("v1_5", name, content[len(prefix) :])
    bare = {32: "sha256", 48: "sha384", 64: "sha512", 20: "sha1"}.get(len(content))
    return Block("v1_5-bare", bare, content) if bare is not None else None


def _pss(encoded: bytes, bits: int) -> Block | None:
    """RFC 8017 §9.1.2. Of several hashes that seem to fit, the one with the most zero octets before the salt."""
    if encoded[-1] != 0xBC:
        return None
    found = sorted(_pss_blocks(encoded, bits), key=lambda pair: pair[0], reverse=True)
    return found[0][1] if found else None


def _pss_blocks(encoded: bytes, bits: int) -> Iterator[tuple[int, Block]]:
    size = (bits + 7) // 8
    encoded = encoded[-size:]
    spare = 8 * size - bits
    for name in _HASHES:
        length = hashlib.new(name, usedforsecurity=False).digest_size
        masked, digest = encoded[: size - length - 1], encoded[size - length - 1 : -1]
        for mgf in (name, "sha1") if name != "sha1" else (name,):
            data = bytearray(a ^ b for a, b in zip(masked, _mgf1(digest, len(masked), mgf), strict=True))
            data[0] &= 0xFF >> spare
            rest = bytes(data).lstrip(b"\0")
            if rest[:1] == b"\x01":
                yield len(data) - len(rest), Block("pss", name, digest, mgf, rest[1:])


def _mgf1(seed: bytes, length: int, name: str) -> bytes:
    """RFC 8017 §B.2.1."""
    mask = b""
    counter = 0
    while len(mask) < length:
        mask += hashlib.new(name, seed + counter.to_bytes(4, "big"), usedforsecurity=False).digest()
        counter += 1
    return mask[:length]
