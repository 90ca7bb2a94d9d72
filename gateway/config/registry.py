"""Section `[registry]`: what workers remember of the store, for how long (R25), and whom they ask on a miss (R23)."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, structs

from gateway.config.files import readable
from gateway.config.kinds import Bytes, Count, Seconds, SecondsOrNone
from gateway.config.mistake import Mistake
from gateway.config.origin_url import WANTED, OriginUrl, read_origin_url
from gateway.config.upstream import PemFile


class Registry(Struct, frozen=True, kw_only=True, gc=False):
    """`l1_entries` and `l1_bytes` bound what one worker remembers of clients, whichever is reached first. `max_stale_s`
    bounds how long known clients pass while the store is away; `negative_s` how long an unknown id is remembered as
    unknown.

    `origin` is asked for the certificate of an id that the store does not know: in one question of `origin_timeout_s`,
    at most `origin_concurrency` at a time and `origin_per_second` in all workers together, because whoever makes up ids
    can cause them (R5). A no is remembered for `origin_negative_s`. `origin_ca` is a PEM file."""

    l1_entries: Count = 100_000
    l1_bytes: Bytes = 64 << 20
    max_stale_s: SecondsOrNone = 30
    negative_s: SecondsOrNone = 3
    origin: Annotated[str, Meta(min_length=1, description=WANTED)] | None = None
    origin_ca: PemFile | None = None
    origin_timeout_s: Seconds = 2.0
    origin_concurrency: Count = 16
    origin_per_second: Count = 50
    origin_negative_s: SecondsOrNone = 30

    @property
    def origin_url(self) -> OriginUrl | None:
        """`origin`, read."""
        return None if self.origin is None else read_origin_url("registry.origin", self.origin)


def settle(registry: Registry, base: Path) -> Registry:
    """Check what types alone do not, and make the file name absolute.

    :raises Mistake: config.invalid, config.unsafe, config.unreadable
    """
    url = registry.origin_url
    if registry.origin_ca is None:
        return registry
    if url is None or not url.tls:
        raise Mistake("registry.origin_ca", 'only means something with an "https://" registry.origin')
    return structs.replace(registry, origin_ca=readable("registry.origin_ca", registry.origin_ca, base))
