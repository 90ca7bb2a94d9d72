"""Reading devices' certificates: the forms that occur in the field, and keys that prove nothing."""

import base64
import hashlib
import random
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gateway.model import KeyType
from gateway.reasons import ConfigError, Reason
from gateway.registry import ed25519_points
from gateway.registry.certificates import SIZE_LIMIT_BYTES, describe, read_certificate, spki_sha256
from tests.support import certificates as made

SPKI = made.p256_spki()
DER = made.certificate(SPKI)
PEM = made.pem(DER)
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


@pytest.mark.parametrize(
    "data",
    [
        PEM,
        DER,
        base64.b64encode(PEM),
        base64.b64encode(DER),
        base64.encodebytes(DER),
        b"\xef\xbb\xbf" + PEM,
        PEM.replace(b"\n", b"\r\n"),
        b"Certificate:\n    Data:\n" + PEM + b"trailing words\n",
        made.pem(DER, "X509 CERTIFICATE"),
        b"\n  " + PEM,
    ],
    ids=["pem", "der", "b64-pem", "b64-der", "b64-lines", "bom", "crlf", "text-around", "old-label", "blank-before"],
)
def test_every_form_gives_the_same_certificate(data: bytes) -> None:
    certificate, der = read_certificate(data)
    assert der == DER
    assert spki_sha256(certificate) == hashlib.sha256(SPKI).hexdigest()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"hello, world", "is neither PEM, nor DER, nor base64 of either"),
        (base64.b64encode(b"hello, world"), "is base64 of something that is neither"),
        (base64.b64encode(base64.b64encode(DER)), "is base64 of something that is neither"),
        (PEM + PEM, "holds 2 certificates"),
        (made.pem(b"x", "EC PRIVATE KEY") + PEM, "holds a private key"),
        (made.pem(b"x", "ENCRYPTED PRIVATE KEY"), "holds a private key"),
        (made.pem(b"x", "PUBLIC KEY"), "holds no certificate but PUBLIC KEY"),
        (PEM[:100], "holds no certificate but an incomplete PEM block"),
        (b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "a PEM block that is not base64"),
        (DER + b"x", "is not one X.509 certificate"),
        (DER[:-1], "is not one X.509 certificate"),
        (SPKI, "is not one X.509 certificate"),
        (b"0" * (SIZE_LIMIT_BYTES + 1), "is too large"),
    ],
)
def test_what_is_not_one_certificate_is_refused_in_one_sentence(data: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        read_certificate(data, "dev.pem")
    assert caught.value.reason is Reason.CONFIG_UNREADABLE
    assert caught.value.message.startswith("dev.pem ")
    assert "\n" not in caught.value.message


def test_r5_beginnings_without_an_end_cost_little() -> None:
    # Who sends a certificate to onboard has proven nothing yet. Each beginning was once compared with all that follows.
    started = time.thread_time()
    with pytest.raises(ConfigError, match="an incomplete PEM block"):
        read_certificate(b"-----BEGIN A-----" * (SIZE_LIMIT_BYTES // 17))
    assert time.thread_time() - started < 0.5


def test_a_beginning_without_an_end_hides_no_certificate() -> None:
    assert read_certificate(b"-----BEGIN A----------BEGIN B-----" + PEM)[1] == DER
    assert (
        read_certificate(b"-----BEGIN X-----BEGIN CERTIFICATE-----" + PEM.partition(b"CERTIFICATE-----")[2])[1] == DER
    )


def test_r19_a_leaf_as_openssl_makes_it_by_default_works() -> None:
    certificate, der = read_certificate(made.OPENSSL_V1_PEM)
    known = describe(der)
    assert certificate.version.name == "v1"
    assert known.spki_sha256 == spki_sha256(certificate) == made.OPENSSL_V1_KEYID
    assert (known.key_type, known.bits) == (KeyType.P256, 256)
    assert (known.not_before, known.not_after) == (1795306529, 1797898529)


@pytest.mark.parametrize(
    ("spki", "key_type", "bits"),
    [
        (SPKI, KeyType.P256, 256),
        (made.ec_spki(ec.SECP384R1()), KeyType.P384, 384),
        (made.rsa_spki(made.rsa_modulus(2048), 65537), KeyType.RSA, 2048),
        (made.rsa_spki(made.rsa_modulus(8192), 65537), KeyType.RSA, 8192),
        (made.rsa_spki(made.rsa_modulus(2048), 2**64 - 1), KeyType.RSA, 2048),
        (
            made.ed25519_spki(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()),
            KeyType.ED25519,
            256,
        ),
    ],
)
def test_describes_keys_of_every_supported_kind(spki: bytes, key_type: KeyType, bits: int) -> None:
    der = made.certificate(spki, not_before=1_700_000_000, not_after=2_600_000_000)
    known = describe(der)
    assert (known.key_type, known.bits, known.spki) == (key_type, bits, spki)
    assert known.sha256 == hashlib.sha256(der).hexdigest()
    assert known.spki_sha256 == hashlib.sha256(spki).hexdigest()
    assert (known.not_before, known.not_after, known.retire_after) == (1_700_000_000, 2_600_000_000, None)


@pytest.mark.parametrize(
    ("spki", "says"),
    [
        (made.rsa_spki(made.rsa_modulus(2047), 65537), "2047 bits"),
        (made.rsa_spki(made.rsa_modulus(1024), 65537), "1024 bits"),
        (made.rsa_spki(made.rsa_modulus(8193), 65537), "8193 bits"),
        (made.rsa_spki(made.rsa_modulus(2048), 3), "exponent 3"),
        (made.rsa_spki(made.rsa_modulus(2048), 1), "exponent 1|cannot be used"),
        (made.rsa_spki(made.rsa_modulus(2048), 65538), "even|cannot be used"),
        (made.rsa_spki(made.rsa_modulus(2048) - 1, 65537), "even|cannot be used"),
        (made.rsa_spki(made.rsa_modulus(2048), 2**64 + 1), "exponent"),
        (made.rsa_spki(made.rsa_modulus(2048), 65537, pss=True), "unusual encoding"),
        (made.ec_spki(ec.SECP521R1()), "curve secp521r1"),
        (made.ec_spki(ec.SECP256K1()), "curve secp256k1"),
        (made.compressed_p256_spki(), "unusual encoding"),
        (SPKI[:-1] + bytes([SPKI[-1] ^ 1]), "cannot be used"),
        (made.ed25519_spki(bytes(32)), "small order"),
        (made.tlv(0x30, bytes.fromhex("300506032b6571"), made.tlv(3, b"\0", bytes(57))), "unsupported kind"),
    ],
)
def test_weak_and_unknown_keys_are_refused(spki: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        describe(made.certificate(spki), "dev.pem")
    assert caught.value.reason is Reason.CONFIG_UNREADABLE


def _add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """The group law of RFC 8032 §5.1.4, in affine coordinates."""
    k = D * a[0] * b[0] * a[1] * b[1] % P
    return (
        (a[0] * b[1] + b[0] * a[1]) * pow(1 + k, -1, P) % P,
        (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P) % P,
    )


def _decode(raw: bytes) -> tuple[int, int] | None:
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    for root in (x, x * pow(2, (P - 1) // 4, P) % P):
        if root * root % P == square:
            return root, y % P
    return None


def test_small_order_points_are_those_that_eight_times_themselves_are_nothing() -> None:
    # Eight times any point that is not of the prime order's multiples only: L times a random point has small order.
    order = 2**252 + 27742317777372353535851937790883648493
    found: set[int] = set()
    rng = random.Random(8032)
    while len(found) < 5:
        point = _decode(rng.randbytes(32))
        if point is None:
            continue
        torsion = (0, 1)
        for bit in bin(order)[2:]:
            torsion = _add(torsion, torsion)
            if bit == "1":
                torsion = _add(torsion, point)
        found.add(torsion[1])
    for y in found:
        for sign in (0, 1 << 255):
            assert "small order" in (ed25519_points.weakness((y | sign).to_bytes(32, "little")) or "")


def test_ed25519_keys_outside_of_the_curve_or_in_a_second_encoding_are_refused() -> None:
    rng = random.Random(1)
    kinds = {None: 0, "its Ed25519 key is not a point of the curve": 0}
    for _ in range(64):
        raw = rng.randbytes(31) + b"\x12"
        weakness = ed25519_points.weakness(raw)
        assert (weakness is None) == (_decode(raw) is not None)
        kinds[weakness] += 1
    assert all(kinds.values())
    for y in range(P, 2**255):
        assert "encoding" in (ed25519_points.weakness(y.to_bytes(32, "little")) or "")


def test_damaged_certificates_are_never_worse_than_refused() -> None:
    rng = random.Random(5280)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(DER)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        data = bytes(damaged[: rng.randint(1, len(damaged))]) if rng.random() < 0.3 else bytes(damaged)
        try:
            describe(read_certificate(data)[1])
        except ConfigError:
            refused += 1
    assert refused > 1000
