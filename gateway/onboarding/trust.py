"""Decides whether a certificate may become a client's: by default nobody's, and any objection is final (R19)."""

from cryptography import x509

from gateway.config.onboarding import Onboarding
from gateway.model import Certificate
from gateway.onboarding.verdict import Accept, Opinion, Pending, Reject, Verdict
from gateway.reasons import ConfigError, Reason
from gateway.registry.certificates import describe

SOURCE = "the certificate"


class Trust:
    """The trust policy of one gateway, compiled once."""

    def __init__(self, config: Onboarding) -> None:
        self._rules = frozenset(config.trust)

    def judge(self, certificate: x509.Certificate, der: bytes, now: float, pinned: bool) -> Verdict:
        """What becomes of a certificate whose owner has proved to have its key.

        :param der: the octets of `certificate`
        :param now: seconds since 1970
        :param pinned: an operator pinned the certificate or its key, see `gateway.registry.pins`
        """
        known = inspect(der)
        if isinstance(known, Reject):
            return known
        opinions: list[Opinion] = [_validity(known, now)]
        for opinion in opinions:
            if isinstance(opinion, Reject):
                return opinion
        if pinned and "pinned" in self._rules:
            return Accept("pinned")
        if "tofu" in self._rules:
            return Accept("tofu")
        if "approval" in self._rules:
            return Pending(f"certificate {known.sha256} waits for approval")
        return Reject(Reason.TRUST_UNTRUSTED, f"certificate {known.sha256}")


def inspect(der: bytes) -> Certificate | Reject:
    """What the request path needs of a certificate, or why its key is worth nothing."""
    try:
        return describe(der, SOURCE)
    except ConfigError as error:
        return Reject(Reason.TRUST_WEAK_KEY, error.message)


def _validity(known: Certificate, now: float) -> Reject | None:
    # RFC 5280 §4.1.2.5: both ends belong to the validity.
    if now < known.not_before:
        return Reject(Reason.TRUST_NOT_YET_VALID, f"{known.not_before - now:.0f} s from now")
    if now >= known.not_after + 1:
        return Reject(Reason.TRUST_EXPIRED, f"{now - known.not_after:.0f} s ago")
    return None
