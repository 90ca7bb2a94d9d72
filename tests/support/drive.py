"""Drives the pipeline by hand: a registry in a dict, a replay store in a set, a real engine, a body in memory."""

import hashlib
from collections.abc import Mapping

import msgspec

from gateway._native import Head, parse_head
from gateway.config import Config, Listen, Policy, Upstream
from gateway.limiting.limiter import limiter_of
from gateway.model import Admitted, Client, Composed, Peer, Refusal, Unverified
from gateway.observing import pipeline_for
from gateway.reasons import Reason
from gateway.registry.answers import Claim, ClaimAnswer, Found, Missing
from gateway.signature.engine import CryptographyEngine
from gateway.steps import BodyFacts, NeedBody, NeedClaim, NeedKey, NeedVerification, Step
from tests.support.clock import FakeClock

PEER = Peer("192.0.2.7")


def config_with(listen: Mapping[str, object] | None = None, routes: object = (), **policy: object) -> Config:
    """A configuration with these settings of `[policy]`, and of `[listen]`; all else as the defaults are."""
    return Config(
        upstream=Upstream(url="http://127.0.0.1:9"),
        listen=Listen(**{"public_url": "https://wfm.example.com", **(listen or {})}),  # type: ignore[arg-type]
        policy=Policy(**policy),  # type: ignore[arg-type]
        routes=routes,  # type: ignore[arg-type]
    )


class World:
    """One pipeline with everything that it may ask for."""

    def __init__(self, config: Config | None = None) -> None:
        self.clock = FakeClock()
        config = config or config_with()
        self.pipeline = pipeline_for(config, self.clock, limiter=limiter_of(config.rate))
        self.engine = CryptographyEngine()
        self.clients: dict[str, Found] = {}
        self.claimed: set[bytes] = set()
        self.claim_failure: ClaimAnswer | None = None
        self.epoch_s = 0.0
        self.operations = 0
        self.steps: list[Step] = []
        self.body_took_s = 0.0

    def know(self, *clients: Client) -> None:
        """Put clients into the registry."""
        for client in clients:
            self.clients[client.client_id] = client

    def judge(
        self, head: Head | bytes, body: bytes = b'{"state":"running"}'
    ) -> Admitted | Composed | Unverified | Refusal:
        """Drive one request to its end."""
        if isinstance(head, bytes):
            head = parse_head(head)
        step = self.pipeline.begin(head, PEER)
        while True:
            self.steps.append(step)
            if isinstance(step, NeedKey):
                step = self.pipeline.with_key(step, self.clients.get(step.client_id, Missing()))
            elif isinstance(step, NeedVerification):
                self.operations += 1
                step = self.pipeline.with_verdict(step, self.engine.verify([step.job])[0])
            elif isinstance(step, NeedBody):
                self.clock.advance(self.body_took_s)
                step = self.pipeline.with_body(step, self.facts(step, body))
            elif isinstance(step, NeedClaim):
                step = self.pipeline.with_claim(step, self.claim(step), self.epoch_s)
            else:
                return step

    def reason(self, head: Head | bytes, body: bytes = b'{"state":"running"}') -> Reason | None:
        """The reason of a refusal, None if the request passed."""
        end = self.judge(head, body)
        return end.reason if isinstance(end, Refusal) else None

    def facts(self, need: NeedBody, body: bytes) -> BodyFacts:
        """What a reader would tell of the body."""
        return BodyFacts(
            len(body),
            hashlib.sha256(body).digest() if need.sha256 else None,
            hashlib.sha512(body).digest() if need.sha512 else None,
            self.body_took_s,
        )

    def claim(self, need: NeedClaim) -> ClaimAnswer:
        """Claim all keys or none."""
        if self.claim_failure is not None:
            return self.claim_failure
        if self.claimed.intersection(need.keys):
            return Claim.SEEN
        self.claimed.update(need.keys)
        return Claim.CLAIMED


def with_certificates(client: Client, *others: Client) -> Client:
    """The client with the certificates of the others behind its own."""
    more = tuple(certificate for other in others for certificate in other.certificates)
    return msgspec.structs.replace(client, certificates=client.certificates + more)
