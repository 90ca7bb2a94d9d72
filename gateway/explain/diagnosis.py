"""All that is known to be wrong with one request, from every family of hints."""

from collections.abc import Iterator

from gateway.explain.facts import Facts
from gateway.explain.hints import body, coverage, key, path, request, signature, time
from gateway.explain.oracle import Budget
from gateway.explain.report import Hint
from gateway.explain.signed import signed_of


class Diagnosis:
    """All hints for one request; `signed_base` is the base that the device signed, where it was found out."""

    def __init__(self, facts: Facts, try_hosts: tuple[str, ...], scan: int) -> None:
        self._budget = Budget()
        self.signed_base: bytes | None = None
        self.hints = tuple(dict.fromkeys(self._all(facts, try_hosts, scan)))

    @property
    def attempts(self) -> int:
        """How many questions about the signature were asked."""
        return self._budget.used

    def _all(self, facts: Facts, try_hosts: tuple[str, ...], scan: int) -> Iterator[Hint]:
        signed = signed_of(facts)
        yield from request.hints(facts)
        yield from path.hints(facts)
        if signed is not None:
            found = signature.diagnose(facts, signed, try_hosts, scan, self._budget)
            self.signed_base = found.base
            yield from found.hints
            yield from time.hints(facts, signed)
        if signed is None or signed.octets is None:
            yield from signature.without_meaning(facts)
        yield from coverage.hints(facts)
        yield from body.hints(facts)
        yield from key.hints(facts)
