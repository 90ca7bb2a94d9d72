"""Section `[registry]`: what workers remember of the store, and for how long (R25)."""

from msgspec import Struct

from gateway.config.kinds import Count, SecondsOrNone


class Registry(Struct, frozen=True, kw_only=True, gc=False):
    """`max_stale_s` bounds how long known clients pass while the store is away; `negative_s` how long an unknown id is
    remembered as unknown."""

    l1_entries: Count = 100_000
    max_stale_s: SecondsOrNone = 30
    negative_s: SecondsOrNone = 3
