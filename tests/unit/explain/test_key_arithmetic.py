"""What a signature tells of its key: the padding inside of an RSA one, the public key behind an ECDSA one."""

import hashlib
import random

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from gateway.explain.ec_recovery import recover
from gateway.explain.rsa_block import open_block
from gateway.model import Algorithm, KeyType
from tests.support.device import new_key, raw_signature

RSA = new_key(Algorithm.RSA_PSS_SHA512)
assert isinstance(RSA, rsa.RSAPrivateKey)
NUMBERS = RSA.public_key().public_numbers()
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512(),
}  # fmt: skip


@pytest.mark.parametrize("name", list(HASHES))
def test_v1_5(name: str) -> None:
    block = open_block(NUMBERS, RSA.sign(b"message", padding.PKCS1v15(), HASHES[name]))
    assert block is not None
    assert (block.padding, block.hash, block.mgf, block.salt) == ("v1_5", name, "", b"")
    assert block.fits(b"message")
    assert not block.fits(b"massage")


@pytest.mark.parametrize("name", list(HASHES))
@pytest.mark.parametrize("salt", [0, 1, 20, 32, 64, 190])
@pytest.mark.parametrize("sha1_mask", [False, True])
def test_pss(name: str, salt: int, sha1_mask: bool) -> None:
    mask = hashes.SHA1() if sha1_mask else HASHES[name]
    scheme = padding.PSS(padding.MGF1(mask), salt)
    blocks = [open_block(NUMBERS, RSA.sign(b"message", scheme, HASHES[name])) for _ in range(5)]
    # With the longest salt no padding is left to tell by, and one signature in some thousands reads as another form.
    told = [
        block
        for block in blocks
        if block is not None
        and (block.padding, block.hash, block.mgf, len(block.salt)) == ("pss", name, mask.name, salt)
    ]
    assert len(told) >= 4
    assert all(block.fits(b"message") and not block.fits(b"massage") for block in told)


def test_a_digest_without_its_name() -> None:
    digest = hashlib.sha256(b"message").digest()
    encoded = b"\x00\x01" + b"\xff" * (256 - 3 - 32) + b"\x00" + digest
    block = open_block(NUMBERS, privately(encoded))
    assert block is not None
    assert (block.padding, block.hash) == ("v1_5-bare", "sha256")
    assert block.fits(b"message")


def privately(encoded: bytes) -> bytes:
    number = pow(int.from_bytes(encoded, "big"), RSA.private_numbers().d, NUMBERS.n)
    return number.to_bytes(256, "big")


def test_no_padding_is_no_block() -> None:
    chance = random.Random(7)
    blocks = [open_block(NUMBERS, privately(b"\x00" + chance.randbytes(254) + b"\xbc")) for _ in range(100)]
    # They end as PSS does and have nothing else of it; a salt of the greatest length leaves one octet to tell by.
    seeming = [block for block in blocks if block is not None]
    assert len(seeming) <= 10
    assert not any(block.fits(b"message") for block in seeming)
    other = rsa.generate_private_key(65537, 2048)
    assert open_block(NUMBERS, other.sign(b"message", padding.PKCS1v15(), hashes.SHA256())) is None
    assert open_block(NUMBERS, b"\xff" * 256) is None
    assert open_block(NUMBERS, b"") is None


@pytest.mark.parametrize(
    ("algorithm", "key_type", "name"),
    [(Algorithm.ECDSA_P256_SHA256, KeyType.P256, "sha256"), (Algorithm.ECDSA_P384_SHA384, KeyType.P384, "sha384")],
)
def test_the_key_behind_an_ecdsa_signature(algorithm: Algorithm, key_type: KeyType, name: str) -> None:
    key = new_key(algorithm)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    digest = hashlib.new(name, b"message").digest()
    signature = raw_signature(key, algorithm, b"message")
    found = [one.public_numbers() for one in recover(key_type, signature, digest)]
    assert key.public_key().public_numbers() in found
    assert len(found) == 2
    other = [one.public_numbers() for one in recover(key_type, signature, hashlib.new(name, b"massage").digest())]
    assert key.public_key().public_numbers() not in other
    assert list(recover(key_type, bytes(len(signature)), digest)) == []


def test_a_recovered_key_verifies() -> None:
    key = new_key(Algorithm.ECDSA_P256_SHA256)
    signature = raw_signature(key, Algorithm.ECDSA_P256_SHA256, b"message")
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    digest = hashlib.sha256(b"message").digest()
    for found in recover(KeyType.P256, signature, digest):
        found.verify(der, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
