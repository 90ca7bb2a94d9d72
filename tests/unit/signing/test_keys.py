"""Private keys in every usual form are read, everything else is refused with one sentence."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from gateway.model import Algorithm
from gateway.reasons import ConfigError, Reason
from gateway.signing.keys import PrivateKey, algorithms_of, keyid_of, load_private_key, raw_signature


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_pkcs8_of_every_kind(keys: dict[Algorithm, PrivateKey], algorithm: Algorithm, encoding: Encoding) -> None:
    data = keys[algorithm].private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
    assert keyid_of(load_private_key(data)) == keyid_of(keys[algorithm])


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("algorithm", ["ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-v1_5-sha256"])
def test_sec1_and_pkcs1(keys: dict[Algorithm, PrivateKey], algorithm: str, encoding: Encoding) -> None:
    key = keys[Algorithm(algorithm)]
    data = key.private_bytes(encoding, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert keyid_of(load_private_key(data)) == keyid_of(key)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_encrypted(keys: dict[Algorithm, PrivateKey], encoding: Encoding) -> None:
    key = keys[Algorithm.ECDSA_P256_SHA256]
    data = key.private_bytes(encoding, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    assert keyid_of(load_private_key(data, b"secret")) == keyid_of(key)
    with pytest.raises(ConfigError, match=r"device\.key cannot be read as a private key with this password"):
        load_private_key(data, b"wrong", "device.key")
    with pytest.raises(ConfigError, match=r"device\.key is encrypted: give its password"):
        load_private_key(data, None, "device.key")


def test_password_for_a_plain_key(keys: dict[Algorithm, PrivateKey]) -> None:
    data = keys[Algorithm.ED25519].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigError, match="has no password"):
        load_private_key(data, b"secret")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "k is not a private key in PEM or DER"),
        (b"hello", "k is not a private key in PEM or DER"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "k is not a private key in PEM or DER"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "k is a certificate; signing needs the private key",
        ),
    ],
)
def test_what_is_no_key(data: bytes, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_private_key(data, name="k")
    assert (caught.value.reason, caught.value.message) == (Reason.CONFIG_UNREADABLE, sentence)


@pytest.mark.parametrize("kind", ["secp256k1", "p521", "rsa-1024", "dsa"])
def test_keys_that_the_gateway_would_never_verify(kind: str) -> None:
    made: dict[str, Callable[[], Any]] = {
        "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),
        "dsa": lambda: dsa.generate_private_key(2048),
    }
    data = made[kind]().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigError, match="is not a P-256, P-384, Ed25519 or RSA"):
        load_private_key(data)


def test_keyid_is_the_hash_of_the_spki(keys: dict[Algorithm, PrivateKey], algorithm: Algorithm) -> None:
    spki = keys[algorithm].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    load_der_public_key(spki)
    assert keyid_of(keys[algorithm]) == hashlib.sha256(spki).hexdigest()


def test_rsa_prefers_what_the_reference_device_does(keys: dict[Algorithm, PrivateKey]) -> None:
    assert algorithms_of(keys[Algorithm.RSA_V1_5_SHA256])[0] is Algorithm.RSA_PSS_SHA512


def test_an_algorithm_that_does_not_fit(keys: dict[Algorithm, PrivateKey]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        raw_signature(keys[Algorithm.ED25519], Algorithm.ECDSA_P256_SHA256, b"")
