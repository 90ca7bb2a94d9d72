"""What the fleet sends: honest requests as devices make them, and a share of every usual kind of bad one."""

import base64
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.demo.device import Device
from gateway.demo.wfm import MARK
from gateway.model import Algorithm
from gateway.reasons import Reason
from gateway.signing import PrivateKey, SignedRequest
from gateway.signing.sign import DEVICE_COMPONENTS, split_url

STALE_S: Final = 3600
"""How old a stale signature is; far outside of any sensible window."""

# How often an honest device does what; a fleet mostly polls.
_HONEST: Final = {
    "poll": 50,
    "status report": 30,
    "capability report": 12,
    "bundle download": 5,
    "root certificate": 3,
}

_REPORT: Final = {"status": {"state": "installed"}}

Heard = Callable[[int, str | None, bytes], None]
"""Called with status, ETag and body of an answer."""


class Message(msgspec.Struct, frozen=True):
    """What goes over the wire, Host among the fields."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""


class Step(msgspec.Struct, frozen=True):
    """One message and what must become of it: None, that it reaches the WFM, or the reason why it is refused."""

    message: Message
    expected: Reason | None
    heard: Heard | None = None


class Shot(msgspec.Struct, frozen=True):
    """Messages that are sent one after the other, each after the answer to the one before; `algorithm` may be ""."""

    kind: str
    algorithm: str
    steps: tuple[Step, ...]


class Traffic:
    """Makes shots without end. `thieves` are keys that are in no registry; `bad` is the share of bad shots, 0 to 1."""

    def __init__(
        self,
        devices: Sequence[Device],
        thieves: Mapping[Algorithm, PrivateKey],
        origin: str,
        bad: float,
        chance: random.Random,
    ) -> None:
        self._devices = list(devices)
        self._curved = [device for device in devices if device.algorithm.startswith("ecdsa")]
        self._thieves = thieves
        self._origin = origin
        self._open = _open(origin)
        self._bad = bad
        self._chance = chance
        self._tricks: dict[str, Callable[[Device, int], tuple[Step, ...]]] = {
            "tampered body": _tampered,
            "stale": _stale,
            "replayed": _replayed,
            "wrong key": self._wrong_key,
            "unknown client": self._unknown_client,
            "no signature": _unsigned,
            "digest not covered": _uncovered,
        }
        if self._curved:
            self._tricks["DER instead of r‖s"] = _der

    def join(self, device: Device) -> None:
        """One device more."""
        self._devices.append(device)
        if device.algorithm.startswith("ecdsa"):
            self._curved.append(device)

    def next(self, now: int) -> Shot:
        """The next shot, signed at `now` (seconds since 1970)."""
        if self._chance.random() < self._bad:
            kind = self._chance.choice(list(self._tricks))
            device = self._chance.choice(self._curved if self._tricks[kind] is _der else self._devices)
            return Shot(kind, device.algorithm.value, self._tricks[kind](device, now))
        (kind,) = self._chance.choices(list(_HONEST), weights=list(_HONEST.values()))
        return self._honest(kind, self._chance.choice(self._devices), now)

    def _honest(self, kind: str, device: Device, now: int) -> Shot:
        name = device.algorithm.value
        match kind:
            case "status report":
                return Shot(kind, name, (Step(marked(device.status_report(now)), None),))
            case "capability report":
                return Shot(kind, name, (Step(marked(device.capability_report(now)), None),))
            case "root certificate":
                return Shot(kind, "", (Step(self._open, None),))
            case "bundle download":
                request = device.bundle(now)
                if request is not None:
                    return Shot(kind, name, (Step(marked(request), None),))
        return Shot("poll", name, (Step(marked(device.poll(now)), None, _listening(device)),))

    def _wrong_key(self, device: Device, now: int) -> tuple[Step, ...]:
        request = device.signed("POST", _somewhere(), now, _REPORT, key=self._thieves[device.algorithm])
        return (Step(marked(request), Reason.SIGNATURE_WRONG),)

    def _unknown_client(self, device: Device, now: int) -> tuple[Step, ...]:
        stranger = Device(str(uuid.uuid4()), self._thieves[device.algorithm], device.algorithm, self._origin)
        return (Step(marked(stranger.status_report(now)), Reason.KEY_UNKNOWN),)


def marked(signed: SignedRequest) -> Message:
    """The request as the WFM counts it among those of the demo."""
    return Message(signed.method, signed.target, (*signed.fields, MARK), signed.body)


def _somewhere() -> str:
    return f"/deployments/{uuid.uuid4()}/status"


def _listening(device: Device) -> Heard:
    def heard(status: int, etag: str | None, body: bytes) -> None:
        if status == 200:
            device.heard_manifest(etag, body)

    return heard


def _tampered(device: Device, now: int) -> tuple[Step, ...]:
    message = marked(device.status_report(now))
    body = message.body.replace(b'"installed"', b'"removing!"')  # as long as before
    return (Step(msgspec.structs.replace(message, body=body), Reason.DIGEST_MISMATCH),)


def _stale(device: Device, now: int) -> tuple[Step, ...]:
    return (Step(marked(device.status_report(now - STALE_S)), Reason.POLICY_TOO_OLD),)


def _replayed(device: Device, now: int) -> tuple[Step, ...]:
    message = marked(device.status_report(now))
    return (Step(message, None), Step(message, Reason.REPLAY_SEEN))


def _unsigned(device: Device, now: int) -> tuple[Step, ...]:
    message = marked(device.status_report(now))
    fields = tuple(field for field in message.fields if not field[0].startswith("Signature"))
    return (Step(msgspec.structs.replace(message, fields=fields), Reason.SIGNATURE_MISSING),)


def _uncovered(device: Device, now: int) -> tuple[Step, ...]:
    """As the reference device did before February 2026: Content-Digest is sent, but not covered."""
    request = device.signed("POST", _somewhere(), now, _REPORT, components=DEVICE_COMPONENTS)
    return (Step(marked(request), Reason.DIGEST_NOT_COVERED),)


def _der(device: Device, now: int) -> tuple[Step, ...]:
    """The commonest mistake of implementers: most libraries give ECDSA signatures in DER."""
    message = marked(device.status_report(now))
    fields = tuple((name, _as_der(value) if name == "Signature" else value) for name, value in message.fields)
    return (Step(msgspec.structs.replace(message, fields=fields), Reason.SIGNATURE_LENGTH),)


def _as_der(value: str) -> str:
    label, _, encoded = value.partition("=:")
    raw = base64.b64decode(encoded.rstrip(":"))
    half = len(raw) // 2
    der = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    return f"{label}=:{base64.b64encode(der).decode()}:"


def _open(origin: str) -> Message:
    """The one request that needs no signature."""
    _, authority, target = split_url(f"{origin}/api/v1/onboarding/certificate")
    return Message("GET", target, (("Host", authority),))
