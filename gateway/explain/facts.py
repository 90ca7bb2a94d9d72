"""Everything that can be known of one request, gathered without stopping at the first thing that is wrong."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from gateway._native import Candidate, Digest, Head, Refused, parse_digest, select
from gateway.config import Config
from gateway.explain import enrolment
from gateway.explain.capture import Capture
from gateway.explain.judge import Judged
from gateway.explain.lookup import Lookup
from gateway.model import Algorithm, Certificate, Client, External, Peer, Refusal
from gateway.onboarding.body import Presented
from gateway.policy import Rules, names
from gateway.registry.answers import Found
from gateway.registry.keys import is_client_id
from gateway.registry.views import names as names_of
from gateway.routing.locate import Locator
from gateway.routing.match import Match
from gateway.routing.table import RouteTable
from gateway.signature.algorithms import AlgorithmChoice
from gateway.signature.engine import CryptographyEngine
from gateway.signature.verify import prepare

OPERATIONS: Final = 16
"""Arithmetic that is shown beyond what the pipeline would do for a request that it refuses earlier."""

_CLIENT: Final = re.compile(rb"/clients/([^/?]+)")


class Operation(msgspec.Struct, frozen=True):
    """One public-key operation: True or False, or why it cannot even be made."""

    authority: bytes
    certificate: Certificate
    algorithm: Algorithm | None
    base: bytes
    outcome: bool | Refused


class Facts(msgspec.Struct, frozen=True):
    """One request with what the gateway's own parts say of it, each part asked on its own."""

    config: Config
    rules: Rules
    capture: Capture
    head: Head
    peer: Peer
    now_s: float
    match: Match | Refusal
    external: External | Refused
    view: External
    """As `external`; where that is a refusal, a guess to go on with."""
    candidates: tuple[Candidate, ...] | Refused
    focus: Candidate | None
    """The signature that the explanation is about."""
    digest: Digest | Refused | None
    realm: str
    client_id: str
    found: Found | None
    certificates: tuple[Certificate, ...]
    """The client's, those that are valid and that the keyid names first."""
    bases: tuple[tuple[bytes, bytes], ...] | Refused
    """Authority and signature base, for each spelling that makes a difference."""
    operations: tuple[Operation, ...]
    lookup: Lookup
    judged: Judged
    presented: bool
    """The key is the one in the body: the device onboards."""
    subjects: Mapping[str, str]
    """Subjects of the certificates by their hex SHA-256, as far as they are known."""
    origin_source: str = ""
    """Where scheme and authority come from, if not from the configuration."""

    @property
    def client(self) -> Client | None:
        """The client, if there is one."""
        return self.found if isinstance(self.found, Client) else None

    @property
    def holds(self) -> Operation | None:
        """The operation that said yes."""
        return next((operation for operation in self.operations if operation.outcome is True), None)

    @property
    def base(self) -> bytes | None:
        """The base that verified, else the first that the gateway tries."""
        if self.holds is not None:
            return self.holds.base
        return None if isinstance(self.bases, Refused) or not self.bases else self.bases[0][1]


def gather(
    head: Head,
    capture: Capture,
    config: Config,
    peer: Peer,
    lookup: Lookup,
    now_s: float,
    judged: Judged,
    origin_source: str = "",
) -> Facts:
    """Ask every part of the gateway what it says about `head`."""
    choice = AlgorithmChoice(config.policy.algorithms, config.policy.rsa_algorithms)
    rules = Rules(config.policy, choice)
    match = RouteTable(config).find(head)
    external = _locate(head, config, peer)
    view = _guess(head) if isinstance(external, Refused) else external
    candidates = _select(head, config)
    focus = None if isinstance(candidates, Refused) else _focus(candidates, judged, rules, now_s)
    realm = match.realm if isinstance(match, Match) else config.policy.realm
    client_id = _client_id(head, match, focus)
    presented = enrolment.presented(match, capture.body)
    found: Found | None = None
    subjects: Mapping[str, str] = {}
    if isinstance(presented, Presented):
        found = enrolment.stranger(realm, presented)
        subjects = {presented.certificate.sha256: names_of(presented.der)[0]}
    elif presented is not None:
        found = presented
    elif client_id or lookup.assumed:
        found = lookup.find(realm, client_id)
        subjects = lookup.subjects(realm, client_id) if isinstance(found, Client) else {}
    certificates = _ordered(found, focus, rules, now_s)
    bases = _bases(focus, view)
    return Facts(
        config,
        rules,
        capture,
        head,
        peer,
        now_s,
        match,
        external,
        view,
        candidates,
        focus,
        _digest(head),
        realm,
        client_id,
        found,
        certificates,
        bases,
        _operate(focus, bases, certificates, choice),
        lookup,
        judged,
        presented is not None,
        subjects,
        origin_source,
    )


