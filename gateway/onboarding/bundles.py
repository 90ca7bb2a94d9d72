"""Keeps the present authorities of one worker: each file of `[[onboarding.ca]]` as it was when last read well."""

from collections.abc import Sequence

from gateway.config.onboarding import Authority as Section
from gateway.config.onboarding import Onboarding
from gateway.onboarding import authorities
from gateway.onboarding.authorities import Authority, Issuer


class Bundles:
    """The authorities, in the order of their sections.

    :raises ConfigError: as `authorities.read`, for the first file that cannot be used
    """

    def __init__(self, config: Onboarding) -> None:
        self._sections = config.ca
        self._present = list(authorities.read_all(config))

    @property
    def sections(self) -> tuple[Section, ...]:
        """Each `[[onboarding.ca]]`."""
        return self._sections

    @property
    def present(self) -> Sequence[Authority]:
        """What was read for each of them."""
        return self._present

    def put(self, index: int, fresh: Authority) -> str:
        """Put what a file says now in force; for people, which certificates are new and which are gone. Empty: none."""
        before, after = self._present[index].issuers, fresh.issuers
        self._present[index] = fresh
        changes = [("new", _beyond(after, before)), ("gone", _beyond(before, after))]
        return "; ".join(f"{word}: {', '.join(names)}" for word, names in changes if names)


def _beyond(some: Sequence[Issuer], others: Sequence[Issuer]) -> list[str]:
    """Names of those that are not among the others."""
    known = {issuer.certificate for issuer in others}
    return [issuer.name for issuer in some if issuer.certificate not in known]
