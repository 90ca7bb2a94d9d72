"""The life of one request: asks the pipeline what it needs, fetches that, then forwards or refuses.

A request waits for nothing but the store, its own body and the backend.
"""

import asyncio
import itertools
import os
import traceback
from typing import Any, Final

from gateway._native import Head, Laps, Refused
from gateway.clock import Clock
from gateway.config import Config
from gateway.limiting.in_flight import InFlight
from gateway.model import Admitted, Composed, Refusal, Unverified
from gateway.observe.decisions import Decisions
from gateway.observe.table import BODY, CLAIM, KEY, READ, UPSTREAM, VERIFY
from gateway.onboarding.answer import OwnAnswer
from gateway.onboarding.certificate_api import RootCa
from gateway.pipeline import Pipeline
from gateway.proxy import body as bodies
from gateway.proxy.asking import Backends, UpstreamError
from gateway.proxy.forward import Collected, Delivery, forward, forward_open
from gateway.proxy.incoming import CLOSE, KEEP, Answered, ClientGone, Incoming
from gateway.proxy.needs import Claims, Directory, Onboarding
from gateway.proxy.relay import Relay
from gateway.proxy.respond import Responder
from gateway.proxy.rotation import Rotating
from gateway.proxy.spool import Body, Spool
from gateway.proxy.unproven import forward_unverified
from gateway.proxy.verifier import Verifier
from gateway.proxy.vouching import vouch
from gateway.reasons import Reason
from gateway.registry.answers import Claim, ClaimAnswer
from gateway.steps import (
    BodyFacts,
    NeedBody,
    NeedClaim,
    NeedKey,
    NeedPresented,
    NeedStanding,
    NeedVerification,
    Onboard,
    Rotate,
    ServeRootCa,
    Step,
    Vouch,
)

READERS: Final = 256
"""Onboarding bodies that are read at one time: their senders are strangers (R5)."""

READ_S: Final = 10.0
"""How long one of them may take as a whole."""

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Request:
    """What this request holds while it is decided: closed in `finally`, whatever happens."""

    __slots__ = (
        "began_s",
        "body",
        "claimed",
        "delivery",
        "head",
        "incoming",
        "keep_alive",
        "laps",
        "path",
        "request_id",
        "step",
        "told",
    )

    def __init__(self, incoming: Incoming, head: Head | None, request_id: str) -> None:
        self.laps = Laps()
        self.incoming = incoming
        self.head = head
        self.request_id = request_id
        self.path = head.path.decode("utf-8", "surrogateescape") if head is not None else ""
        self.keep_alive = head is not None and head.keep_alive and head.minor == 1
        self.step: Step | None = None
        """The latest that is no refusal."""
        self.body: Body | None = None
        self.claimed: list[bytes] = []
        self.delivery = Delivery()
        self.told = False
        """Its end was told to `Decisions`, which must hear of it once."""
        self.began_s: float | None = None
        """When reading the body began, by the monotonic clock, if somebody else began it."""

    @property
    def has_body(self) -> bool:
        """The request announced content (R10)."""
        return self.head is not None and (self.head.content_length > 0 or self.head.chunked)


