"""Carries out rotations of devices: proves the new key, asks for pins, and records before it answers (R23)."""

import asyncio
from collections.abc import Callable

from gateway._native import Refused
from gateway.clock import Clock
from gateway.config import Onboarding
from gateway.model import Certificate, Refusal
from gateway.onboarding.answer import OwnAnswer
from gateway.onboarding.rotation import Rotations, conclude
from gateway.proxy.forward import Delivery
from gateway.proxy.verifier import Verifier
from gateway.reasons import Reason
from gateway.registry import pins
from gateway.registry.answers import Unavailable
from gateway.registry.line import Asking
from gateway.registry.operations import Rotation
from gateway.registry.recorder import Recorder
from gateway.registry.registration import Decision
from gateway.steps import Rotate


class Rotating:
    """The rotations of one worker.

    :param link: the request path's
    :param forget: called with realm and id of a client that has changed, so that its new key counts here at once
    """

    def __init__(
        self,
        config: Onboarding,
        rotations: Rotations,
        link: Asking,
        recorder: Recorder,
        verifier: Verifier,
        clock: Clock,
        forget: Callable[[str, str], None],
    ) -> None:
        self._rotations = rotations
        self._looks_at_pins = "pinned" in config.trust
        self._link = link
        self._recorder = recorder
        self._verifier = verifier
        self._clock = clock
        self._forget = forget

    async def conclude(self, step: Rotate, body: bytes, delivery: Delivery) -> OwnAnswer | Refusal:
        """What the device is told.

        :param delivery: touched from the moment on when the registry may have changed (R13)
        :raises Refused: what the rotation is refused for
        """
        admitted, request = step.admitted, step.request
        client = admitted.verified.client
        found = self._rotations.successor(admitted, step.successor, body, request.operations)
        for job in found.jobs:
            verdict = self._verifier.ask(job)
            if verdict if isinstance(verdict, bool) else await verdict:
                break
        else:
            raise Refused(Reason.SIGNATURE_POSSESSION, f"label {step.successor.label} is not by the new key")
        pinned = await self._pinned(client.realm, found.presented.certificate)
        if isinstance(pinned, Unavailable):
            return Refusal(pinned.reason, pinned.detail, client.client_id)
        change = self._rotations.judge(admitted, found.presented, pinned, self._clock.now())
        delivery.touched = True
        decision = await self._record(change)
        self._forget(client.realm, client.client_id)
        if isinstance(decision, Unavailable):
            return Refusal(decision.reason, decision.detail, client.client_id)
        return conclude(decision, client)

    async def _pinned(self, realm: str, certificate: Certificate) -> bool | Unavailable:
        if not self._looks_at_pins:
            return False
        names = pins.lookup_keys(realm, certificate)
        for reply in await asyncio.gather(*[self._link.submit(b"GET", name) for name in names]):
            if isinstance(reply, Unavailable):
                return reply
            if pins.is_pin(reply, realm, certificate):
                return True
        return False

    async def _record(self, change: Rotation) -> Decision | Unavailable:
        future: asyncio.Future[Decision | Unavailable] = self._link.loop.create_future()

        def done(decision: Decision | Unavailable) -> None:
            if not future.done():
                future.set_result(decision)

        self._recorder.carry_out(change, done)
        return await future
