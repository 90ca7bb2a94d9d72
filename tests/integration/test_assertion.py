"""The signed assertion for backends that others can reach (R17), checked as a backend would: with the public key alone."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.clock import SystemClock
from gateway.proxy.assertion import Assertions
from gateway.reasons import ConfigError, Reason
from tests.integration.backend import RecordingBackend
from tests.integration.client import RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
KEYS: dict[str, PrivateKey] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def pem(key: Any) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    made: bytes = key.private_bytes(encoding, form, serialization.NoEncryption())
    return made


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify(jws: str, key: PrivateKey) -> dict[str, Any]:
    """The claims, as a reader of RFC 7515 that was told nothing of our code takes them."""
    signed, _, signature = jws.rpartition(".")
    octets = decoded(signature)
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(octets, signed.encode())
    else:
        half = len(octets) // 2
        der = encode_dss_signature(int.from_bytes(octets[:half], "big"), int.from_bytes(octets[half:], "big"))
        hash_ = hashes.SHA256() if public.curve.key_size == 256 else hashes.SHA384()
        public.verify(der, signed.encode(), ec.ECDSA(hash_))
    header, claims = (json.loads(decoded(part)) for part in signed.split("."))
    assert KEYS[header["alg"]] is key
    assert header["typ"] == "wfm-assertion+jwt"
    return dict(claims)


@pytest.mark.parametrize("name", list(KEYS))
def test_r17_the_backend_can_check_who_it_was(
    name: str, make_gateway: MakeGateway, device: Device, backend: RecordingBackend, tmp_path: Path
) -> None:
    (tmp_path / "assertion.key").write_bytes(pem(KEYS[name]))
    gateway = make_gateway(upstream={"assertion_key": "assertion.key"})
    with RawClient(gateway.address) as client:
        assert client.ask(device.request(body=b"{}", fields=(("X-A", "1"),))).status == 200
    (seen,) = backend.requests
    (jws,) = seen.values(b"Wfm-Assertion")
    claims = verify(jws.decode(), KEYS[name])
    assert claims["sub"] == "dev1"
    assert claims["cert_sha256"] == seen.values(b"Wfm-Client-Cert-Sha256")[0].decode()
    assert (claims["method"], claims["target"]) == ("POST", device.path())
    assert claims["authority"] == "wfm.example.com"
    digest = base64.b64encode(hashlib.sha256(b"{}").digest()).decode()
    assert claims["content_digest"] == [f"sha-256=:{digest}:"]
    assert claims["body_verified"] is True
    assert claims["exp"] - claims["iat"] == 30
    with pytest.raises(InvalidSignature):
        verify(jws.decode()[:40] + ("A" if jws.decode()[40] != "A" else "B") + jws.decode()[41:], KEYS[name])


def test_r17_the_target_is_the_one_that_the_backend_sees(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, tmp_path: Path
) -> None:
    """An absolute-form target is forwarded as path and query; a backend compares with its own request line."""
    (tmp_path / "assertion.key").write_bytes(pem(KEYS["ES256"]))
    gateway = make_gateway(upstream={"assertion_key": "assertion.key"})
    with RawClient(gateway.address) as client:
        raw = device.request().replace(b"POST /", b"POST https://wfm.example.com/", 1)
        assert client.ask(raw).status == 200
    (seen,) = backend.requests
    claims = verify(seen.values(b"Wfm-Assertion")[0].decode(), KEYS["ES256"])
    assert claims["target"] == seen.request_line.split(b" ")[1].decode() == device.path()


def test_r14_r17_a_device_cannot_send_an_assertion(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    with RawClient(make_gateway().address) as client:
        assert client.ask(device.request(fields=(("Wfm_Assertion", "x"),))).reason == "request.reserved_name"
    assert backend.octets == b""


def test_no_assertion_without_a_key(make_gateway: MakeGateway, device: Device, backend: RecordingBackend) -> None:
    with RawClient(make_gateway().address) as client:
        assert client.ask(device.request()).status == 200
    assert backend.requests[0].values(b"Wfm-Assertion") == []


def test_a_key_that_cannot_assert_is_one_sentence(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    path = tmp_path / "k"
    path.write_bytes(pem(rsa.generate_private_key(65537, 2048)))
    with pytest.raises(ConfigError) as error:
        Assertions(str(path), SystemClock())
    assert error.value.reason is Reason.CONFIG_INVALID
    path.unlink()
    with pytest.raises(ConfigError) as error:
        Assertions(str(path), SystemClock())
    assert error.value.reason is Reason.CONFIG_UNREADABLE
