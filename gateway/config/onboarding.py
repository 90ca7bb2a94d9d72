"""Section `[onboarding]`: whether and how strange devices become clients, and whose certificates are trusted (R19)."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, structs

from gateway.config.files import readable
from gateway.config.kinds import Count, WholeSeconds
from gateway.config.mistake import Mistake, wrong
from gateway.config.policy import check_realm
from gateway.config.store import FileName
from gateway.config.table import read_table

Rule = Literal["pinned", "ca", "tofu", "approval"]

OverlapSeconds = Annotated[int, Meta(ge=0, le=31_622_400, description="whole seconds from 0 to 31622400 (a year)")]

_CRL: Final = "an http or https URL, or the name of a file"
_RULES: Final = 'a list of "pinned", "ca", "tofu" and "approval"'


class Authority(Struct, frozen=True, kw_only=True):
    """One `[[onboarding.ca]]`: `file` holds PEM certificates that chains may end in; clients found by it get `tenant`;
    `crl` (URL or file) says which of its certificates are revoked."""

    file: FileName
    tenant: str = ""
    crl: Annotated[str, Meta(min_length=1, description=_CRL)] | None = None

    @property
    def crl_is_url(self) -> bool:
        """It must be fetched, not read."""
        return self.crl is not None and "://" in self.crl


class Onboarding(Struct, frozen=True, kw_only=True):
    """`mode` proxy: the WFM assigns the id, and we record it; local: we assign it; passthrough: forwarded, nothing is
    recorded; off: 404. `root_ca` is what the certificate API answers; None: the WFM does. `trust` empty: nobody, but in
    mode passthrough whoever proves to have its key. `tofu_*` bound how many are accepted on first contact, or wait for
    approval. `rotation` lets a device that has both keys give itself a new certificate; the old one is accepted for
    `rotation_overlap_s` more (R23)."""

    mode: Literal["proxy", "local", "passthrough", "off"] = "off"
    root_ca: FileName | None = None
    trust: Annotated[tuple[Rule, ...], Meta(description=_RULES)] = ()
    stale_crl: Literal["accept", "refuse"] = "refuse"
    crl_refresh_s: WholeSeconds = 3600
    tofu_per_minute: Count = 10
    tofu_clients: Count = 1000
    rotation: bool = False
    rotation_overlap_s: OverlapSeconds = 604_800
    ca: tuple[Authority, ...] = ()

    @property
    def records(self) -> bool:
        """Onboarding writes to the registry."""
        return self.mode in ("proxy", "local")


def read(table: Any, sections: dict[str, type[Any]]) -> Onboarding:
    """The section with its `[[onboarding.ca]]` entries.

    :raises Mistake: config.invalid
    """
    if not isinstance(table, dict):
        raise wrong("onboarding", table, "a table")
    entries = table.get("ca", [])
    if not isinstance(entries, list):
        raise wrong("onboarding.ca", entries, "tables, each written [[onboarding.ca]]")
    section = read_table(
        Onboarding, {key: value for key, value in table.items() if key != "ca"}, "onboarding", sections
    )
    authorities = tuple(
        read_table(Authority, entry, f"onboarding.ca[{index}]", sections) for index, entry in enumerate(entries)
    )
    return structs.replace(section, ca=authorities)


def settle(section: Onboarding, base: Path) -> Onboarding:
    """Check what types alone do not, and make file names absolute.

    :raises Mistake: config.invalid, config.unreadable
    """
    seen: set[str] = set()
    for rule in section.trust:
        if rule in seen:
            raise Mistake("onboarding.trust", f'"{rule}" stands twice')
        seen.add(rule)
    if "ca" in seen and not section.ca:
        raise Mistake("onboarding.trust", 'has "ca", but there is no [[onboarding.ca]] with a file')
    if "tofu" in seen and "approval" in seen:
        raise Mistake("onboarding.trust", '"tofu" accepts whom "approval" would hold back; one of them must go')
    for rule in ("tofu", "approval"):
        if section.mode == "passthrough" and rule in seen:
            raise Mistake("onboarding.trust", f'"{rule}" must be recorded, and mode "passthrough" records nothing')
    if section.rotation and not seen:
        raise Mistake("onboarding.rotation", "true, but onboarding.trust is empty, so no new certificate could pass")
    root_ca = None if section.root_ca is None else readable("onboarding.root_ca", section.root_ca, base)
    authorities = tuple(_settle_authority(entry, f"onboarding.ca[{index}]", "ca" in seen, base)
                        for index, entry in enumerate(section.ca))  # fmt: skip
    return structs.replace(section, root_ca=root_ca, ca=authorities)


def _settle_authority(entry: Authority, at: str, trusted: bool, base: Path) -> Authority:
    if not trusted and entry.crl is None:
        raise Mistake(at, 'means nothing without "ca" in onboarding.trust or a crl')
    if entry.tenant:
        check_realm(f"{at}.tenant", entry.tenant)  # the same characters: it goes into fields and file names
    changes = {"file": readable(f"{at}.file", entry.file, base)}
    if entry.crl is not None:
        if entry.crl_is_url:
            _check_url(f"{at}.crl", entry.crl)
        else:
            changes["crl"] = readable(f"{at}.crl", entry.crl, base)
    return structs.replace(entry, **changes)


def _check_url(key: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        good = good and url.isascii() and url.isprintable() and not parts.fragment and (parts.port or 1) > 0
    except ValueError:  # brackets, or a port that is none
        good = False
    if not good:
        raise wrong(key, url, _CRL)
