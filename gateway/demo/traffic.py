"""What the fleet sends: honest requests as devices make them, and a share of every usual kind of bad one."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.demo import tricks
from gateway.demo.device import Device
from gateway.demo.wfm import MARK
from gateway.model import Algorithm
from gateway.reasons import Reason
from gateway.signing import PrivateKey, SignedRequest
from gateway.signing.sign import split_url

# How often an honest device does what; a fleet mostly polls.
_HONEST: Final = {
    "poll": 50,
    "status report": 30,
    "capability report": 12,
    "bundle download": 5,
    "root certificate": 3,
}

Heard = Callable[[int, str | None, bytes], None]
"""Called with status, ETag and body of an answer."""


class Message(msgspec.Struct, frozen=True):
    """What goes over the wire, Host among the fields."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""

    def octets(self) -> bytes:
        """The whole of it, as RFC 9112 writes it."""
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.fields)]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


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
        self._open = _open(origin)
        self._bad = bad
        self._chance = chance
        self._tricks = {**tricks.ALL, **(tricks.CURVED if self._curved else {})}

    def join(self, device: Device) -> None:
        """One device more."""
        self._devices.append(device)
        if device.algorithm.startswith("ecdsa"):
            self._curved.append(device)

    def next(self, now: int) -> Shot:
        """The next shot, signed at `now` (seconds since 1970)."""
        if self._chance.random() < self._bad:
            kind = self._chance.choice(list(self._tricks))
            device = self._chance.choice(self._curved if kind in tricks.CURVED else self._devices)
            attempts = self._tricks[kind](device, now, self._thieves[device.algorithm])
            steps = tuple(Step(marked(attempt.request), attempt.expected) for attempt in attempts)
            return Shot(kind, device.algorithm.value, steps)
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


def marked(signed: SignedRequest) -> Message:
    """The request as the WFM counts it among those of the demo."""
    return Message(signed.method, signed.target, (*signed.fields, MARK), signed.body)


def _listening(device: Device) -> Heard:
    def heard(status: int, etag: str | None, body: bytes) -> None:
        if status == 200:
            device.heard_manifest(etag, body)

    return heard


def _open(origin: str) -> Message:
    """The one request that needs no signature."""
    _, authority, target = split_url(f"{origin}/api/v1/onboarding/certificate")
    return Message("GET", target, (("Host", authority),))