def _locate(head: Head, config: Config, peer: Peer) -> External | Refused:
    try:
        return Locator(config).locate(head, peer)
    except Refused as refused:
        return refused


def _guess(head: Head) -> External:
    return External(b"https", (head.host,), "")


def _select(head: Head, config: Config) -> tuple[Candidate, ...] | Refused:
    structured = {name.encode(): kind for name, kind in config.policy.structured_fields.items()}
    try:
        return select(head, structured, config.policy.capital_content_digest)
    except Refused as refused:
        return refused


def _digest(head: Head) -> Digest | Refused | None:
    try:
        return parse_digest(head)
    except Refused as refused:
        return refused


def _focus(candidates: tuple[Candidate, ...], judged: Judged, rules: Rules, now_s: float) -> Candidate:
    """The signature that counted, else the first that passes policy, else the first that is well formed."""
    label = judged.verified.candidate.label if judged.verified is not None else None
    if label is None and judged.attempts:
        label = judged.attempts[0][0].candidate.label
    for candidate in candidates:
        if candidate.label == label:
            return candidate
    for candidate in candidates:
        try:
            rules.check_candidate(candidate, now_s)
        except Refused:
            continue
        return candidate
    return next((candidate for candidate in candidates if candidate.reason is None), candidates[0])


def _client_id(head: Head, match: Match | Refusal, focus: Candidate | None) -> str:
    if isinstance(match, Match):
        if match.client_id_from_keyid:
            keyid = focus.keyid if focus is not None else None
            return keyid if keyid is not None and is_client_id(keyid) else ""
        return match.client_id or ""
    guess = _CLIENT.search(head.path)
    text = guess[1].decode("latin-1") if guess is not None else ""
    return text if is_client_id(text) else ""


def _ordered(found: Found | None, focus: Candidate | None, rules: Rules, now_s: float) -> tuple[Certificate, ...]:
    if not isinstance(found, Client):
        return ()

    def rank(certificate: Certificate) -> tuple[bool, bool]:
        named = focus is not None and names(focus.keyid, certificate)
        return refusal_of(rules, certificate, now_s) is not None, not named

    return tuple(sorted(found.certificates, key=rank))


def refusal_of(rules: Rules, certificate: Certificate, now_s: float) -> Refused | None:
    """Why the certificate is not valid now; None if it is."""
    try:
        rules.check_certificate(certificate, now_s)
    except Refused as refused:
        return refused
    return None


def _bases(focus: Candidate | None, view: External) -> tuple[tuple[bytes, bytes], ...] | Refused:
    if focus is None:
        return ()
    bases: dict[bytes, bytes] = {}
    try:
        for authority in view.authorities:
            bases.setdefault(focus.base(view.scheme, authority), authority)
    except Refused as refused:
        return refused
    return tuple((authority, base) for base, authority in bases.items())


def _operate(
    focus: Candidate | None,
    bases: tuple[tuple[bytes, bytes], ...] | Refused,
    certificates: tuple[Certificate, ...],
    choice: AlgorithmChoice,
) -> tuple[Operation, ...]:
    if focus is None or isinstance(bases, Refused):
        return ()
    engine = CryptographyEngine()
    done: list[Operation] = []
    for authority, base in bases:
        for certificate in certificates:
            try:
                choice.check_name(focus.alg)
                algorithms = choice.for_key(focus.alg, certificate)
            except Refused as refused:
                done.append(Operation(authority, certificate, None, base, refused))
                continue
            for algorithm in algorithms:
                if len(done) == OPERATIONS:
                    return tuple(done)
                outcome: bool | Refused
                try:
                    outcome = engine.verify([prepare(focus, certificate, algorithm, base)])[0]
                except Refused as refused:
                    outcome = refused
                done.append(Operation(authority, certificate, algorithm, base, outcome))
    return tuple(done)
