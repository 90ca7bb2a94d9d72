"""Decides whether a certificate may become a client's: by default nobody's, and any objection is final (R19)."""

from typing import Final

from cryptography import x509

from gateway.config.onboarding import Onboarding
from gateway.model import Certificate
from gateway.onboarding.bundles import Bundles
from gateway.onboarding.ca_path import CaPath
from gateway.onboarding.verdict import Accept, Pending, Reject, Verdict
from gateway.reasons import ConfigError, Reason
from gateway.registry.certificates import describe
from gateway.registry.revocations import Revocations

_SOURCE: Final = "the certificate"
_REVOKED: Final = {Reason.KEY_REVOKED: Reason.TRUST_REVOKED}


class Trust:
    """The trust policy of one gateway, compiled once.

    Validity, keys, configured authorities and their revocation lists can object whichever rules there are; the rules of
    `config.trust` can accept.

    :param revocations: what the authorities' lists say now; None: there are none
    :param bundles: the authorities, kept current by somebody; None: as their files are now
    :raises ConfigError: config.unreadable, config.invalid for a file of `[[onboarding.ca]]`
    """

    def __init__(
        self, config: Onboarding, revocations: Revocations | None = None, bundles: Bundles | None = None
    ) -> None:
        self._rules = frozenset(config.trust)
        self._revocations = revocations or Revocations()
        self._path = CaPath(bundles or Bundles(config), self._revocations)

    def judge(self, certificate: x509.Certificate, der: bytes, now: float, pinned: bool) -> Verdict:
        """What becomes of a certificate whose owner has proved to have its key.

        :param der: the octets of `certificate`
        :param now: seconds since 1970
        :param pinned: an operator pinned the certificate or its key, see `gateway.registry.pins`
        """
        known = inspect(der)
        if isinstance(known, Reject):
            return known
        outdated = _validity(known, now)
        if outdated is not None:
            return outdated
        chained = self._path.opinion(certificate, der, now)
        if isinstance(chained, Reject):
            return chained
        return self._revoked(known, now) or self._accept(chained, known, pinned)

    def _accept(self, chained: Accept | None, known: Certificate, pinned: bool) -> Verdict:
        tenant = "" if chained is None else chained.tenant
        accepts = {"pinned": pinned, "ca": chained is not None, "tofu": True}
        for rule, accept in accepts.items():
            if accept and rule in self._rules:
                return Accept(rule, tenant)
        if "approval" in self._rules:
            return Pending(f"certificate {known.sha256} waits for approval")
        return Reject(Reason.TRUST_UNTRUSTED, f"certificate {known.sha256}")

    def _revoked(self, known: Certificate, now: float) -> Reject | None:
        reason = self._revocations.objection(known.issued, now)
        return None if reason is None else Reject(_REVOKED.get(reason, reason), f"certificate {known.sha256}")


def inspect(der: bytes) -> Certificate | Reject:
    """What the request path needs of a certificate, or why its key is worth nothing."""
    try:
        return describe(der, _SOURCE)
    except ConfigError as error:
        return Reject(Reason.TRUST_WEAK_KEY, error.message)


def _validity(known: Certificate, now: float) -> Reject | None:
    # RFC 5280 §4.1.2.5: both ends belong to the validity.
    if now < known.not_before:
        return Reject(Reason.TRUST_NOT_YET_VALID, f"{known.not_before - now:.0f} s from now")
    if now >= known.not_after + 1:
        return Reject(Reason.TRUST_EXPIRED, f"{now - known.not_after:.0f} s ago")
    return None
