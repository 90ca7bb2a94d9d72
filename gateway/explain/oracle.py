"""Answers "does this signature fit this base" for one key, in every way that libraries sign, and counts the questions
(R5)."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.explain import rsa_padding
from gateway.explain.form import Change
from gateway.explain.rsa_block import Block, hash_name, open_block
from gateway.model import Algorithm, Certificate, KeyType

ATTEMPT_LIMIT: Final = 1500
"""Questions per explanation: less than a second of P-384."""

Transform = Callable[[bytes], bytes]


class Budget:
    """How many questions may still be asked."""

    def __init__(self, limit: int = ATTEMPT_LIMIT) -> None:
        self.used = 0
        self._limit = limit

    def spend(self) -> bool:
        """Take one; False if there is none left."""
        if self.used >= self._limit:
            return False
        self.used += 1
        return True


class Way(msgspec.Struct, frozen=True):
    """One way to sign: `check` says if octets fit a message; `changes` tell how it differs from what the gateway
    does."""

    check: Callable[[bytes, bytes], bool]
    changes: tuple[Change, ...] = ()


class Oracle(Protocol):
    """One key."""

    def ways(self, signature: bytes) -> Iterator[Way]:
        """The gateway's own way first (none if the signature itself shows that it was made in another way)."""
        ...


def oracle_for(certificate: Certificate, alg: str | None, allowed: tuple[Algorithm, ...]) -> Oracle:
    """The oracle of a certificate's key.

    :param alg: the parameter of the signature; without it the key decides, and for RSA any of `allowed` is the
    gateway's way
    """
    key = load_der_public_key(certificate.spki)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _Ecdsa(key, certificate.key_type)
    if isinstance(key, rsa.RSAPublicKey):
        return _Rsa(key, alg, allowed)
    assert isinstance(key, ed25519.Ed25519PublicKey)
    return _Ed25519(key)


def _encodings(own: str) -> Iterator[tuple[Transform, Change]]:
    """What devices sign instead of the base itself."""
    for name in dict.fromkeys((own, "sha256", "sha512", "sha384")):
        for encode, called in (
            (bytes, ""),
            (_hex, "hex text of the "),
            (_upper, "upper-case hex text of the "),
            (base64.b64encode, "base64 text of the "),
        ):
            yield _hashed(name, encode), _prehashed(f"{called}{hash_name(name)} hash of the base")
    for encode, called in ((_hex, "hex text"), (base64.b64encode, "base64 text")):
        yield encode, _prehashed(f"{called} of the base")


def _prehashed(what: str) -> Change:
    return Change(
        "prehashed",
        "Something else than the signature base was signed",
        f"the device signed the {what}",
        "give the library the octets of the signature base itself: it hashes them (a function that wants a hash instead"
        " is usually called sign_digest, sign prehashed or NONEwith...)",
    )


def _hashed(name: str, encode: Transform) -> Transform:
    return lambda message: encode(hashlib.new(name, message).digest())


def _hex(octets: bytes) -> bytes:
    return octets.hex().encode()


def _upper(octets: bytes) -> bytes:
    return octets.hex().upper().encode()


_EC_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha1": hashes.SHA1(),  # noqa: S303 - to recognise it, not to trust it
}
_EC_OWN: Final = {KeyType.P256: "sha256", KeyType.P384: "sha384"}


class _Ecdsa:
    def __init__(self, key: ec.EllipticCurvePublicKey, key_type: KeyType) -> None:
        self._key = key
        self._own = _EC_OWN[key_type]
        self._name = f"{key_type.value} keys sign with {hash_name(self._own)}"

    def ways(self, signature: bytes) -> Iterator[Way]:
        yield Way(self._check(bytes, _EC_HASHES[self._own]))
        for name, hash_ in _EC_HASHES.items():
            if name != self._own:
                yield Way(self._check(bytes, hash_), (self._hash_change(name),))
        for transform, change in _encodings(self._own):
            yield Way(self._check(transform, _EC_HASHES[self._own]), (change,))
        # A library that was told not to hash takes the leftmost octets of what it gets (FIPS 186-4 §6.4).
        unhashed = ec.ECDSA(Prehashed(_EC_HASHES[self._own]))
        size = _EC_HASHES[self._own].digest_size
        yield Way(
            lambda octets, message: self._verify(octets, message[:size].ljust(size, b"\0"), unhashed),
            (_prehashed("base without hashing it"),),
        )

    def _hash_change(self, name: str) -> Change:
        return Change(
            "wrong-hash",
            f"Signed with {hash_name(name)} instead of {hash_name(self._own)}",
            f"the signature was made with {hash_name(name)}",
            f"sign with {hash_name(self._own)}: {self._name} (RFC 9421 section 3.3)",
        )

    def _check(self, transform: Transform, hash_: hashes.HashAlgorithm) -> Callable[[bytes, bytes], bool]:
        algorithm = ec.ECDSA(hash_)
        return lambda octets, message: self._verify(octets, transform(message), algorithm)

    def _verify(self, octets: bytes, message: bytes, algorithm: ec.ECDSA) -> bool:
        half = len(octets) // 2
        r, s = int.from_bytes(octets[:half], "big"), int.from_bytes(octets[half:], "big")
        try:
            self._key.verify(encode_dss_signature(r, s), message, algorithm)
        except InvalidSignature:
            return False
        return True


class _Ed25519:
    def __init__(self, key: ed25519.Ed25519PublicKey) -> None:
        self._key = key

    def ways(self, signature: bytes) -> Iterator[Way]:
        yield Way(self._check(bytes))
        for transform, change in _encodings("sha512"):
            yield Way(self._check(transform), (change,))

    def _check(self, transform: Transform) -> Callable[[bytes, bytes], bool]:
        def holds(octets: bytes, message: bytes) -> bool:
            try:
                self._key.verify(octets, transform(message))
            except InvalidSignature:
                return False
            return True

        return holds


class _Rsa:
    """The padding tells how the signature was made, so that each question costs one hash only."""

    def __init__(self, key: rsa.RSAPublicKey, alg: str | None, allowed: tuple[Algorithm, ...]) -> None:
        self._numbers = key.public_numbers()
        self._alg = alg
        self._allowed = allowed

    def ways(self, signature: bytes) -> Iterator[Way]:
        block = open_block(self._numbers, signature)
        if block is None:
            return
        change = rsa_padding.change_of(block, self._alg, self._allowed)
        changes = (change,) if change is not None else ()
        yield Way(lambda _, message: block.fits(message), changes)
        for transform, more in _encodings(block.hash):
            yield Way(_after(transform, block), (*changes, more))


def _after(transform: Transform, block: Block) -> Callable[[bytes, bytes], bool]:
    return lambda _, message: block.fits(transform(message))


def rsa_block(certificate: Certificate, signature: bytes) -> Block | None:
    """What is inside of an RSA signature; None if another key made it."""
    key = load_der_public_key(certificate.spki)
    return open_block(key.public_numbers(), signature) if isinstance(key, rsa.RSAPublicKey) else None
