"""Makes requests that are wrong in exactly one way. Signs with `cryptography` over a base that is put together by hand."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from gateway.config import Config
from gateway.explain import capture as captures
from gateway.explain.explain import Options, explain
from gateway.explain.lookup import OneCertificate
from gateway.explain.report import Report
from gateway.model import Algorithm, Client, Peer
from gateway.registry.answers import Found, Missing
from tests.support.device import Device, raw_signature
from tests.support.drive import config_with

NOW_S = 1_800_000_000
PATH = "/api/v1/clients/dev-1/deployments/d-1/status"
HOST = "wfm.example.com"
BODY = b'{"state": "running", "n": 1}\n'
COMPONENTS = ("@method", "@target-uri", "@authority", "content-digest")


def digest_of(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def make(
    device: Device,
    *,
    method: str = "POST",
    target: str = PATH,
    host: str = HOST,
    body: bytes = BODY,
    digest: str | None = None,
    fields: Sequence[str] = (),
    components: Sequence[str] = COMPONENTS,
    created: str = str(NOW_S),
    parameters: str = "",
    keyid: str | None = None,
    label: str = "sig1",
    signed: Mapping[str, str] | None = None,
    signed_params: Callable[[str], str] = str,
    sent_params: Callable[[str], str] = str,
    line: Callable[[str, str], str] = '"{}": {}'.format,
    base: Callable[[bytes], bytes] = bytes,
    sign: Callable[[bytes], bytes] | None = None,
    encode: Callable[[bytes], str] = lambda octets: f":{base64.b64encode(octets).decode()}:",
    signature_field: str = "Signature: {label}={value}",
    input_field: str = "Signature-Input: {label}={value}",
) -> bytes:
    """A raw request. `signed` are values that go into the base in place of the right ones; `base` changes the octets that
    are signed; `sign` makes the signature, `encode` its text."""
    if digest is None and body:
        digest = digest_of(body)
    values = {
        "@method": method,
        "@target-uri": f"https://{host}{target}",
        "@authority": host,
        "@path": target.partition("?")[0],
        "@query": "?" + target.partition("?")[2],
        "@request-target": target,
        "@scheme": "https",
        "host": host,
        "content-digest": digest or "",
    }
    values |= {field.partition(":")[0].lower(): field.partition(":")[2].strip() for field in fields}
    values |= signed or {}
    if not body:
        components = [name for name in components if name.lower() != "content-digest"]
    keyid = device.keyid if keyid is None else keyid
    params = "(" + " ".join(chr(34) + name + chr(34) for name in components) + ")"
    params += f";created={created}" + (f';keyid="{keyid}"' if keyid else "") + parameters
    lines = [line(name, values.get(name, values.get(name.lower(), ""))) for name in components]
    lines.append(line("@signature-params", signed_params(params)))
    octets = base("\n".join(lines).encode())
    signature = sign(octets) if sign is not None else raw_signature(device.key, device.algorithm, octets)
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        head += [f"Content-Length: {len(body)}", f"Content-Digest: {digest}"]
    head.append(input_field.format(label=label, value=sent_params(params)))
    head.append(signature_field.format(label=label, value=encode(signature)))
    return "\r\n".join([*head, "", ""]).encode() + body


class Registered:
    """A store in a dict."""

    assumed = False
    source = "a store"

    def __init__(self, *clients: Client) -> None:
        self._clients = {client.client_id: client for client in clients}
        self.claims: set[bytes] = set()

    def find(self, realm: str, client_id: str) -> Found:
        return self._clients.get(client_id) or Missing()

    def subjects(self, realm: str, client_id: str) -> Mapping[str, str]:
        return {}

    def owner(self, realm: str, spki_sha256: str) -> str | None:
        for client in self._clients.values():
            if any(certificate.spki_sha256 == spki_sha256 for certificate in client.certificates):
                return client.client_id
        return None

    def others(self, realm: str, limit: int) -> Iterator[Client]:
        yield from list(self._clients.values())[:limit]

    def claimed(self, key: bytes) -> bool | None:
        return key in self.claims


def explained(
    raw: bytes,
    device: Device | Registered,
    config: Config | None = None,
    now_s: float | None = NOW_S,
    try_hosts: tuple[str, ...] = (),
    peer: str = "192.0.2.7",
    scan: int = 1000,
    body: bytes | None = None,
) -> Report:
    """Explain a raw request with the device's certificate, or with a store."""
    lookup = OneCertificate(device.certificate, "device.pem") if isinstance(device, Device) else device
    options = Options(now_s=now_s, system_s=NOW_S, try_hosts=try_hosts, scan=scan)
    return explain(captures.read(raw, body), config or config_with(), Peer(peer), lookup, options)


def codes(report: Report) -> list[str]:
    """The codes of the hints, in order."""
    return [hint.code for hint in report.hints]


def der(device: Device, hash_: hashes.HashAlgorithm | Prehashed | None = None) -> Callable[[bytes], bytes]:
    """Signs as DER."""
    assert isinstance(device.key, ec.EllipticCurvePrivateKey)
    key = device.key
    default: hashes.HashAlgorithm = (
        hashes.SHA256() if device.algorithm is Algorithm.ECDSA_P256_SHA256 else hashes.SHA384()
    )
    return lambda base: key.sign(base, ec.ECDSA(hash_ or default))


def rsa_signer(
    device: Device, padding_: padding.AsymmetricPadding, hash_: hashes.HashAlgorithm
) -> Callable[[bytes], bytes]:
    """Signs with any padding."""
    assert isinstance(device.key, rsa.RSAPrivateKey)
    key = device.key
    return lambda base: key.sign(base, padding_, hash_)
