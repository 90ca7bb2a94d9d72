"""Signs ahead of the clock, in processes of their own.

The schedule is known in advance, so a request can be signed some time before it is due, with the very `created`
that it has when it is due: the octets are those that a device would send at that moment, and only the work of many
devices' processors is taken off the core that sends and listens. What is learnt from an answer (the entity tag) is put
in by the sender; it is not covered by the signature.
"""

import asyncio
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final, TypeAlias

from gateway.demo.device import Device
from gateway.demo.pki import make_key
from gateway.demo.tricks import USUAL
from gateway.fleet.devices import Credential
from gateway.fleet.schedule import POLL, REPORT, Beat
from gateway.model import Algorithm
from gateway.reasons import Reason
from gateway.signing import PrivateKey, algorithms_of, load_private_key, raw

Signed: TypeAlias = tuple[tuple[bytes, Reason | None], ...]
"""One beat's requests, to be sent one after the other: octets, and the reason for a refusal that must follow."""

TRICKS: Final = tuple(USUAL)
_TRIAL: Final = 50


class Signers:
    """`processes` helpers, each with all `credentials`. `origin` is the URL that devices sign, before `/api/v1`."""

    def __init__(self, credentials: Sequence[Credential], origin: str, processes: int) -> None:
        # Spawned, not forked: the caller may have threads.
        self._pool = ProcessPoolExecutor(
            processes, mp_context=get_context("spawn"), initializer=_equip, initargs=(tuple(credentials), origin)
        )

    def submit(self, beats: Sequence[Beat], epoch_s: float) -> "asyncio.Future[list[Signed]]":
        """Sign what these beats send, each dated when it is due; the schedule began at `epoch_s` (since 1970)."""
        job = [(beat.device, beat.kind, int(epoch_s + beat.due_s)) for beat in beats]
        return asyncio.wrap_future(self._pool.submit(_sign, job))

    def close(self) -> None:
        """End the helpers; what is not signed stays so."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Workshop:
    """What one helper has: every device, its key parsed when it is first needed."""

    def __init__(self, credentials: Sequence[Credential], origin: str) -> None:
        self._credentials = credentials
        self._origin = origin
        self._devices: dict[int, Device] = {}
        self._thieves: dict[Algorithm, PrivateKey] = {}

    def sign(self, number: int, kind: str, created: int) -> Signed:
        """The requests of one beat.

        :raises ConfigError: config.unreadable: the device's key is none
        """
        device = self._devices.get(number) or self._device(number)
        if kind == POLL:
            return ((raw(device.poll(created)), None),)
        if kind == REPORT:
            return ((raw(device.status_report(created)), None),)
        attempts = USUAL[kind](device, created, self._thief(device.algorithm))
        return tuple((raw(attempt.request), attempt.expected) for attempt in attempts)

    def _device(self, number: int) -> Device:
        credential = self._credentials[number]
        key = load_private_key(credential.key, name=f"the key of {credential.client_id}")
        device = Device(credential.client_id, key, algorithms_of(key)[0], self._origin)
        self._devices[number] = device
        return device

    def _thief(self, algorithm: Algorithm) -> PrivateKey:
        if algorithm not in self._thieves:
            self._thieves[algorithm] = make_key(algorithm)
        return self._thieves[algorithm]


def cost_s(credential: Credential, origin: str) -> float:
    """About how long one request of this device takes to sign.

    :raises ConfigError: config.unreadable: the device's key is none
    """
    shop = Workshop([credential], origin)
    shop.sign(0, POLL, 0)
    before = time.perf_counter()
    for _ in range(_TRIAL):
        shop.sign(0, REPORT, 0)
    return (time.perf_counter() - before) / _TRIAL


_workshop: Workshop | None = None


def _equip(credentials: tuple[Credential, ...], origin: str) -> None:
    global _workshop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _workshop = Workshop(credentials, origin)


def _sign(job: Sequence[tuple[int, str, int]]) -> list[Signed]:
    assert _workshop is not None
    return [_workshop.sign(*one) for one in job]
