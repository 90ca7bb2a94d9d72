"""What revocation lists know a certificate by (R19), compared with another reader of X.509."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Status
from gateway.registry.certificates import describe, read_certificate
from gateway.registry.issued import issued, issuer_id, issuer_name, serial_octets, subject_name
from gateway.registry.records import Record, RecordMismatch, decode, decode_whole, encode
from gateway.registry.registration import prepare
from tests.support import certificates as made
from tests.support.openssl import CA, LEAF, Workshop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    shop = Workshop(tmp_path_factory.mktemp("pki"))
    shop.root("vendor", extensions=CA)
    shop.issue("v1", by="vendor")
    shop.issue("v3", by="vendor", extensions=LEAF)
    shop.issue("utf8", by="vendor", subject="/C=DE/O=Werk/CN=press")
    return shop


@pytest.mark.parametrize("name", ["vendor", "v1", "v3", "utf8"])
def test_the_names_and_the_number_are_those_in_the_certificate(shop: Workshop, name: str) -> None:
    certificate, der = shop.load(name)
    assert issuer_name(der) == certificate.issuer.public_bytes()
    assert subject_name(der) == certificate.subject.public_bytes()
    assert issued(der) == issuer_id(issuer_name(der)) + serial_octets(certificate.serial_number)
    assert describe(der).issued == issued(der)


def test_certificates_of_one_authority_differ_in_the_number_only(shop: Workshop) -> None:
    one, other = (issued(shop.load(name)[1]) for name in ("v1", "v3"))
    assert one[:8] == other[:8] == issuer_id(subject_name(shop.load("vendor")[1]))
    assert one != other


@given(st.integers(-(1 << 160), 1 << 160))
def test_numbers_are_written_as_der_writes_them(number: int) -> None:
    octets = serial_octets(number)
    assert int.from_bytes(octets, "big", signed=True) == number
    # X.690 §8.3.2: the first nine bits are neither all ones nor all zeros.
    assert len(octets) == 1 or octets[0] not in (0, 0xFF) or (octets[0] >> 7) != (octets[1] >> 7)


def record() -> Record:
    certificate = prepare("default", "dev1", made.OPENSSL_V1_PEM, "test", 1).certificate
    return Record(realm="default", id="dev1", status=Status.ACTIVE, since=1, certs=(certificate,))


def test_a_record_tells_it_to_every_request() -> None:
    (known,) = decode(encode(record()), "default", "dev1").certificates
    assert known.issued == issued(read_certificate(made.OPENSSL_V1_PEM)[1])
    assert decode_whole(encode(record()), "default", "dev1") == record()


def test_a_record_of_before_is_read_all_the_same() -> None:
    document = json.loads(encode(record()))
    told = document["certs"][0].pop("issued")
    (known,) = decode(json.dumps(document).encode(), "default", "dev1").certificates
    assert known.issued == base64.b64decode(told)


@pytest.mark.parametrize("der", [b"", b"0", b"0\x80", b"0\x03\x02\x01\x01", b"\x30\x84\xff\xff\xff\xff"])
def test_r25_a_damaged_certificate_is_no_certificate(der: bytes) -> None:
    document = json.loads(encode(record()))
    del document["certs"][0]["issued"]
    document["certs"][0]["der"] = base64.b64encode(der).decode()
    with pytest.raises(RecordMismatch, match="damaged"):
        decode(json.dumps(document).encode(), "default", "dev1")
