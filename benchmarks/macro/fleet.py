"""Devices of the macro benchmark: keys that follow from a number, and their records in a store.

Each record has a certificate of its own: one real certificate with another real key in it. The gateway checks a
certificate's chain when it is registered, not when a request comes, so what is measured is the same.
"""

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.demo.pki import issue, make_authority
from gateway.model import Algorithm, Status
from gateway.registry.certificates import describe, read_certificate
from gateway.registry.embedded import attach_or_start
from gateway.registry.keys import EPOCH, client_key, spki_key
from gateway.registry.records import Record, StoredCertificate, encode
from gateway.registry.store_url import EmbeddedStore

REALM: Final = "default"
BATCH: Final = 500
_CURVES: Final = {Algorithm.ECDSA_P256_SHA256: ec.SECP256R1(), Algorithm.ECDSA_P384_SHA384: ec.SECP384R1()}
_SEED: Final = 0x9421


class Fleet(msgspec.Struct, frozen=True):
    """So many devices with keys of one algorithm."""

    algorithm: Algorithm
    count: int

    def name(self, number: int) -> str:
        """The client id of a device: a UUID, as a WFM assigns them."""
        return f"{number:08x}-0b0a-4d2b-9c3e-{self.algorithm == Algorithm.ECDSA_P384_SHA384:012x}"

    def key(self, number: int) -> ec.EllipticCurvePrivateKey:
        """Its private key; the same in every run, so worth nothing outside of benchmarks."""
        return ec.derive_private_key((_SEED << 64) + number + 1, _CURVES[self.algorithm])

    def spki(self, number: int) -> bytes:
        """Its public key, DER."""
        public = self.key(number).public_key()
        return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def register(folder: Path, fleet: Fleet, now_s: int) -> None:
    """Write the fleet's records into the embedded store in `folder`, which no gateway has open.

    The store looks as if it had been in use for an hour: one that begins now refuses what was signed in this second
    (R13).
    """
    with attach_or_start(EmbeddedStore(folder)) as endpoint:
        client: Any = redis.Redis(unix_socket_path=endpoint.path)
        with client:
            client.set(EPOCH, (now_s - 3600) * 1000)
            pending: list[bytes] = []
            for entry in _entries(fleet, now_s):
                pending.append(entry)
                if len(pending) == 4 * BATCH:
                    client.execute_command("MSET", *pending)
                    pending.clear()
            if pending:
                client.execute_command("MSET", *pending)


def public_keys(fleet: Fleet, path: Path) -> Path:
    """Write what a verifier without our registry needs: a JSON object of keyid to public key (PEM)."""
    keys = {}
    for number in range(fleet.count):
        public = fleet.key(number).public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        keys[hashlib.sha256(fleet.spki(number)).hexdigest()] = pem.decode()
    path.write_bytes(msgspec.json.encode(keys))
    return path


def _entries(fleet: Fleet, now_s: int) -> Iterator[bytes]:
    """Key and value in turn: of each record, and of the index entry of its key."""
    now = datetime.fromtimestamp(now_s, UTC)
    identity = issue(make_authority("Vendor CA", now), fleet.name(0), fleet.algorithm, now)
    _, template = read_certificate(identity.certificate_pem)
    known = describe(template)
    at = template.index(known.spki)
    for number in range(fleet.count):
        spki = fleet.spki(number)
        if len(spki) != len(known.spki):
            raise RuntimeError("the keys of one algorithm differ in size")
        der = template[:at] + spki + template[at + len(spki) :]
        certificate = StoredCertificate(
            der=der,
            sha256=hashlib.sha256(der).hexdigest(),
            spki=spki,
            spki_sha256=hashlib.sha256(spki).hexdigest(),
            key_type=known.key_type,
            bits=known.bits,
            not_before=known.not_before,
            not_after=known.not_after,
            added=known.not_before,
        )
        record = Record(
            realm=REALM, id=fleet.name(number), status=Status.ACTIVE, since=known.not_before, certs=(certificate,)
        )
        yield client_key(REALM, record.id)
        yield encode(record)
        yield spki_key(REALM, certificate.spki_sha256)
        yield record.id.encode()


def now_s() -> int:
    """Seconds since 1970."""
    return int(time.time())
