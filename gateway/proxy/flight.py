"""One request on the native plane: it goes through the pipeline in callbacks, without task or future."""

import asyncio
import hashlib
from functools import partial

from gateway._native import Refused
from gateway.model import Admitted, Composed, Refusal, Unverified
from gateway.observe.table import BODY, CLAIM, KEY, READ, VERIFY
from gateway.proxy import body as bodies
from gateway.proxy.answering import Answering
from gateway.proxy.exchange import CONTINUE, client_id_of
from gateway.proxy.patient import Patience
from gateway.proxy.spool import Body
from gateway.reasons import Reason
from gateway.registry.answers import Claim, ClaimAnswer, Found
from gateway.steps import BodyFacts, NeedBody, NeedClaim, NeedKey, NeedVerification, Step


class Flight(Answering):
    """From the head of a request to its decision.

    Whoever has what it waits for calls it: registry, engine, replay store, the client's connection. It waits for one of
    them at a time, and once it is over every late call is without effect. What needs more patience (large bodies,
    onboarding, rotation) goes on as a task of the other plane's code.
    """

    __slots__ = ("_began_s",)

    def begin(self, refused: Refused | None, too_late: bool) -> None:
        """Decide as far as that goes without waiting."""
        try:
            if self.head is None:
                assert refused is not None
                self._refuse(Refusal(Reason(refused.reason), refused.detail))
            elif too_late:
                self._refuse(Refusal(Reason.INTERNAL_DRAINING))
            elif not self._has_place():
                self._refuse(Refusal(Reason.INTERNAL_OVERLOADED))
            else:
                step = self._driver.pipeline.begin(self.head, self.connection.peer)
                self.laps.lap(READ)
                self._advance(step)
        except Exception as error:
            self._stop(error)

    def _has_place(self) -> bool:
        in_flight = self._driver.in_flight
        if in_flight is None:
            return True
        self._counted = in_flight.enter()
        return self._counted

    def _advance(self, step: Step) -> None:
        """Take step after step, until one must be waited for or the request is decided."""
        driver = self._driver
        pipeline = driver.pipeline
        while True:
            if isinstance(step, Refusal):
                self._refuse(step)
                return
            self.step = step
            if isinstance(step, NeedVerification):
                try:
                    holds = driver.verifier.submit(step.job, self.verified)
                except Refused as fault:
                    step = pipeline.without_verdict(step, fault)
                    continue
                if holds is None:
                    return
                step = pipeline.with_verdict(step, holds)
                self.laps.lap(VERIFY)
            elif isinstance(step, NeedKey):
                found = driver.directory.find(step.realm, step.client_id)
                if isinstance(found, asyncio.Future):
                    found.add_done_callback(self._looked_up)
                    return
                step = pipeline.with_key(step, found)
                self.laps.lap(KEY)
            elif isinstance(step, NeedBody):
                facts = self._read_body(step)
                if facts is None:
                    return
                step = pipeline.with_body(step, facts)
                self.laps.lap(BODY)
            elif isinstance(step, NeedClaim):
                self._claim(step)
                return
            elif isinstance(step, (Admitted, Composed, Unverified)):
                self._deliver(step)
                return
            else:
                self._take_time(step, None)
                return

    def _stop(self, error: Exception) -> None:
        """The sender's mistake, or a defect of ours."""
        if not isinstance(error, Refused) or self.done:
            self._failed(error)
            return
        try:
            self._refuse(Refusal(Reason(error.reason), error.detail, client_id_of(self.step)))
        except Exception as defect:
            self._failed(defect)

    # Key and verification

    def verified(self, holds: bool | Exception) -> None:
        """An engine's answer."""
        if self.done:
            return
        try:
            if isinstance(holds, Exception):
                raise holds
            assert isinstance(self.step, NeedVerification)
            step = self._driver.pipeline.with_verdict(self.step, holds)
            self.laps.lap(VERIFY)
            self._advance(step)
        except Exception as error:
            self._stop(error)

    def _looked_up(self, future: "asyncio.Future[Found]") -> None:
        if self.done:
            return
        try:
            assert isinstance(self.step, NeedKey)
            step = self._driver.pipeline.with_key(self.step, future.result())
            self.laps.lap(KEY)
            self._advance(step)
        except Exception as error:
            self._stop(error)

    # The body

    def _read_body(self, need: NeedBody) -> BodyFacts | None:
        """What arrived together with the head; None: it must be waited for."""
        head, content, driver = self.head, self._content, self._driver
        assert head is not None
        if head.content_length > need.limit_bytes:
            raise bodies.too_large(need.limit_bytes)
        if content.fault is not None:
            raise content.fault
        if content.ended and content.waiting <= driver.memory_bytes:
            return self._facts(need, 0.0)
        self._began_s = driver.clock.monotonic()
        if not content.ended and head.expects_continue:
            # Only now: whoever cannot sign never gets to send a body (design §9).
            self.connection.write(CONTINUE)
        if head.content_length > driver.memory_bytes or content.waiting > driver.memory_bytes:
            self._take_time(need, self._began_s)
        else:
            self.connection.want_body(driver.memory_bytes + 1)
        return None

    def body_arrived(self) -> None:
        """More of it is here, or its end, or it broke off."""
        if self._patience is not None:
            self._patience.body_arrived()
            return
        content, need = self._content, self.step
        try:
            assert isinstance(need, NeedBody)
            if content.fault is not None:
                raise content.fault
            if content.waiting > need.limit_bytes:
                raise bodies.too_large(need.limit_bytes)
            if content.waiting > self._driver.memory_bytes:
                self.connection.leave_body()
                self._take_time(need, self._began_s)
            elif content.ended:
                self.connection.leave_body()
                took_s = self._driver.clock.monotonic() - self._began_s
                step = self._driver.pipeline.with_body(need, self._facts(need, took_s))
                self.laps.lap(BODY)
                self._advance(step)
        except Exception as error:
            self._stop(error)

    def body_late(self) -> None:
        """Nothing has come for as long as may be."""
        if self._patience is not None:
            return  # it looks at the clock itself
        self._stop(Refused(Reason.REQUEST_BODY_TIMEOUT, f"nothing for {self._driver.body_timeout_s:g} s"))

    def _facts(self, need: NeedBody, took_s: float) -> BodyFacts:
        data = self.connection.take_content()
        if len(data) > need.limit_bytes:
            raise bodies.too_large(need.limit_bytes)
        self.body = data
        sha256 = hashlib.sha256(data).digest() if need.sha256 else None
        sha512 = hashlib.sha512(data).digest() if need.sha512 else None
        return BodyFacts(len(data), sha256, sha512, took_s)

    # Replay

    def _claim(self, need: NeedClaim) -> None:
        """Claim every key; the answer is the worst one."""
        claims = self._driver.claims
        if len(need.keys) == 1:
            unavailable = claims.ask(need.keys[0], need.ttl_ms, self._claimed)
            if unavailable is not None:
                self._judge_claims(need, [unavailable])
            return
        answers: list[ClaimAnswer | None] = [None] * len(need.keys)
        for index, key in enumerate(need.keys):
            answered = partial(self._one_claimed, need, answers, index)
            unavailable = claims.ask(key, need.ttl_ms, answered)
            if unavailable is not None:
                answered(unavailable)

    def _claimed(self, answer: ClaimAnswer) -> bool:
        """The answer to the only claim."""
        if self.done:
            return False  # whoever is told so takes it back
        need = self.step
        assert isinstance(need, NeedClaim)
        if answer is Claim.CLAIMED:
            self.claimed.append(need.keys[0])
        try:
            self._judge_claims(need, [answer])
        except Exception as error:
            self._stop(error)
        return True

    def _one_claimed(self, need: NeedClaim, answers: list[ClaimAnswer | None], index: int, answer: ClaimAnswer) -> bool:
        """The answer to one of several."""
        if self.done:
            return False
        answers[index] = answer
        if answer is Claim.CLAIMED:
            self.claimed.append(need.keys[index])
        known = [one for one in answers if one is not None]
        if len(known) == len(answers):
            try:
                self._judge_claims(need, known)
            except Exception as error:
                self._stop(error)
        return True

    def _judge_claims(self, need: NeedClaim, answers: list[ClaimAnswer]) -> None:
        worst: ClaimAnswer = Claim.CLAIMED
        for answer in answers:
            if answer is not Claim.CLAIMED:
                worst = answer
                break
        step = self._driver.pipeline.with_claim(need, worst, self._driver.claims.since_s(need.keys) or 0.0)
        self.laps.lap(CLAIM)
        self._advance(step)

    # Whatever takes longer

    def _take_time(self, step: Step, began_s: float | None) -> None:
        """Go on as a task.

        :param began_s: when the reading of the body began, by the monotonic clock; None: it has not
        """
        incoming_id, head, body = self.request_id, self.head, self.body
        patience = Patience(self.connection, self._content, head, incoming_id)
        request = patience.request
        request.claimed = self.claimed
        request.body = Body(body, len(body)) if body else None
        request.began_s = began_s
        request.laps = self.laps
        self._patience = patience
        patience.start(self._driver.exchange, step, self._patience_ends)

    def _patience_ends(self, keep_alive: bool, unread: bool) -> None:
        self.claimed = []  # whoever had the request has decided about them
        self._close(keep_alive, unread)
