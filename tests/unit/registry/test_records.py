"""The JSON record of a client: written and read again, and never taken for another's (R3, R25)."""

import base64
import hashlib
from typing import Any

import orjson
import pytest

from gateway.model import KeyType, Status
from gateway.registry.records import Record, RecordMismatch, StoredCertificate, decode, decode_whole, encode
from tests.support import certificates as made


def _certificate(spki: bytes) -> StoredCertificate:
    der = made.certificate(spki)
    return StoredCertificate(
        der=der,
        sha256=hashlib.sha256(der).hexdigest(),
        spki=spki,
        spki_sha256=hashlib.sha256(spki).hexdigest(),
        key_type=KeyType.P256,
        bits=256,
        not_before=1,
        not_after=2,
        added=3,
        retire_after=4,
    )


RECORD = Record(
    realm="plant",
    id="dev1",
    status=Status.ACTIVE,
    since=5,
    reason="why",
    certs=(_certificate(b"one"), _certificate(b"two")),
    require_covered_digest=False,
    labels={"site": "north"},
    tenant="t",
)


def test_a_record_survives_being_written_and_read() -> None:
    assert decode_whole(encode(RECORD), "plant", "dev1") == RECORD


def test_the_request_path_reads_what_it_needs() -> None:
    client = decode(encode(RECORD), "plant", "dev1")
    assert (client.realm, client.client_id, client.status) == ("plant", "dev1", Status.ACTIVE)
    assert [certificate.spki for certificate in client.certificates] == [b"one", b"two"]
    assert client.certificates[0].retire_after == 4
    assert client.require_covered_digest is False
    assert (client.labels, client.tenant) == ((("site", "north"),), "t")


def test_a_record_of_a_newer_gateway_can_have_more_in_it() -> None:
    entry = orjson.loads(encode(RECORD)) | {"new": {"x": [1]}}
    assert decode(orjson.dumps(entry), "plant", "dev1").client_id == "dev1"


@pytest.mark.parametrize(("realm", "client_id"), [("other", "dev1"), ("plant", "dev2"), ("plant", "DEV1")])
def test_r3_r25_a_record_of_somebody_else_is_not_taken(realm: str, client_id: str) -> None:
    for read in (decode, decode_whole):
        with pytest.raises(RecordMismatch, match="asked for"):
            read(encode(RECORD), realm, client_id)


def _changed(**changes: Any) -> bytes:
    return orjson.dumps(orjson.loads(encode(RECORD)) | changes)


def _changed_certificate(**changes: Any) -> bytes:
    certs = orjson.loads(encode(RECORD))["certs"]
    return _changed(certs=[certs[0] | changes, certs[1]])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        encode(RECORD)[:-1],
        _changed(status="friendly"),
        _changed(certs="none"),
        _changed(certs=[]),
        _changed_certificate(spki="not base64!"),
        _changed_certificate(spki=base64.b64encode(b"eno").decode()),
        _changed_certificate(spki_sha256="00"),
        _changed_certificate(key_type="dsa"),
    ],
)
def test_r25_a_damaged_record_is_not_taken(data: bytes) -> None:
    with pytest.raises(RecordMismatch):
        decode(data, "plant", "dev1")


def test_r25_reading_everything_checks_the_certificates_too() -> None:
    data = _changed_certificate(der=base64.b64encode(b"x").decode())
    assert decode(data, "plant", "dev1").status is Status.ACTIVE  # the request path does not even look at it
    with pytest.raises(RecordMismatch, match="certificate"):
        decode_whole(data, "plant", "dev1")


def test_r22_a_tombstone_needs_no_certificate() -> None:
    assert decode(_changed(status="tombstone", certs=[]), "plant", "dev1").status is Status.TOMBSTONE
