"""Keeps the present revocation list of every configured authority, and what follows for certificates (R19)."""

from collections.abc import Mapping, Sequence

import msgspec

from gateway.onboarding import crl_file
from gateway.onboarding.authorities import Authority, Issuer
from gateway.onboarding.bundles import Bundles
from gateway.onboarding.crl_file import CrlError, Listing
from gateway.registry.issued import ISSUER_BYTES, issuer_id
from gateway.registry.revocations import NEVER_S, Revocations, Watch


class Source(msgspec.Struct, frozen=True):
    """Where the lists of one `[[onboarding.ca]]` come from: a URL or a file."""

    place: str
    is_url: bool
    authority: Authority

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from other sources."""
        return self.place, self.authority.file


class Crls:
    """The lists of one worker.

    :param bundles: `[[onboarding.ca]]`; call `follow` when it has changed
    :param revocations: told whenever something changes
    """

    def __init__(self, bundles: Bundles, revocations: Revocations) -> None:
        self._bundles = bundles
        self._revocations = revocations
        self._held: dict[tuple[tuple[str, str], bytes], Listing] = {}
        self._tell()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where lists come from, with the authorities that may sign them now."""
        return tuple(
            Source(section.crl, section.crl_is_url, authority)
            for section, authority in zip(self._bundles.sections, self._bundles.present, strict=True)
            if section.crl is not None
        )

    def follow(self) -> None:
        """Other authorities are in force: a list counts only while who signed it is one of them."""
        signers = {source.key: source.authority.issuers for source in self.sources}
        self._held = {
            (owner, name): listing
            for (owner, name), listing in self._held.items()
            if any(signer in signers.get(owner, ()) for signer in listing.signers)
        }
        self._tell()

    def read(self, source: Source, data: bytes, now: float) -> tuple[Listing, ...]:
        """Read lists, without putting them in force: for another thread.

        :raises CrlError: they cannot be used
        """
        return crl_file.read(data, source.authority.issuers, now, source.place)

    def put(self, source: Source, listings: Sequence[Listing]) -> bool:
        """Put lists in force; False if nothing is new.

        :raises CrlError: they are older than those in force; nothing changes
        """
        for listing in listings:
            held = self._held.get((source.key, listing.issuer))
            if held is not None and listing.precedes(held):
                raise CrlError(f"{source.place} is older than the list in force")
        fresh = {(source.key, listing.issuer): listing for listing in listings}
        changed = any(self._held.get(key) != listing for key, listing in fresh.items())
        if changed:
            self._held |= fresh
            self._tell()
        return changed

    def next_update_s(self, source: Source) -> float:
        """When the first of the lists of a source stops to be current; `NEVER_S` if one is missing altogether."""
        found = [listing.next_update_s for (owner, _), listing in self._held.items() if owner == source.key]
        return min(found, default=NEVER_S)

    def _tell(self) -> None:
        watches: dict[bytes, Watch] = {}
        for source in self.sources:
            for issuer in source.authority.issuers:
                listing = self._held.get((source.key, issuer.subject))
                _add(
                    watches,
                    issuer,
                    Watch() if listing is None else Watch(listing.serials, False, listing.next_update_s),
                )
        issuers = [issuer for authority in self._bundles.present for issuer in authority.issuers]
        for _ in issuers:  # each round can reach one step further down
            if not _revoke_authorities(watches, issuers):
                break
        self._revocations.replace(watches)


def _add(watches: dict[bytes, Watch], issuer: Issuer, watch: Watch) -> None:
    """Of two sources for one authority, both count, and both have to be current."""
    name = issuer_id(issuer.subject)
    known = watches.get(name)
    if known is not None and known != watch:
        watch = Watch(known.serials | watch.serials, False, min(known.fresh_until_s, watch.fresh_until_s))
    watches[name] = watch


def _revoke_authorities(watches: dict[bytes, Watch], issuers: Sequence[Issuer]) -> bool:
    """Mark authorities whose every certificate is revoked; True if there are new ones."""
    standing: dict[bytes, bool] = {}
    for issuer in issuers:
        name = issuer_id(issuer.subject)
        standing[name] = standing.get(name, False) or not is_revoked(watches, issuer)
    fallen = [name for name, stands in standing.items() if not stands]
    found = False
    for name in fallen:
        watch = watches.get(name, Watch())
        if not watch.everything:
            watches[name] = msgspec.structs.replace(watch, everything=True)
            found = True
    return found


def is_revoked(watches: Mapping[bytes, Watch], issuer: Issuer) -> bool:
    """Is this CA certificate itself on the list of whoever issued it? What is self-issued cannot be."""
    if issuer.subject == issuer.issuer:
        return False
    watch = watches.get(issuer.issued[:ISSUER_BYTES])
    return watch is not None and (watch.everything or issuer.issued[ISSUER_BYTES:] in watch.serials)
