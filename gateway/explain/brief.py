"""One sentence for the log line of a refusal: which known change on the way would make the request pass, if one would.

Nothing is ever let through by it. At most one answer a second, of a bounded number of public-key operations (R5).
"""

from collections.abc import Iterator
from typing import Final

from gateway._native import Head, Refused
from gateway.clock import Clock
from gateway.config import Config
from gateway.explain.form import Form, Parts, take_apart
from gateway.explain.hints import path
from gateway.explain.octets import Octets
from gateway.explain.oracle import Budget, Way
from gateway.explain.search import Finding, search
from gateway.explain.shown import shown
from gateway.explain.variations.usual import on_the_way
from gateway.policy import names
from gateway.signature.algorithms import AlgorithmChoice
from gateway.signature.engine import CryptographyEngine
from gateway.signature.verify import prepare
from gateway.steps import Attempt, NeedVerification

EVERY_S: Final = 1.0
"""At most one diagnosis in so many seconds, whatever is sent (R5)."""

QUESTIONS: Final = 32
"""Bases that one diagnosis tries: 2 ms for P-256, 16 for P-384; an RSA key has up to three algorithms for each."""


class Brief:
    """Answers for one worker's log; most questions in a second of many refusals get "" at once."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._free_at = float("-inf")

    def signature(self, need: NeedVerification) -> str:
        """Why the signature of the last attempt does not hold; "" if no known change on the way makes it hold.

        Who must not be told which clients there are must not be able to measure it either, so with
        `policy.hide_unknown_clients` nothing is tried.
        """
        if self._config.policy.hide_unknown_clients or not self._turn():
            return ""
        head, attempt = need.request.head, need.attempt
        form = _form(head, need.request.external.scheme, attempt)
        if form is None:
            return ""
        octets = Octets(attempt.candidate.signature)
        variations = on_the_way(form, head, self._config)
        found = search(form, (octets,), _OwnWay(need, self._config), variations, Budget(QUESTIONS))
        return "" if found is None else _sentence(attempt.job.base, found)

    def route(self, head: Head) -> str:
        """Why no route takes the request; "" if no known prefix explains it."""
        if not self._turn():
            return ""
        return next((f"{hint.found}; {hint.gateway}" for hint in path.prefixes(head, self._config)), "")

    def body(self, head: Head) -> str:
        """What to look for where the body is not the signed one: it is gone by now, so nothing is tried."""
        coding = b", ".join(head.values(b"content-encoding"))
        what = f" (Content-Encoding: {shown(coding, 40)})" if coding else ""
        return (
            f'"content-digest" does not fit the body{what}; let no hop on the way compress, unpack, recode or rewrite'
            " request bodies; `wfm-gateway explain` with the captured request tries what devices get wrong"
        )

    def _turn(self) -> bool:
        now = self._clock.monotonic()
        if now < self._free_at:
            return False
        self._free_at = now + EVERY_S
        return True


class _OwnWay:
    """The gateway's own check of a signature, against other bases: by the certificate that the keyid names."""

    def __init__(self, need: NeedVerification, config: Config) -> None:
        self._candidate = need.attempt.candidate
        named = (one for one in need.client.certificates if names(self._candidate.keyid, one))
        self._certificate = next(named, need.attempt.job.certificate)
        self._choice = AlgorithmChoice(config.policy.algorithms, config.policy.rsa_algorithms)
        self._engine = CryptographyEngine()

    def ways(self, signature: bytes) -> Iterator[Way]:
        yield Way(self._check)

    def _check(self, signature: bytes, base: bytes) -> bool:
        candidate, certificate = self._candidate, self._certificate
        try:
            algorithms = self._choice.for_key(candidate.alg, certificate)
            return any(self._engine.verify([prepare(candidate, certificate, one, base)])[0] for one in algorithms)
        except Refused:
            return False


def _form(head: Head, scheme: bytes, attempt: Attempt) -> Form | None:
    query = b"" if head.query is None else b"?" + head.query
    parts = Parts(head.method, scheme, attempt.authority, head.host, head.path, query, head.target)
    return take_apart(attempt.job.base, parts)


def _sentence(base: bytes, found: Finding) -> str:
    ours, theirs = base.split(b"\n"), found.base.split(b"\n")
    lines = [shown(one.partition(b": ")[0], 60) for one, other in zip(ours, theirs, strict=False) if one != other]
    told = "; ".join(f"{change.found}; {change.gateway or change.device}" for change in found.changes)
    return f"{' '.join(lines)} differs: {told}"
