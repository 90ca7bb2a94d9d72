"""A certificate authority of the demo's own, and keys and certificates of devices for every algorithm."""

import datetime
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from gateway.model import Algorithm
from gateway.signing.keys import PrivateKey

RSA_BITS: Final = 2048
VALIDITY: Final = datetime.timedelta(days=365)
_CHUNK: Final = 64


class Authority(msgspec.Struct, frozen=True):
    """A root certificate and its key, both PEM, so that they can go to another process."""

    key_pem: bytes
    certificate_pem: bytes


class Identity(msgspec.Struct, frozen=True):
    """What a device gets in the factory: key (PKCS #8) and certificate as PEM, and the algorithm it signs with."""

    name: str
    algorithm: Algorithm
    key_pem: bytes
    certificate_pem: bytes


def make_key(algorithm: Algorithm) -> PrivateKey:
    """A fresh key that can sign `algorithm`. RSA takes some 100 ms, the others well under one."""
    match algorithm:
        case Algorithm.ECDSA_P256_SHA256:
            return ec.generate_private_key(ec.SECP256R1())
        case Algorithm.ECDSA_P384_SHA384:
            return ec.generate_private_key(ec.SECP384R1())
        case Algorithm.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, RSA_BITS)


def make_authority(name: str, now: datetime.datetime) -> Authority:
    """A self-signed P-256 root, valid from an hour before `now` for a year."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, subject, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key_pem(key), certificate.public_bytes(serialization.Encoding.PEM))


def issue(authority: Authority, name: str, algorithm: Algorithm, now: datetime.datetime) -> Identity:
    """A new key and a leaf certificate for it (RFC 5280) under `authority`."""
    issuer_key = serialization.load_pem_private_key(authority.key_pem, None)
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the demo's authority has a P-256 key")
    key = make_key(algorithm)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, issuer.subject, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return Identity(name, algorithm, key_pem(key), certificate.public_bytes(serialization.Encoding.PEM))


def issue_all(
    authority: Authority, wanted: Sequence[tuple[str, Algorithm]], now: datetime.datetime
) -> Iterator[list[Identity]]:
    """Identities for all of `wanted` (name, algorithm), made on every core, in chunks, RSA first.

    A process pool, because making an RSA key keeps its core busy for some 100 ms.
    """
    slow = [pair for pair in wanted if pair[1].startswith("rsa")]
    quick = [pair for pair in wanted if not pair[1].startswith("rsa")]
    chunks = [[pair] for pair in slow] + [quick[at : at + _CHUNK] for at in range(0, len(quick), _CHUNK)]
    # Spawned, not forked: the caller may have threads.
    with ProcessPoolExecutor(
        min(os.cpu_count() or 1, len(chunks)) or 1, mp_context=get_context("spawn"), initializer=_leave_ctrl_c
    ) as pool:
        yield from pool.map(_issue_chunk, [(authority, chunk, now) for chunk in chunks])


def _leave_ctrl_c() -> None:
    """Ctrl-C is the parent's to handle; a worker would print a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _issue_chunk(
    job: tuple[Authority, Sequence[tuple[str, Algorithm]], datetime.datetime],
) -> list[Identity]:
    authority, wanted, now = job
    return [issue(authority, name, algorithm, now) for name, algorithm in wanted]


def key_pem(key: PrivateKey) -> bytes:
    """PKCS #8 in PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
