"""Onboards devices: asks the store about a key, enrols it with the WFM or by ourselves, and records it before anybody
is told (R20, R21)."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Final

from gateway.balance.group import ATTEMPTS
from gateway.clock import Clock
from gateway.config import Config
from gateway.model import Refusal
from gateway.onboarding import answer
from gateway.onboarding.answer import OwnAnswer
from gateway.onboarding.enrolment import Entry, entry_for, refusal_of
from gateway.onboarding.flow import Enrol, Known, Standing
from gateway.proxy.asking import Backends, UpstreamError
from gateway.proxy.enrolling import Enrolling
from gateway.proxy.forward import Collected, Delivery, collect
from gateway.proxy.journal import Journal
from gateway.reasons import Reason
from gateway.registry import pins
from gateway.registry.answers import Unavailable
from gateway.registry.damaged import Damaged, read_or_damaged
from gateway.registry.keys import client_key, spki_key
from gateway.registry.line import Asking
from gateway.registry.link import Report
from gateway.registry.records import Record
from gateway.registry.registration import LEASE, TOMBSTONE
from gateway.steps import NeedStanding, Onboard

LEASE_MARGIN_S: Final = 30.0
RETRY_S: Final = 1.0
"""How often the journal is tried again."""
Told = OwnAnswer | Collected


class Enrolled:
    """A device that is recorded, and what it is told."""

    __slots__ = ("client_id", "told")

    def __init__(self, client_id: str, told: Told) -> None:
        self.client_id = client_id
        self.told = told


class Onboarding:
    """The onboarding of one worker.

    :param link: the request path's
    :param journal: where devices wait whose record could not be written
    :param report: told `onboarding.enrolled`, `onboarding.journaled`, `onboarding.settled` and `onboarding.refused`
    """

    def __init__(
        self,
        config: Config,
        link: Asking,
        enrolling: Enrolling,
        journal: Journal,
        upstream: Backends,
        clock: Clock,
        report: Report,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._mode = config.onboarding.mode
        self._looks_at_pins = "pinned" in config.onboarding.trust
        self._lease_ms = int(1000 * (_patience_s(config) + LEASE_MARGIN_S))
        self._link = link
        self._enrolling = enrolling
        self._journal = journal
        self._upstream = upstream
        self._clock = clock
        self._report = report
        self._new_id = new_id
        self._flights: dict[tuple[str, str], asyncio.Task[Enrolled | Told | Refusal]] = {}
        self._settling: asyncio.Task[None] | None = None
        self.readers = 0
        """Bodies that are being read now."""

    def start(self) -> None:
        """Record what an earlier run left in the journal."""
        if self._mode == "proxy":
            self._settle_soon()

    async def close(self, patience_s: float) -> None:
        """Let what has begun come to its end: the WFM may have assigned an id already."""
        if self._settling is not None:
            self._settling.cancel()
        flights = list(self._flights.values())
        if flights:
            _, late = await asyncio.wait(flights, timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # What the store has

    async def standing(self, need: NeedStanding) -> Standing | Unavailable:
        """What the store, or the journal, has about a key."""
        realm, certificate = need.request.realm, need.presented.certificate
        names = [spki_key(realm, certificate.spki_sha256)]
        if self._looks_at_pins:
            names += pins.lookup_keys(realm, certificate)
        replies = await asyncio.gather(*[self._link.submit(b"GET", name) for name in names])
        for reply in replies:
            if isinstance(reply, Unavailable):
                return reply
        owner = replies[0].decode(errors="replace") if isinstance(replies[0], bytes) else ""
        if (not owner or owner.startswith(LEASE)) and (entry := self._journal.find(realm, certificate.spki_sha256)):
            trouble = await self._settle(self._journal.name(realm, certificate.spki_sha256), entry)
            return trouble or await self.standing(need)  # the entry is gone, one way or the other
        pinned = any(pins.is_pin(reply, realm, certificate) for reply in replies[1:])
        if not owner or owner.startswith((LEASE, TOMBSTONE)):
            return Standing(owner, None, pinned)
        return await self._owned(realm, owner, pinned)

    async def _owned(self, realm: str, owner: str, pinned: bool) -> Standing | Unavailable:
        data = await self._link.submit(b"GET", client_key(realm, owner))
        if isinstance(data, Unavailable):
            return data
        if data is None:
            return Standing(owner, None, pinned)
        record: Record | Damaged = (
            read_or_damaged(data, realm, owner)
            if isinstance(data, bytes)
            else Damaged(realm, owner, "the store returned no record")
        )
        if isinstance(record, Damaged):
            return Unavailable(Reason.STORE_ANSWER, record.why)
        return Standing(owner, record, pinned)

    # What becomes of it

    async def conclude(self, step: Onboard, allowed: frozenset[bytes] | None, delivery: Delivery) -> Told | Refusal:
        """Enrol the device, or tell it the id that it has. What has begun goes on if the client does not wait for it.

        :param allowed: names that may go on to the WFM, None for all
        """
        older = step.presented.older
        if isinstance(step.decision, Known):
            return answer.created(step.decision.client_id, older)
        key = (step.request.realm, step.presented.certificate.spki_sha256)
        flight = self._flights.get(key)
        if flight is not None:
            outcome = await asyncio.shield(flight)
            if isinstance(outcome, Enrolled):
                return answer.created(outcome.client_id, older)
            return Refusal(Reason.INTERNAL_BUSY, "another request of the device was under way, and came to nothing")
        flight = self._link.loop.create_task(self._enrol(step, step.decision, allowed, delivery))
        self._flights[key] = flight
        flight.add_done_callback(lambda _: self._flights.pop(key))
        outcome = await asyncio.shield(flight)
        return outcome.told if isinstance(outcome, Enrolled) else outcome

    async def _enrol(
        self, step: Onboard, enrol: Enrol, allowed: frozenset[bytes] | None, delivery: Delivery
    ) -> Enrolled | Told | Refusal:
        realm, spki = step.request.realm, step.presented.certificate.spki_sha256
        waited = bool(enrol.held)
        lease = enrol.resume or await self._enrolling.lease(realm, spki, self._lease_ms, waited)
        if isinstance(lease, Unavailable):
            return Refusal(lease.reason, lease.detail)
        counted, kept = False, False
        try:
            if enrol.rule == "tofu" or enrol.pending:
                objection = await self._enrolling.count(realm)
                counted = not isinstance(objection, Unavailable)
                if objection is not None:
                    return Refusal(objection.reason, objection.detail)
            assigned = await self._assign(step, enrol, allowed, delivery)
            if not isinstance(assigned, Enrolled):
                return assigned
            holds = enrol.held or lease
            entry = entry_for(step.presented, realm, enrol, assigned.client_id, holds, self._mode == "proxy")
            refusal, kept = await self._record(spki, entry)
            if refusal is not None:
                return refusal
            kept = True
            if waited:
                self._enrolling.forget(realm, enrol.held)
            if enrol.pending:
                return Refusal(Reason.KEY_PENDING, f"recorded as {assigned.client_id}", assigned.client_id)
            self._report("onboarding.enrolled", f"{assigned.client_id} in realm {realm}, by {enrol.rule}, key {spki}")
            return assigned
        finally:
            if waited or (not kept and not enrol.resume):
                self._enrolling.give_back(realm, spki, lease, waited)
            if counted and not kept:
                self._enrolling.uncount(realm)

    async def _assign(
        self, step: Onboard, enrol: Enrol, allowed: frozenset[bytes] | None, delivery: Delivery
    ) -> Enrolled | Told | Refusal:
        """The id, from whoever assigns ids; or why there is none."""
        older = step.presented.older
        if enrol.resume:
            return Enrolled(enrol.resume, answer.created(enrol.resume, older))
        if self._mode == "local" or enrol.pending:
            client_id = self._new_id() if self._mode == "local" else step.presented.certificate.spki_sha256
            return Enrolled(client_id, answer.created(client_id, older))
        try:
            collected = await collect(step.admitted, step.presented.body, allowed, self._upstream, delivery)
        except UpstreamError as error:
            return Refusal(error.reason, error.detail)
        if collected.status == answer.CONFLICT:
            sha256 = step.presented.certificate.sha256
            self._enrolling.tell(step.request.realm, "", f"refused: {Reason.ONBOARDING_CONFLICT}")
            detail = f"repair: wfm-gateway clients add --id ID --cert FILE, with the certificate {sha256}"
            return Refusal(Reason.ONBOARDING_CONFLICT, detail)
        if collected.status != answer.CREATED:
            return collected
        client_id_or_none = answer.learn(collected.body)
        if client_id_or_none is None:  # R20: only an id of R2's grammar teaches
            return Refusal(Reason.UPSTREAM_ANSWER, "201 to an onboarding request without one usable client id")
        return Enrolled(client_id_or_none, collected)

    async def _record(self, spki_sha256: str, entry: Entry) -> tuple[Refusal | None, bool]:
        """Record a device, or keep it in the journal; a refusal, and whether the key stays leased."""
        decision = await self._enrolling.record(entry)
        if isinstance(decision, Unavailable):
            return await self._keep(spki_sha256, entry, decision), True
        refusal = refusal_of(decision, entry.client_id)
        if refusal is not None:
            self._enrolling.tell(entry.realm, entry.client_id, f"refused: {refusal.reason}")
        return refusal, False

    async def _keep(self, spki_sha256: str, entry: Entry, why: Unavailable) -> Refusal:
        refusal = Refusal(why.reason, why.detail, entry.client_id)
        try:
            await asyncio.to_thread(self._journal.write, entry.realm, spki_sha256, entry)
        except OSError as error:
            self._report("onboarding.refused", f"{entry.client_id} could be recorded neither in the store nor in the "
                         f"journal {self._journal.directory}: {error.strerror}")  # fmt: skip
            return refusal
        self._report("onboarding.journaled", f"{entry.client_id} waits to be recorded: {why.detail}")
        self._settle_soon()
        return refusal

    # The journal

    def _settle_soon(self) -> None:
        if self._settling is None or self._settling.done():
            self._settling = self._link.loop.create_task(self._settle_all())

    async def _settle_all(self) -> None:
        while entries := list(self._journal.entries()):
            for name, entry in entries:
                if await self._settle(name, entry) is not None:
                    break  # the store is away: the others would fare no better
            else:
                continue
            await asyncio.sleep(RETRY_S)

    async def _settle(self, name: str, entry: Entry) -> Unavailable | None:
        """Record one entry of the journal; why that could not be tried to the end."""
        decision = await self._enrolling.record(entry)
        if isinstance(decision, Unavailable):
            return decision
        refusal = refusal_of(decision, entry.client_id)
        if refusal is None:
            self._journal.done(name)
            if not entry.holds.startswith(LEASE):
                self._enrolling.forget(entry.realm, entry.holds)
            self._report("onboarding.settled", f"{entry.client_id} in realm {entry.realm} is recorded")
        else:
            self._journal.refuse(name)
            self._enrolling.tell(entry.realm, entry.client_id, f"refused: {refusal.reason}")
            self._report("onboarding.refused", f"{entry.client_id} from the journal: {refusal.detail}")
        return None


def _patience_s(config: Config) -> float:
    """How long the WFM may take, on every server that it is asked on."""
    return max(
        min(len(one.backends), ATTEMPTS) * (2 * one.connect_timeout_s + one.response_timeout_s)
        for one in config.upstreams
    )
