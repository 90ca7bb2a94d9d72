"""The life of a request as synchronous steps: each takes what is known, and answers with a decision or with what it
needs next."""

import hashlib
from typing import Final

import msgspec

from gateway._native import Candidate, Head, Refused, parse_digest, select
from gateway.advice import SILENCE, Advice
from gateway.attempts import OPERATION_LIMIT, Attempts, digest_required
from gateway.clock import Clock
from gateway.config import Config
from gateway.limiting.limiter import Limiter
from gateway.model import Client, External, Peer, Refusal, Status, Verified
from gateway.onboarding import flow
from gateway.onboarding.body import LIMIT_BYTES, read_presented
from gateway.onboarding.bundles import Bundles
from gateway.onboarding.flow import Standing
from gateway.onboarding.rotation import Rotations, split
from gateway.onboarding.trust import Trust
from gateway.policy import Rules
from gateway.reasons import Reason
from gateway.registry.answers import Claim, ClaimAnswer, Denied, Found, Missing, Unavailable
from gateway.registry.keys import is_client_id
from gateway.registry.revocations import Revocations
from gateway.replay import claim_key, is_claimed
from gateway.routing.compose import compose
from gateway.routing.locate import Locator
from gateway.routing.match import Match
from gateway.routing.subrequest import Subrequests
from gateway.routing.table import RouteTable
from gateway.several import further, in_field_order, who, with_failures
from gateway.signature.algorithms import AlgorithmChoice
from gateway.signature.verify import proven
from gateway.steps import (
    BodyFacts,
    NeedBody,
    NeedClaim,
    NeedKey,
    NeedPresented,
    NeedStanding,
    NeedVerification,
    Onboard,
    Request,
    Rotate,
    ServeRootCa,
    Step,
    Vouch,
)

ROOT_CA_ROUTE: Final = "onboarding-certificate"
"""The route of the certificate API in profile `margo`."""

SLOW_BODY_S: Final = 1.0
"""A body that takes longer makes freshness and revocation be checked again (R12)."""

# A union, or a member of an enumeration, costs more to make or to look up at each use than the comparison itself.
_NO_ANSWER: Final = (Unavailable, Denied)
_SEEN: Final = Claim.SEEN
_EMPTY_SHA256: Final = hashlib.sha256(b"").digest()
_EMPTY_SHA512: Final = hashlib.sha512(b"").digest()


