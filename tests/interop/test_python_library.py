"""`http-message-signatures` from PyPI signs, the gateway accepts."""

import datetime
import itertools
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import HTTPMessageSigner, HTTPSignatureAlgorithm, MappingKeyResolver, algorithms

from tests.interop.site import Answer, Site

ALGORITHMS = {
    "ecdsa-p256-sha256": ("p256", algorithms.ECDSA_P256_SHA256),
    "ecdsa-p384-sha384": ("p384", algorithms.ECDSA_P384_SHA384),
    "rsa-v1_5-sha256": ("rsa", algorithms.RSA_V1_5_SHA256),
    "rsa-pss-sha512": ("rsa", algorithms.RSA_PSS_SHA512),
    "ed25519": ("ed25519", algorithms.ED25519),
}
DEVICE = ("@method", "@target-uri", "@authority")
_serial = itertools.count()


class Message:
    """What the library wants to see of a request."""

    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method = method
        self.url = url
        self.headers = headers


def signed(
    site: Site, kind: str, algorithm: type[HTTPSignatureAlgorithm], body: bytes, key: str = "", **options: Any
) -> Message:
    """A request of device `kind`, signed with its key or that of `key`."""
    private = load_pem_private_key(site.identities[key or kind].key_pem, None)
    resolver = MappingKeyResolver(private_keys={"k": private}, public_keys={})
    method = "POST" if body else "GET"
    message = Message(method, site.url(kind, "capabilities" if body else "deployments"), {})
    HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=resolver).sign(
        message, key_id="k", **options, **({"body": body} if body else {})
    )
    return message


def fresh_body() -> bytes:
    return b'{"n":%d}' % next(_serial)


@pytest.mark.parametrize("with_body", [True, False], ids=["post", "get"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_library_defaults_are_accepted(site: Site, name: str, with_body: bool) -> None:
    kind, algorithm = ALGORITHMS[name]
    body = fresh_body() if with_body else b""
    message = signed(site, kind, algorithm, body)
    assert 'alg="' in message.headers["Signature-Input"]
    assert site.send(message.method, message.url, message.headers, body) == Answer(200, "")
    seen = site.last_seen()
    assert seen.values(b"Wfm-Client-Id") == [kind.encode()]
    assert seen.values(b"Wfm-Body-Verified") == [b"?1"]
    assert name.encode() in seen.values(b"Wfm-Signature")[0]
    assert seen.body == body


@pytest.mark.parametrize("name", ALGORITHMS)
def test_as_a_margo_device_would(site: Site, name: str) -> None:
    kind, algorithm = ALGORITHMS[name]
    body = fresh_body()
    message = signed(site, kind, algorithm, body, label="sig1", include_alg=False, covered_component_ids=DEVICE)
    assert message.headers["Signature-Input"].startswith(
        'sig1=("@method" "@target-uri" "@authority" "content-digest");created='
    )
    assert site.send(message.method, message.url, message.headers, body) == Answer(200, "")
    assert name.encode() in site.last_seen().values(b"Wfm-Signature")[0]


def test_every_parameter(site: Site) -> None:
    body = fresh_body()
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)
    message = signed(site, "p256", algorithms.ECDSA_P256_SHA256, body, nonce="from Python", tag="t", expires=expires)
    assert site.send(message.method, message.url, message.headers, body) == Answer(200, "")
    assert site.send(message.method, message.url, message.headers, body) == Answer(401, "replay.seen")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_changed_method_is_refused(site: Site, name: str) -> None:
    kind, algorithm = ALGORITHMS[name]
    body = fresh_body()
    message = signed(site, kind, algorithm, body)
    octets = len(site.backend.octets)
    assert site.send("PUT", message.url, message.headers, body) == Answer(401, "signature.wrong")
    assert len(site.backend.octets) == octets


def test_a_changed_body_is_refused(site: Site) -> None:
    message = signed(site, "p256", algorithms.ECDSA_P256_SHA256, b'{"n":"a"}')
    assert site.send(message.method, message.url, message.headers, b'{"n":"b"}') == Answer(400, "digest.mismatch")


def test_the_key_of_another_device_is_refused(site: Site) -> None:
    message = signed(site, "p384", algorithms.ECDSA_P256_SHA256, b"", key="p256", include_alg=False)
    result = site.send(message.method, message.url, message.headers, b"")
    assert result == Answer(401, "signature.bad_length")
