"""Devices that nobody knows at first: they onboard through the gateway and work; one rotates, one is revoked."""

import asyncio
import datetime
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from gateway.demo import load
from gateway.demo.device import Device
from gateway.demo.enrolment import JSON, certificate_body, onboarding_request
from gateway.demo.installation import PUBLIC_URL, Installation
from gateway.demo.pki import Authority, Identity, issue
from gateway.demo.tally import ACCEPTED, Tally
from gateway.demo.traffic import Message, Step, Traffic, marked
from gateway.fleet.pacing import until
from gateway.fleet.wire import Pool
from gateway.onboarding.rotation import TAG
from gateway.reasons import Reason
from gateway.signing import PrivateKey, Request, SignedRequest, SignOptions, load_private_key, sign, sign_also

IN_FORCE_S: Final = 1.0
"""How long a change of the registry may take to reach every worker (R25)."""
_LONGEST_S: Final = 15.0
_ONBOARDED, _ROTATES, _REVOKED = 0.3, 0.4, 0.6
"""At which shares of the run the last newcomer has onboarded, one of them rotates, and one is revoked."""


class Lives:
    """The newcomers of one run.

    The first of them rotates, the last is revoked and never part of the random traffic, because for a moment it could
    be accepted or refused.

    :param duration_s: of the whole run
    :param say: told what happens, in one line each time
    """

    def __init__(
        self,
        site: Installation,
        authority: Authority,
        newcomers: Sequence[Identity],
        traffic: Traffic,
        tally: Tally,
        duration_s: float,
        say: Callable[[str], None],
    ) -> None:
        self._site = site
        self._authority = authority
        self._newcomers = newcomers
        self._traffic = traffic
        self._tally = tally
        self._span_s = min(duration_s, _LONGEST_S)
        self._say = say
        self.onboarded = 0
        self.rotated = 0
        self.revoked = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Let them live; ends early, between two requests, when `stop` is set.

        :raises ConfigError: the store does not take the revocation
        """
        if not self._newcomers:
            return
        began = asyncio.get_running_loop().time()
        devices: list[Device] = []
        with load.connected(self._site.gateway_url) as pool:
            for number, identity in enumerate(self._newcomers):
                if await self._stopped(stop, began, _ONBOARDED * number / len(self._newcomers)):
                    return
                device = await self._onboard(pool, identity)
                if device is None:
                    return  # the tally has the verdict
                devices.append(device)
                if identity is not self._newcomers[-1]:
                    self._traffic.join(device)
            self._say(f"{self.onboarded} unknown devices have onboarded through the gateway.")
            if not await self._stopped(stop, began, _ROTATES):
                await self._rotate(pool, devices[0], self._newcomers[0])
            if not await self._stopped(stop, began, _REVOKED):
                await self._revoke(pool, devices[-1], self._newcomers[-1])

    async def _stopped(self, stop: asyncio.Event, began: float, share: float) -> bool:
        return await until(began + share * self._span_s, stop)

    async def _onboard(self, pool: Pool, identity: Identity) -> Device | None:
        """Onboard, twice as devices do that did not hear the answer, and report once."""
        key = load_private_key(identity.key_pem)
        ids: list[str] = []

        def heard(_status: int, _etag: str | None, body: bytes) -> None:
            answer: Any = json.loads(body)
            ids.append(answer["clientId"])

        for kind in ("onboarding", "onboarding again"):
            if (
                await self._ask(
                    pool,
                    kind,
                    Step(_plain(onboarding_request(identity, key, PUBLIC_URL, int(time.time()))), None, heard),
                )
                != ACCEPTED
            ):
                return None
        if ids[0] != ids[1]:
            self._tally.add("one id for one key", "", None, f"{ids[0]} and {ids[1]}", 0.0)
            return None
        device = Device(ids[0], key, identity.algorithm, PUBLIC_URL)
        await self._report(pool, "newcomer's report", device)
        self.onboarded += 1
        return device

    async def _rotate(self, pool: Pool, device: Device, identity: Identity) -> None:
        now = datetime.datetime.now(datetime.UTC)
        successor = await asyncio.to_thread(issue, self._authority, identity.name, identity.algorithm, now)
        new_key = load_private_key(successor.key_pem)
        rotation = _rotation(device, load_private_key(identity.key_pem), successor, new_key)
        if await self._ask(pool, "rotation", Step(rotation, None)) != ACCEPTED:
            return
        await asyncio.sleep(IN_FORCE_S)
        with_old = await self._report(pool, "report with the old key", device)
        device.change_key(new_key)
        with_new = await self._report(pool, "report with the new key", device)
        if with_old != ACCEPTED or with_new != ACCEPTED:
            return
        self.rotated += 1
        self._say(f"{device.client_id} has given itself a new certificate; its old key is accepted beside the new one.")

    async def _revoke(self, pool: Pool, device: Device, identity: Identity) -> None:
        await asyncio.to_thread(self._site.revoke, device.client_id)
        await asyncio.sleep(IN_FORCE_S)
        got = await self._report(pool, "report when revoked", device, Reason.KEY_REVOKED)
        key = load_private_key(identity.key_pem)
        step = Step(_plain(onboarding_request(identity, key, PUBLIC_URL, int(time.time()))), Reason.KEY_REMOVED)
        again = await self._ask(pool, "onboarding when revoked", step)
        self.revoked += got == Reason.KEY_REVOKED
        self._say(f"{device.client_id} is revoked: its next request got {got}, onboarding again {again}.")

    async def _report(self, pool: Pool, kind: str, device: Device, expected: Reason | None = None) -> str:
        step = Step(marked(device.status_report(int(time.time()))), expected)
        return await self._ask(pool, kind, step, device.algorithm.value)

    async def _ask(self, pool: Pool, kind: str, step: Step, algorithm: str = "") -> str:
        """Send, count, and return the verdict. `algorithm` is given for what the WFM counts as signed."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        got = await load.send(pool, step)
        self._tally.add(kind, algorithm, step.expected, got, loop.time() - due)
        return got


def _plain(signed: SignedRequest) -> Message:
    """Without the mark: what the gateway answers by itself the WFM cannot count."""
    return Message(signed.method, signed.target, signed.fields, signed.body)


def _rotation(device: Device, old_key: PrivateKey, successor: Identity, new_key: PrivateKey) -> Message:
    """Signed by both keys over the same components (R23)."""
    request = Request(
        "POST", f"{PUBLIC_URL}/api/v1/clients/{device.client_id}/certificate", certificate_body(successor), JSON
    )
    options = SignOptions(created=int(time.time()), alg=device.algorithm, send_alg=True, label="old")
    first = sign(request, old_key, options)
    return _plain(sign_also(first, request, new_key, msgspec.structs.replace(options, label="new", tag=TAG)))