class Pipeline:
    """Decides about requests. Knows nothing of sockets, stores and engines: their answers are handed to it.

    :param bundles: the authorities of `[[onboarding.ca]]`, kept current by somebody; None: as their files are now
    :param advice: what the log line of a refusal may say beyond its reason
    :param limiter: who may send how much; None: there are no limits
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        revocations: Revocations | None = None,
        bundles: Bundles | None = None,
        advice: Advice = SILENCE,
        limiter: Limiter | None = None,
    ) -> None:
        self._advice = advice
        self._limiter = limiter
        self._policy = config.policy
        self._mode = config.onboarding.mode
        self._serves_root_ca = config.onboarding.root_ca is not None
        self._trust: Trust | None = None
        if config.onboarding.records or config.onboarding.trust:
            self._trust = Trust(config.onboarding, revocations, bundles)
        self._clock = clock
        self._routes = RouteTable(config)
        self._locator = Locator(config)
        self._subrequests = None if config.verify.path is None else Subrequests(config)
        self._choice = AlgorithmChoice(config.policy.algorithms, config.policy.rsa_algorithms)
        self._rules = Rules(config.policy, self._choice, revocations)
        self._attempts = Attempts(self._rules, self._choice)
        self.rotations: Rotations | None = None
        if config.onboarding.rotation and self._trust is not None:
            self.rotations = Rotations(config.onboarding, self._choice, self._trust)
        self._structured = {name.encode(): kind for name, kind in config.policy.structured_fields.items()}

    def begin(self, head: Head, peer: Peer) -> Step:
        """Steps 2 to 5: where the request belongs, and all that can be said without a key."""
        route = ""
        try:
            if asked := self._subrequests is not None and self._subrequests.asks(head, peer):
                head = self._subrequests.original(head)
            reserved = head.reserved()
            if reserved is not None:  # R14
                return Refusal(Reason.REQUEST_RESERVED, reserved.decode())
            match = self._routes.find(head)
            if isinstance(match, Refusal):
                if match.reason is Reason.REQUEST_NO_ROUTE:
                    return msgspec.structs.replace(match, hint=self._advice.route(head))
                return match
            route = match.route
            if match.kind == "off" or (match.kind == "onboarding" and self._mode == "off"):
                return Refusal(Reason.REQUEST_ROUTE_OFF, route, route=route)
            if asked and match.kind in ("onboarding", "rotation"):
                return Refusal(Reason.DIGEST_UNCHECKED, f"{route} needs its body", route=route)
            if route == ROOT_CA_ROUTE and self._serves_root_ca and not asked:
                return ServeRootCa(head.values(b"if-none-match"), route)
            external = self._locator.locate(head, peer)
            if self._limiter is not None:
                signed = match.kind != "open"
                limited = self._limiter.arrived(external.client_address, signed, self._clock.monotonic())
                if limited is not None:
                    return msgspec.structs.replace(limited, route=route)
            if match.kind == "open":
                return Vouch(None, route) if asked else compose(head, external, route)
            if asked:
                match = msgspec.structs.replace(match, mode="enforce")  # R16: what does not verify is not ours to send
            step = self._begin_signed(head, match, external)
            if asked and isinstance(step, NeedKey):
                step = NeedKey(msgspec.structs.replace(step.request, asked=True))
        except Refused as refused:
            step = _refusal(refused)
        return msgspec.structs.replace(step, route=route) if isinstance(step, Refusal) else step

    def _begin_signed(self, head: Head, match: Match, external: External) -> Step:
        candidates = select(head, self._structured, self._policy.capital_content_digest)
        digest = parse_digest(head)
        successor: Candidate | None = None
        if match.kind == "rotation":
            candidates, successor = split(candidates)
            self._rules.check_candidate(successor, self._clock.now())
        client_id = match.client_id or ""
        required = match.require_covered_digest
        if required is None:
            required = self._policy.require_covered_digest
        passed: list[Candidate] = []
        notes: tuple[str, ...] = ()
        fault: Refused | None = None
        now = self._clock.now()
        for candidate in candidates:
            try:
                self._rules.check_candidate(candidate, now)
                if match.client_id_from_keyid:
                    client_id = _id_from_keyid(candidate, client_id)
            except Refused as refused:
                fault = further(fault, refused)
                notes += (f"label {candidate.label}: {refused.reason}",)
            else:
                passed.append(candidate)
        if not passed:
            assert fault is not None
            return _refusal(fault, client_id)
        self._rules.check_announced_body(head, digest)
        route, realm = match.route, match.realm
        request = Request(head, external, route, realm, client_id, required, tuple(passed), digest, notes)
        if successor is not None:
            request = msgspec.structs.replace(request, successor=successor)
        return _need_presented(request) if match.kind == "onboarding" else NeedKey(request)

    def with_key(self, need: NeedKey, found: Found) -> Step:
        """Step 6: the client's record, and which public-key operations it leads to."""
        request = need.request
        if isinstance(found, _NO_ANSWER):
            return Refusal(found.reason, found.detail, request.client_id)
        if isinstance(found, Missing):
            if not need.verified:
                self._unproven(request)
            realm = f"realm {request.realm}"
            return Refusal(Reason.KEY_UNKNOWN, realm, request.client_id, tells_who_is_known=not need.verified)
        now = self._clock.now()
        try:
            self._rules.check_client(found)
            if need.verified:
                return self._after_slow_body(need, found, now)
            attempts, untried = self._attempts.of(request, found, now)
        except Refused as refused:
            if not need.verified:
                self._unproven(request)
            refusal = _refusal(refused, request.client_id, request.notes)
            return msgspec.structs.replace(refusal, tells_who_is_known=not need.verified)
        if untried:
            request = msgspec.structs.replace(request, untried=untried)
        return NeedVerification(request, found, attempts[0], attempts[1:])

    def with_verdict(self, need: NeedVerification, holds: bool) -> Step:
        """Step 7: an engine's answer. The first signature that holds counts (R8)."""
        request, attempt = need.request, need.attempt
        verified, failed, rest = need.verified, need.failed, need.rest
        proof = proven(attempt.candidate, need.client, attempt.job, attempt.authority, holds)
        if proof is None:
            failed = (*failed, attempt.candidate.label)
        else:
            if attempt.candidate.alg is None:
                self._choice.worked(proof.certificate, proof.algorithm)
            verified = (*verified, proof)
            if rest:
                claimed = self._is_claimed(request)
                rest = tuple(other for other in rest if claimed and other.candidate is not attempt.candidate)
        if rest:
            # Another signature of the same client must be claimed as well, or it could be replayed alone (R13).
            return NeedVerification(request, need.client, rest[0], rest[1:], verified, failed)
        if not verified:
            self._unproven(request)
            hint = self._advice.signature(need)
            return Refusal(Reason.SIGNATURE_WRONG, who(need), request.client_id, notes=request.notes, hint=hint)
        if self._limiter is not None:  # before a body is waited for, and before a nonce is claimed
            limited = self._limiter.proven(need.client, self._clock.monotonic())
            if limited is not None:
                return msgspec.structs.replace(limited, notes=request.notes)
        if request.successor is not None:
            request = msgspec.structs.replace(request, operations=OPERATION_LIMIT - len(verified) - len(failed))
        return self._need_body(with_failures(request, verified, failed), in_field_order(request, verified))

    def without_verdict(self, need: NeedVerification, refused: Refused) -> Step:
        """An engine cannot be asked, because what the registry holds is no key."""
        return _refusal(refused, need.request.client_id, need.request.notes)

    def _unproven(self, request: Request) -> None:
        # Alike for those who are registered and those who are not, or the limit would tell who is.
        if self._limiter is not None:
            self._limiter.failed(request.external.client_address, self._clock.monotonic())

    def with_presented(self, need: NeedPresented, facts: BodyFacts, body: bytes) -> Step:
        """The certificate in an onboarding body, and the public-key operations that prove who has its key (R18)."""
        request, now = need.request, self._clock.now()
        try:
            if request.digest is None:
                raise Refused(Reason.DIGEST_MISSING, "")
            if not request.digest.matches(facts.sha256, facts.sha512):
                raise Refused(Reason.DIGEST_MISMATCH, f"{facts.length} octets received")
            presented = read_presented(body, facts.took_s)
            client = Client(request.realm, "", Status.ACTIVE, (presented.certificate,))
            request = msgspec.structs.replace(request, presented=presented)
            attempts, untried = self._attempts.of(request, client, now)
        except Refused as refused:
            return _refusal(refused, notes=request.notes)
        if untried:
            request = msgspec.structs.replace(request, untried=untried)
        return NeedVerification(request, client, attempts[0], attempts[1:])

    def with_standing(self, need: NeedStanding, standing: Standing | Unavailable) -> Step:
        """What the store has about the key decides, with the trust policy, what becomes of the device (R19 to R22)."""
        request = need.request
        if isinstance(standing, Unavailable):
            return Refusal(standing.reason, standing.detail, notes=request.notes)
        decision = flow.decide(need.presented, standing, self._mode, self._trust, self._clock.now())
        if isinstance(decision, Refusal):
            return msgspec.structs.replace(decision, notes=request.notes)
        if isinstance(decision, flow.Forward):
            return need.admitted
        return Onboard(request, need.presented, need.admitted, decision)

    def _possessed(self, request: Request, verified: tuple[Verified, ...], took_s: float) -> Step:
        """The body is read already; it must be what was signed, and not too slow (R10, R12)."""
        candidate = verified[0].candidate
        try:
            body_verified = self._rules.check_digest_coverage(candidate, request.require_covered_digest)
            if took_s > SLOW_BODY_S:
                self._rules.check_time(candidate, self._clock.now())
        except Refused as refused:
            return _refusal(refused, notes=request.notes)
        return self._need_claim(request, verified, body_verified)

    def _need_body(self, request: Request, verified: tuple[Verified, ...]) -> Step:
        head, digest = request.head, request.digest
        if request.asked:
            return self._need_claim(request, verified, False)
        if request.presented is not None:
            return self._possessed(request, verified, request.presented.took_s)
        if head.content_length > 0 or head.chunked:
            return NeedBody(
                request,
                verified,
                self._policy.body_limit_bytes if request.successor is None else LIMIT_BYTES,
                digest is None or digest.sha256 is not None,
                digest is not None and digest.sha512 is not None,
            )
        return self.with_body(
            NeedBody(request, verified, 0, False, False), BodyFacts(0, _EMPTY_SHA256, _EMPTY_SHA512, 0.0)
        )

    def with_body(self, need: NeedBody, body: BodyFacts) -> Step:
        """Step 8: what was read is what was signed (R10)."""
        request, verified = need.request, need.verified
        try:
            if body.length and request.head.chunked:
                # Only now it is seen to have a body: a signature that covers its digest goes before one that does not.
                verified = tuple(sorted(verified, key=lambda proof: not proof.candidate.covers(b"content-digest")))
            body_verified = self._check_body(request, verified[0], body)
            if body.took_s > SLOW_BODY_S:
                self._rules.check_time(verified[0].candidate, self._clock.now())
                return NeedKey(request, verified, body_verified)
        except Refused as refused:
            refusal = _refusal(refused, request.client_id, request.notes)
            if refusal.reason is Reason.DIGEST_MISMATCH:
                return msgspec.structs.replace(refusal, hint=self._advice.body(request.head))
            return refusal
        return self._need_claim(request, verified, body_verified)

    def _check_body(self, request: Request, verified: Verified, body: BodyFacts) -> bool:
        digest = request.digest
        if digest is None:
            if body.length:
                raise Refused(Reason.DIGEST_MISSING, "")
            return True
        if not digest.matches(body.sha256, body.sha512):
            raise Refused(Reason.DIGEST_MISMATCH, f"{body.length} octets received")
        if not body.length:
            return True
        required = digest_required(request, verified.client)
        return self._rules.check_digest_coverage(verified.candidate, required)

    def _after_slow_body(self, need: NeedKey, client: Client, now: float) -> Step:
        # R12: the record as it is now must still hold the certificate whose key verified.
        used = need.verified[0].certificate
        for certificate in client.certificates:
            if certificate.sha256 == used.sha256:
                self._rules.check_certificate(certificate, now)
                return self._need_claim(need.request, need.verified, need.body_verified)
        raise Refused(Reason.KEY_REVOKED, f"certificate {used.sha256} went while the body arrived")

    def _need_claim(self, request: Request, verified: tuple[Verified, ...], body_verified: bool) -> Step:
        if not self._is_claimed(request):
            return self._admit(request, verified[0], body_verified, ())
        keys = [claim_key(proof.client, proof.candidate, proof.base) for proof in verified]
        if request.untried:
            # They may hold as well, and then each could be sent once more, alone.
            held = [proof.candidate for proof in verified]
            keys += [
                claim_key(verified[0].client, attempt.candidate, attempt.job.base)
                for attempt in request.untried
                if attempt.candidate not in held
            ]
        if len(keys) > 1:
            # Two signatures may share a nonce, or be one under two labels: claimed twice, each were the other's replay.
            keys = list(dict.fromkeys(keys))
        return NeedClaim(request, verified, body_verified, tuple(keys), self._policy.claim_ttl_ms)

    def _is_claimed(self, request: Request) -> bool:
        return request.successor is not None or is_claimed(self._policy.replay, request.head.method)

    def with_claim(self, need: NeedClaim, answer: ClaimAnswer, epoch_s: float) -> Step:
        """Step 9: the worst answer to the claims, and since when the store remembers (R13)."""
        request, client_id = need.request, need.request.client_id
        if isinstance(answer, Unavailable):
            return Refusal(answer.reason, answer.detail, client_id, notes=request.notes)
        if answer is _SEEN:
            label = need.verified[0].candidate.label
            return Refusal(Reason.REPLAY_SEEN, f"label {label}", client_id, notes=request.notes)
        try:
            # A claim ends when its signature is too old. Time has passed since that was looked at, so an earlier claim
            # may have ended before ours was made.
            for proof in need.verified:
                self._rules.check_time(proof.candidate, self._clock.now())
        except Refused as refused:
            return _refusal(refused, client_id, request.notes)
        notes: tuple[str, ...] = ()
        created = need.verified[0].candidate.created
        if created is not None and created < epoch_s:
            if self._policy.lost_memory == "refuse":
                detail = f"created {epoch_s - created:.0f} s before the store began to remember"
                return Refusal(Reason.STORE_LOST_MEMORY, detail, client_id, notes=request.notes)
            notes = ("accepted although the replay window was lost",)
        return self._admit(request, need.verified[0], need.body_verified, need.keys, notes)

    def _admit(
        self,
        request: Request,
        verified: Verified,
        body_verified: bool,
        claims: tuple[bytes, ...],
        notes: tuple[str, ...] = (),
    ) -> Step:
        if self._limiter is not None:
            self._limiter.admitted(verified.client, self._clock.monotonic())
        notes += request.notes
        keyid = self._rules.keyid_note(verified)
        if keyid is not None:
            notes += (keyid,)
        admitted = self._rules.admit(
            request.head, request.external, verified, body_verified, claims, notes, request.route
        )
        if request.successor is not None:
            return Rotate(request, admitted, request.successor)
        if request.asked:
            return Vouch(admitted, request.route)
        return admitted if request.presented is None else NeedStanding(request, request.presented, admitted)


def _need_presented(request: Request) -> Step:
    head, digest = request.head, request.digest
    if head.content_length <= 0 and not head.chunked:
        return Refusal(Reason.ONBOARDING_BODY, "there is none")
    if head.content_length > LIMIT_BYTES:
        return Refusal(Reason.REQUEST_BODY_SIZE, f"{head.content_length} octets announced, {LIMIT_BYTES} are allowed")
    return NeedPresented(
        request,
        LIMIT_BYTES,
        digest is None or digest.sha256 is not None,
        digest is not None and digest.sha512 is not None,
    )


def _refusal(refused: Refused, client_id: str = "", notes: tuple[str, ...] = ()) -> Refusal:
    return Refusal(Reason(refused.reason), refused.detail, client_id, notes=notes)


def _id_from_keyid(candidate: Candidate, earlier: str) -> str:
    # R11: only where the operator declared that the keyid is the client id; R2 holds for it too.
    keyid = candidate.keyid
    if keyid is None or not is_client_id(keyid):
        raise Refused(Reason.REQUEST_CLIENT_ID, "keyid")
    if earlier and keyid != earlier:
        raise Refused(Reason.KEY_ID, "another label names another client")
    return keyid
