"""What the authorities' revocation lists say of a certificate: one look-up per request, no X.509 (R19)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.reasons import Reason
from gateway.registry.issued import ISSUER_BYTES

NEVER_S: Final = float("-inf")


class Watch(msgspec.Struct, frozen=True):
    """What is known of one authority's certificates: `serials` are revoked, or all of them when the authority itself
    is. The knowledge counts until `fresh_until_s` (nextUpdate, seconds since 1970; `NEVER_S`: there is no list)."""

    serials: frozenset[bytes] = frozenset()
    everything: bool = False
    fresh_until_s: float = NEVER_S


class Revocations:
    """The present knowledge of one worker; replaced as a whole whenever a list changes.

    :param refuse_stale: a certificate whose authority has no current list is refused
    """

    def __init__(self, refuse_stale: bool = True) -> None:
        self._refuse_stale = refuse_stale
        self._watches: Mapping[bytes, Watch] = {}

    def replace(self, watches: Mapping[bytes, Watch]) -> None:
        """From now on this is known, by `issuer_id`."""
        self._watches = watches

    def objection(self, issued: bytes, now: float) -> Reason | None:
        """Why a certificate must not be used: key.revoked, trust.stale_crl; None if nothing speaks against it.

        :param issued: as `gateway.registry.issued.issued` makes it; empty for one that no list can name
        """
        watch = self._watches.get(issued[:ISSUER_BYTES])
        if watch is None:
            return None
        if watch.everything or issued[ISSUER_BYTES:] in watch.serials:
            return Reason.KEY_REVOKED
        if self._refuse_stale and now > watch.fresh_until_s:
            return Reason.TRUST_STALE_CRL
        return None
