"""What misbehaving devices do, each trick with the reason for which it must be refused."""

import base64
import uuid
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.demo.device import Device
from gateway.reasons import Reason
from gateway.signing import PrivateKey, SignedRequest
from gateway.signing.sign import DEVICE_COMPONENTS

STALE_S: Final = 3600
"""How old a stale signature is; far outside of any sensible window."""

_REPORT: Final = {"status": {"state": "installed"}}


class Attempt(msgspec.Struct, frozen=True):
    """One request of a trick, and what must become of it: None, that it is let through."""

    request: SignedRequest
    expected: Reason | None


Trick: TypeAlias = Callable[[Device, int, PrivateKey], tuple[Attempt, ...]]
"""From a device, a time in seconds since 1970, and a key of the device's algorithm that nobody registered."""


def _tampered(device: Device, now: int, _thief: PrivateKey) -> tuple[Attempt, ...]:
    request = device.status_report(now)
    body = request.body.replace(b'"installed"', b'"removing!"')  # as long as before
    return (Attempt(msgspec.structs.replace(request, body=body), Reason.DIGEST_MISMATCH),)


def _stale(device: Device, now: int, _thief: PrivateKey) -> tuple[Attempt, ...]:
    return (Attempt(device.status_report(now - STALE_S), Reason.POLICY_TOO_OLD),)


def _replayed(device: Device, now: int, _thief: PrivateKey) -> tuple[Attempt, ...]:
    request = device.status_report(now)
    return (Attempt(request, None), Attempt(request, Reason.REPLAY_SEEN))


def _wrong_key(device: Device, now: int, thief: PrivateKey) -> tuple[Attempt, ...]:
    return (Attempt(device.signed("POST", _somewhere(), now, _REPORT, key=thief), Reason.SIGNATURE_WRONG),)


def _unknown_client(device: Device, now: int, thief: PrivateKey) -> tuple[Attempt, ...]:
    stranger = Device(str(uuid.uuid4()), thief, device.algorithm, device.origin)
    return (Attempt(stranger.status_report(now), Reason.KEY_UNKNOWN),)


def _unsigned(device: Device, now: int, _thief: PrivateKey) -> tuple[Attempt, ...]:
    request = device.status_report(now)
    fields = tuple(field for field in request.fields if not field[0].startswith("Signature"))
    return (Attempt(msgspec.structs.replace(request, fields=fields), Reason.SIGNATURE_MISSING),)


def _uncovered(device: Device, now: int, _thief: PrivateKey) -> tuple[Attempt, ...]:
    """As the reference device did before February 2026: Content-Digest is sent, but not covered."""
    request = device.signed("POST", _somewhere(), now, _REPORT, components=DEVICE_COMPONENTS)
    return (Attempt(request, Reason.DIGEST_NOT_COVERED),)


def _der(device: Device, now: int, _thief: PrivateKey) -> tuple[Attempt, ...]:
    """The commonest mistake of implementers: most libraries give ECDSA signatures in DER."""
    request = device.status_report(now)
    fields = tuple((name, _as_der(value) if name == "Signature" else value) for name, value in request.fields)
    return (Attempt(msgspec.structs.replace(request, fields=fields), Reason.SIGNATURE_LENGTH),)


USUAL: Final[Mapping[str, Trick]] = {
    "wrong key": _wrong_key,
    "tampered body": _tampered,
    "replayed": _replayed,
    "stale": _stale,
    "no signature": _unsigned,
}
"""What any gateway refuses, whatever the device's algorithm."""

ALL: Final[Mapping[str, Trick]] = {
    **USUAL,
    "unknown client": _unknown_client,
    "digest not covered": _uncovered,
}

CURVED: Final[Mapping[str, Trick]] = {"DER instead of r‖s": _der}
"""Of devices with an ECDSA key only."""


def _somewhere() -> str:
    return f"/deployments/{uuid.uuid4()}/status"


def _as_der(value: str) -> str:
    label, _, encoded = value.partition("=:")
    raw = base64.b64decode(encoded.rstrip(":"))
    half = len(raw) // 2
    der = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    return f"{label}=:{base64.b64encode(der).decode()}:"
