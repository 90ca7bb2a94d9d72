"""Looks at the configured revocation lists as a start would, for `wfm-gateway check`; fetches nothing."""

import time
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.config.onboarding import Onboarding
from gateway.onboarding import authorities, crl_file
from gateway.onboarding.authorities import Authority
from gateway.onboarding.crl_file import CrlError, Listing
from gateway.registry.moments import moment

_CONSEQUENCE: Final = {
    "refuse": "are refused until there is (trust.stale_crl)",
    "accept": "are accepted, revoked ones too",
}


class Rehearsed(msgspec.Struct, frozen=True):
    """One list of one authority. `state`: current, stale (past its nextUpdate), missing (there is none of this
    authority, or none that can be used), or fetched (at run time, from a URL). Times are ISO 8601."""

    place: str
    authority: str
    state: str
    revoked: int | None = None
    next_update: str | None = None


class Rehearsal(msgspec.Struct, frozen=True):
    """All lists, and a warning for each that does not do what it is there for."""

    lists: tuple[Rehearsed, ...]
    warnings: tuple[str, ...]


def rehearse(config: Onboarding, now: float | None = None) -> Rehearsal:
    """Read every authority's file and every list that is a file.

    :param now: seconds since 1970; None: this moment
    :raises ConfigError: as `authorities.read`
    """
    at = time.time() if now is None else now
    lists: list[Rehearsed] = []
    warnings: list[str] = []
    for index, (section, authority) in enumerate(zip(config.ca, authorities.read_all(config), strict=True)):
        if section.crl is None:
            continue
        names = list(dict.fromkeys(issuer.name for issuer in authority.issuers))
        if section.crl_is_url:
            lists += [Rehearsed(section.crl, name, "fetched") for name in names]
            continue
        try:
            found = crl_file.read(crl_file.octets(section.crl), authority.issuers, at, section.crl)
            trouble = ""
        except CrlError as error:
            found, trouble = (), str(error)
        rehearsed = list(_each(section.crl, authority, found, at))
        lists += rehearsed
        warnings += _warnings(f"onboarding.ca[{index}].crl", rehearsed, trouble, config.stale_crl)
    return Rehearsal(tuple(lists), tuple(warnings))


def _each(place: str, authority: Authority, found: tuple[Listing, ...], now: float) -> Iterator[Rehearsed]:
    by_name = {listing.issuer: listing for listing in found}
    for subject, name in {issuer.subject: issuer.name for issuer in authority.issuers}.items():
        listing = by_name.get(subject)
        if listing is None:
            yield Rehearsed(place, name, "missing")
        else:
            state = "stale" if listing.next_update_s < now else "current"
            yield Rehearsed(place, name, state, len(listing.serials), moment(int(listing.next_update_s)))


def _warnings(key: str, rehearsed: list[Rehearsed], trouble: str, stale_crl: str) -> Iterator[str]:
    consequence = _CONSEQUENCE[stale_crl]
    if trouble:
        yield f"{key}: {trouble}; certificates of its authorities {consequence}"
        return
    for one in rehearsed:
        if one.state == "stale":
            yield f"{key}: {one.place} is past its nextUpdate ({one.next_update}); certificates that {one.authority} " \
                  f"issued {consequence}"  # fmt: skip
        elif one.state == "missing":
            yield f"{key}: {one.place} has no list of {one.authority}; certificates that it issued {consequence}"
