"""What the tests of onboarding share: requests in each shape and form, a WFM that assigns ids, pins."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.onboarding.body import CURRENT, OLDER
from gateway.registry.certificates import describe
from gateway.registry.store import Store
from gateway.signing import render
from gateway.signing.sign import Request, SignOptions, sign
from tests.fault.valkey import Valkey
from tests.integration.backend import Peer, Script, Seen
from tests.integration.client import Answer, RawClient
from tests.integration.harness import PUBLIC, Device, Gateway

PATH = "/api/v1/onboarding"
FORMS = ("base64-pem", "base64-der", "pem")
_serial = iter(range(1, 1_000_000))


def der_of(device: Device) -> bytes:
    return x509.load_pem_x509_certificate(device.certificate).public_bytes(Encoding.DER)


def spki_of(device: Device) -> str:
    return describe(der_of(device)).spki_sha256


def text_of(device: Device, form: str = "base64-pem") -> str:
    """The certificate as the reference device sends it (base64 of PEM), as the specification has it, or as PEM."""
    if form == "pem":
        return device.certificate.decode()
    return base64.b64encode(device.certificate if form == "base64-pem" else der_of(device)).decode()


def body_of(device: Device, form: str = "base64-pem", older: bool = False) -> bytes:
    if older:
        return json.dumps({OLDER: text_of(device, form)}).encode()
    shape = {"apiVersion": "onboarding.margo.org/v1alpha1", "kind": "OnboardingRequest", CURRENT: text_of(device, form)}
    return json.dumps(shape).encode()


def request_of(
    device: Device,
    form: str = "base64-pem",
    older: bool = False,
    body: bytes | None = None,
    fields: tuple[tuple[str, str], ...] = (),
    signer: Device | None = None,
    base_path: str = "",
    **options: object,
) -> bytes:
    """One onboarding request as octets, each one another; `signer` signs in the device's place."""
    options.setdefault("created", int(time.time()))
    options.setdefault("nonce", f"o{next(_serial)}")
    octets = body_of(device, form, older) if body is None else body
    wanted = Request("POST", PUBLIC + base_path + PATH, octets, (("Content-Type", "application/json"), *fields))
    return render.raw(sign(wanted, (signer or device).key, SignOptions(**options)))  # type: ignore[arg-type]


def assigns(client_id: object, older: bool = False, status: bytes = b"201 Created") -> Script:
    """A WFM that answers with this id."""
    body = json.dumps({"client_id" if older else "clientId": client_id}).encode()
    return says(status, body)


def says(status: bytes, body: bytes, fields: bytes = b"") -> Script:
    """A WFM that answers this."""
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n" % (
        status,
        fields,
        len(body),
    )

    def script(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(head + body)
        return True

    return script


def assigning(name: Callable[[int], str] = "client-{}".format) -> Script:
    """A WFM that numbers its clients."""
    numbers = iter(range(1, 1_000_000))

    def script(peer: Peer, seen: Seen) -> bool:
        return assigns(name(next(numbers)))(peer, seen)

    return script


def ask(gateway: Gateway, octets: bytes) -> Answer:
    """One request on a connection of its own."""
    with RawClient(gateway.address) as client:
        return client.ask(octets)


def pin(valkey: Valkey, *devices: Device) -> None:
    """An operator vouches for the devices' keys."""
    with Store.connect(valkey.endpoint, "test") as store:
        for device in devices:
            store.pins.add("default", spki_of(device))


@contextmanager
def opened(valkey: Valkey) -> Iterator[Store]:
    with Store.connect(valkey.endpoint, "test") as store:
        yield store


def index_of(valkey: Valkey, device: Device) -> str:
    """What the index has for the device's key."""
    value: bytes | None = valkey.client.get(f"wfmgw:spki:default:{spki_of(device)}")  # type: ignore[assignment]
    return "" if value is None else value.decode()


def record_of(valkey: Valkey, client_id: str) -> dict[str, object]:
    """A client's record as it stands in the store; empty if there is none."""
    value: bytes | None = valkey.client.get(f"wfmgw:client:default:{client_id}")  # type: ignore[assignment]
    return {} if value is None else json.loads(value)