class Exchange:
    """Drives requests; one per worker."""

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        directory: Directory,
        claims: Claims,
        verifier: Verifier,
        upstream: Backends,
        spool: Spool,
        decisions: Decisions,
        clock: Clock,
        onboarding: Onboarding | None = None,
        root_ca: RootCa | None = None,
        rotating: Rotating | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        self._in_flight = in_flight
        self._pipeline = pipeline
        self._rotating = rotating
        self._onboarding = onboarding
        self._root_ca = root_ca
        self._directory = directory
        self._claims = claims
        self._verifier = verifier
        self._upstream = upstream
        self._spool = spool
        self._decisions = decisions
        self._clock = clock
        self._stall_s = config.limits.body_timeout_s
        self._forward = config.headers.forward
        self._allowed = allowed_names(config)
        self._responder = Responder(config, clock.now)
        self._relay = Relay(self._responder)
        # Ids need to be unique and short, not secret: a random start per worker, then a counter.
        self._run = os.urandom(5).hex()
        self._serial = itertools.count(1)

    async def run(self, incoming: Incoming) -> Answered:
        """Answer one request. Never raises but for cancellation, which is the loss of the client."""
        request = Request(incoming, incoming.head, f"{self._run}{next(self._serial):08x}")
        in_flight = self._in_flight
        if in_flight is None:
            return await self.carry_on(request, None)
        if not in_flight.enter():
            return await self.carry_on(request, Refusal(Reason.INTERNAL_OVERLOADED))
        try:
            return await self.carry_on(request, None)
        finally:
            in_flight.leave()

    async def carry_on(self, request: Request, step: Step | None) -> Answered:
        """As `run`, for a request that has come as far as `step`; None: it has just arrived."""
        try:
            refusal = await self._decide(request, step)
            if refusal is None:
                return await self._passed(request)
            return await self._refuse(request, refusal)
        except asyncio.CancelledError:
            self._gone(request, "the client closed the connection")
            raise
        except ClientGone as gone:
            self._gone(request, str(gone))
            return CLOSE
        except ConnectionError:
            self._gone(request, "the client closed the connection")
            return CLOSE
        except Exception as error:
            return await self._failed(request, error)
        finally:
            self._finish(request)

    async def _decide(self, request: Request, step: Step | None) -> Refusal | None:
        """Everything up to the backend's answer; None if that answer was relayed."""
        incoming, head = request.incoming, request.head
        try:
            if head is None:
                refused = incoming.refused
                assert refused is not None
                return Refusal(Reason(refused.reason), refused.detail)
            if incoming.too_late:
                return Refusal(Reason.INTERNAL_DRAINING)
            lap = request.laps.lap
            if step is None:
                step = self._pipeline.begin(head, incoming.connection.peer)
                lap(READ)
            while True:
                if isinstance(step, Refusal):
                    return step
                request.step = step
                if isinstance(step, NeedVerification):
                    try:
                        verdict = self._verifier.ask(step.job)
                    except Refused as fault:
                        step = self._pipeline.without_verdict(step, fault)
                        continue
                    step = self._pipeline.with_verdict(step, verdict if isinstance(verdict, bool) else await verdict)
                    lap(VERIFY)
                elif isinstance(step, NeedKey):
                    found = self._directory.find(step.realm, step.client_id)
                    step = self._pipeline.with_key(step, await found if isinstance(found, asyncio.Future) else found)
                    lap(KEY)
                elif isinstance(step, NeedBody):
                    step = self._pipeline.with_body(step, await self._read_body(request, head, step))
                    lap(BODY)
                elif isinstance(step, NeedClaim):
                    answer = await self._claim(request, step)
                    step = self._pipeline.with_claim(step, answer, self._claims.since_s(step.keys) or 0.0)
                    lap(CLAIM)
                elif isinstance(step, Admitted | Composed | Unverified):
                    return await self._deliver(request, head, step)
                elif isinstance(step, ServeRootCa):
                    assert self._root_ca is not None
                    document = self._root_ca.answer(step.if_none_match, self._clock.monotonic())
                    await self._tell(request, head, document)
                    return None
                elif isinstance(step, Vouch):
                    # Whoever asked forwards it, so it counts from now on (R13).
                    request.delivery.touched = True
                    await self._tell(request, head, vouch(step.admitted))
                    return None
                elif isinstance(step, Rotate):
                    return await self._rotate(request, head, step)
                else:
                    next_step = await self._onboard(request, head, step)
                    if next_step is None:
                        return None
                    step = next_step
        except Refused as refused:
            return Refusal(Reason(refused.reason), refused.detail, client_id_of(request.step))

    async def _read_body(self, request: Request, head: Head, need: NeedBody | NeedPresented) -> BodyFacts:
        payload = request.incoming.payload
        if head.content_length > need.limit_bytes:
            raise bodies.too_large(need.limit_bytes)
        began_s = request.began_s
        if began_s is None:
            began_s = self._clock.monotonic()
            if head.expects_continue and not payload.is_eof():
                # Only now: whoever cannot sign never gets to send a body (design §9).
                request.incoming.connection.write(CONTINUE)
        request.body, digests = await bodies.read(
            payload, head.content_length, need.limit_bytes, self._spool, self._stall_s, need.sha256, need.sha512
        )
        took_s = self._clock.monotonic() - began_s
        return BodyFacts(request.body.length, digests.sha256, digests.sha512, took_s)

    async def _onboard(self, request: Request, head: Head, step: NeedPresented | NeedStanding | Onboard) -> Step | None:
        """One step of an onboarding request; None when the answer is told."""
        onboarding = self._onboarding
        assert onboarding is not None
        if isinstance(step, NeedPresented):
            next_step = self._pipeline.with_presented(
                step, *await self._read_presented(request, head, step, onboarding)
            )
            request.laps.lap(BODY)
            return next_step
        if isinstance(step, NeedStanding):
            next_step = self._pipeline.with_standing(step, await onboarding.standing(step))
            request.laps.lap(KEY)
            return next_step
        told = await onboarding.conclude(step, self._names(step.admitted), request.delivery)
        request.laps.lap(UPSTREAM)
        if isinstance(told, Refusal):
            return told
        # It counts, whether the WFM was asked or not: the same request must not be answered twice (R13).
        request.delivery.touched = True
        await self._tell(request, head, told)
        return None

    async def _rotate(self, request: Request, head: Head, step: Rotate) -> Refusal | None:
        """The end of a rotation; None when the answer is told."""
        assert self._rotating is not None
        body = b"" if request.body is None else await _whole(request.body)
        told = await self._rotating.conclude(step, body, request.delivery)
        if isinstance(told, Refusal):
            return told
        await self._tell(request, head, told)
        return None

    async def _read_presented(
        self, request: Request, head: Head, need: NeedPresented, onboarding: Onboarding
    ) -> tuple[BodyFacts, bytes]:
        """The body of a stranger: small, in time as a whole, and not from too many at once (R5)."""
        if onboarding.readers >= READERS:
            raise Refused(Reason.INTERNAL_BUSY, f"{READERS} onboarding bodies are being read")
        onboarding.readers += 1
        limit_s = min(self._stall_s, READ_S)
        try:
            async with asyncio.timeout(limit_s):
                facts = await self._read_body(request, head, need)
            body = request.body
            assert body is not None
            return facts, await _whole(body)
        except TimeoutError:
            raise Refused(Reason.REQUEST_BODY_TIMEOUT, f"not whole after {limit_s:g} s") from None
        finally:
            onboarding.readers -= 1

    async def _tell(self, request: Request, head: Head, told: OwnAnswer | Collected) -> None:
        """Answer with what is in memory."""
        connection = request.incoming.connection
        request.keep_alive = request.keep_alive and request.incoming.payload.is_eof() and not connection.closing
        if isinstance(told, OwnAnswer):
            head_only = head.method == b"HEAD"
            octets = self._responder.render_own(told, request.request_id, request.keep_alive, head_only)
        else:
            lines = told.lines if request.keep_alive else [*told.lines, b"Connection: close"]
            octets = b"\r\n".join(lines) + b"\r\n\r\n" + told.body
        request.delivery.answered = True
        connection.write(octets)
        await connection.drained()
        request.told = True
        self._decisions.passed(request, told.status)

    async def _claim(self, request: Request, need: NeedClaim) -> ClaimAnswer:
        """Claim every key; the answer is the worst one. A claim that the client did not wait for takes itself back."""
        futures = [self._claims.claim(key, need.ttl_ms) for key in need.keys]
        try:
            answers = [await future for future in futures]
        except asyncio.CancelledError:
            for key, future in zip(need.keys, futures, strict=True):
                if future.done() and not future.cancelled() and future.result() is Claim.CLAIMED:
                    request.claimed.append(key)
                future.cancel()
            raise
        request.claimed += [key for key, answer in zip(need.keys, answers, strict=True) if answer is Claim.CLAIMED]
        for answer in answers:
            if answer is not Claim.CLAIMED:
                return answer
        return Claim.CLAIMED

    async def _deliver(self, request: Request, head: Head, step: Admitted | Composed | Unverified) -> Refusal | None:
        connection, delivery = request.incoming.connection, request.delivery
        # A body that nobody read is still on its way: this connection cannot carry another request.
        request.keep_alive = request.keep_alive and request.incoming.payload.is_eof()
        try:
            if isinstance(step, Admitted):
                status, request.keep_alive = await forward(
                    step, request.body, self._names(step), connection, request.keep_alive, self._upstream, self._relay,
                    delivery,
                )  # fmt: skip
            elif isinstance(step, Unverified):
                status, request.keep_alive = await forward_unverified(
                    step, request.body, self._allowed, connection, request.keep_alive, self._upstream, self._relay,
                    delivery,
                )  # fmt: skip
            else:
                status, request.keep_alive = await forward_open(
                    step, head.minor, connection, request.keep_alive, self._upstream, self._relay, delivery
                )
        except UpstreamError as error:
            return Refusal(error.reason, error.detail, client_id_of(step), notes=notes_of(step))
        finally:
            request.laps.lap(UPSTREAM)
        request.told = True
        self._decisions.passed(request, status)
        return None

    def _names(self, admitted: Admitted) -> frozenset[bytes] | None:
        if self._forward == "covered":
            return frozenset(admitted.verified.candidate.field_names())
        return self._allowed

    async def _passed(self, request: Request) -> Answered:
        if not request.incoming.payload.is_eof():
            await request.incoming.connection.linger()
        return KEEP if request.keep_alive else CLOSE

    async def _refuse(self, request: Request, refusal: Refusal) -> Answered:
        request.told = True
        self._decisions.refused(request, refusal)
        connection = request.incoming.connection
        if request.delivery.answered:
            return CLOSE  # the answer broke off and the connection is cut
        unread = not request.incoming.payload.is_eof()
        broken = request.head is None or request.incoming.payload.exception() is not None
        keep_alive = request.keep_alive and not unread and not broken and not connection.closing
        head_only = request.head is not None and request.head.method == b"HEAD"
        connection.write(
            self._responder.render(
                refusal, request.request_id, request.path, keep_alive, request.has_body, head_only=head_only
            )
        )
        await connection.drained()
        if unread or broken:
            await connection.linger()
        return KEEP if keep_alive else CLOSE

    def _gone(self, request: Request, detail: str) -> None:
        if not request.told:
            request.told = True
            self._decisions.gone(request, detail)

    async def _failed(self, request: Request, error: Exception) -> Answered:
        """A defect of ours: 500, with everything in the log and nothing in the answer."""
        detail = "".join(traceback.format_exception(error))
        try:
            request.keep_alive = False
            return await self._refuse(request, Refusal(Reason.INTERNAL_ERROR, detail, client_id_of(request.step)))
        except (ConnectionError, Refused):
            return CLOSE

    def _finish(self, request: Request) -> None:
        if request.body is not None:
            request.body.close()
        if request.claimed and not request.delivery.touched:
            # R13: no octet was written to the backend, so the same request may come again.
            for key in request.claimed:
                self._claims.release(key)


async def _whole(body: Body) -> bytes:
    """The octets of a small body, wherever they are."""
    return b"".join([piece async for piece in body.pieces()]) if body.spooled else body.data


def allowed_names(config: Config) -> frozenset[bytes] | None:
    """Lower-case names that may go on to the backend; None where the configuration does not list them."""
    names = config.headers.forward
    return frozenset(name.encode() for name in names) if isinstance(names, tuple) else None


def client_id_of(step: Any) -> str:
    """Of the request that has come as far as `step`; "" while it is unknown."""
    if isinstance(step, Admitted):
        return step.verified.client.client_id
    if isinstance(step, Unverified):
        return step.client_id
    request = getattr(step, "request", None)
    return request.client_id if request is not None else ""


def notes_of(step: Any) -> tuple[str, ...]:
    """What is worth a log line about a request that was admitted, or let go."""
    if isinstance(step, Unverified):
        return (f"not verified: {step.refusal.reason}",) if step.refusal is not None else ("not verified",)
    return step.notes if isinstance(step, Admitted) else ()
