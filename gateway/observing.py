"""Routes that forward what does not verify (R16): the same pipeline, whose refusals become reports.

Only the signed routes of devices have a mode. What no two parsers may read differently, what no route is for, and what
does not fit within a limit is refused in every mode.
"""

import random
import zlib
from collections.abc import Callable
from typing import Final

import msgspec

from gateway._native import Head, Refused
from gateway.advice import SILENCE, Advice
from gateway.clock import Clock
from gateway.config import Config
from gateway.limiting.limiter import Limiter
from gateway.model import External, Mode, Refusal
from gateway.onboarding.bundles import Bundles
from gateway.pipeline import Pipeline
from gateway.reasons import Reason
from gateway.registry.answers import ClaimAnswer, Found
from gateway.registry.revocations import Revocations
from gateway.routing.match import Match
from gateway.steps import BodyFacts, NeedBody, NeedClaim, NeedKey, NeedVerification, Request, Step

_NEVER: Final = ("request.", "internal.", "limit.")
"""Families of reasons that refuse in every mode."""


def pipeline_for(
    config: Config,
    clock: Clock,
    revocations: Revocations | None = None,
    bundles: Bundles | None = None,
    advice: Advice = SILENCE,
    limiter: Limiter | None = None,
) -> Pipeline:
    """The pipeline that a configuration wants: whoever enforces everywhere pays nothing for the other modes."""
    lenient = any(mode in ("observe", "passthrough") for _, mode in config.modes)
    return (Observing if lenient else Pipeline)(config, clock, revocations, bundles, advice, limiter)


class Observing(Pipeline):
    """Decides as `Pipeline` does, then looks at the mode of the route.

    :param draw: a random number from 0 to 1, for `policy.observe_share`
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        revocations: Revocations | None = None,
        bundles: Bundles | None = None,
        advice: Advice = SILENCE,
        limiter: Limiter | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(config, clock, revocations, bundles, advice, limiter)
        self._draw = draw
        self._enforce_share = config.policy.enforce_share
        self._observe_share = config.policy.observe_share

    def _begin_signed(self, head: Head, match: Match, external: External) -> Step:
        if match.mode == "enforce":
            return super()._begin_signed(head, match, external)
        if match.mode == "passthrough":
            return self._unverified(_bare(head, external, match, match.client_id or "", None))
        step: Step
        try:
            step = super()._begin_signed(head, match, external)
        except Refused as refused:
            step = Refusal(Reason(refused.reason), refused.detail, match.client_id or "")
        client_id = match.client_id or _named(step)
        if self._is_enforced(match.realm, client_id):
            return step
        if self._draw() * 100 >= self._observe_share:
            return self._unverified(_bare(head, external, match, client_id, None))
        if isinstance(step, Refusal):
            if not _is_forwarded(step.reason):
                return step
            return self._unverified(_bare(head, external, match, client_id, step))
        assert isinstance(step, NeedKey)
        return NeedKey(msgspec.structs.replace(step.request, mode="observe"))

    def with_key(self, need: NeedKey, found: Found) -> Step:
        """Step 6, or what the mode makes of its refusal."""
        return self._or_forwarded(need.request, super().with_key(need, found), bool(need.verified))

    def with_verdict(self, need: NeedVerification, holds: bool) -> Step:
        """Step 7, or what the mode makes of its refusal."""
        return self._or_forwarded(need.request, super().with_verdict(need, holds), False)

    def without_verdict(self, need: NeedVerification, refused: Refused) -> Step:
        """Step 7 without an answer, or what the mode makes of its refusal."""
        return self._or_forwarded(need.request, super().without_verdict(need, refused), False)

    def with_body(self, need: NeedBody, body: BodyFacts) -> Step:
        """Step 8, or what the mode makes of its refusal."""
        if not need.verified:
            return self._let_go(need.request, need.request.refusal)
        return self._or_forwarded(need.request, super().with_body(need, body), True)

    def with_claim(self, need: NeedClaim, answer: ClaimAnswer, epoch_s: float) -> Step:
        """Step 9, or what the mode makes of its refusal."""
        return self._or_forwarded(need.request, super().with_claim(need, answer, epoch_s), True)

    def _unproven(self, request: Request) -> None:
        # Whoever goes on all the same must not be shut out for it (`rate.bad_signatures_per_address`).
        if request.mode == "enforce":
            super()._unproven(request)

    def _is_enforced(self, realm: str, client_id: str) -> bool:
        """Does this client belong to the share that is enforced? The same ones always do, on every machine."""
        share = self._enforce_share
        return share > 0 and zlib.crc32(f"{realm}/{client_id}".encode()) % 100 < share

    def _or_forwarded(self, request: Request, step: Step, body_read: bool) -> Step:
        if not isinstance(step, Refusal) or request.mode == "enforce" or not _is_forwarded(step.reason):
            return step
        if body_read:
            return self._let_go(request, step)
        return self._unverified(msgspec.structs.replace(request, refusal=step))

    def _unverified(self, request: Request) -> Step:
        """Its body must be here before it goes."""
        head = request.head
        if head.content_length > 0 or head.chunked:
            return NeedBody(request, (), self._policy.body_limit_bytes, False, False)
        return self._let_go(request, request.refusal)

    def _let_go(self, request: Request, refusal: Refusal | None) -> Step:
        return self._rules.let_go(
            request.head, request.external, request.route, request.mode, request.client_id, refusal
        )


def _bare(head: Head, external: External, match: Match, client_id: str, refusal: Refusal | None) -> Request:
    mode: Mode = match.mode
    return Request(head, external, match.route, match.realm, client_id, False, (), None, (), mode=mode, refusal=refusal)


def _named(step: Step) -> str:
    """The client that a signature names by its keyid (R11)."""
    if isinstance(step, Refusal):
        return step.client_id
    return step.client_id if isinstance(step, NeedKey) else ""


def _is_forwarded(reason: Reason) -> bool:
    # A client id that a keyid does not give is the signature's fault; of a path it was refused before.
    return reason is Reason.REQUEST_CLIENT_ID or not reason.value.startswith(_NEVER)
