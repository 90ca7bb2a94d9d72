"""Section `[limits]`: bounds on what a sender can make us hold and wait for (R5)."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, structs

from gateway.config.files import resolved
from gateway.config.kinds import Bytes, Count, Seconds

HeadBytes = Annotated[int, Meta(ge=1024, le=32_768, description="a whole number of bytes from 1024 to 32768")]


class Limits(Struct, frozen=True, kw_only=True, gc=False):
    """`connections` is per worker; one more is closed at once. `in_flight` requests may be under way at one time, over
    all workers, of which each has an equal share; one more is 503; None: as many as there are connections. Bodies
    beyond `spool_bytes` go to an unnamed file in
    `data_dir` (None: the embedded store's directory, else `data` beside the configuration file); those of all workers
    together stay within `spool_total_bytes`."""

    connections: Count = 8192
    in_flight: Count | None = None
    head_limit_bytes: HeadBytes = 32_768
    head_timeout_s: Seconds = 10.0
    body_timeout_s: Seconds = 30.0
    idle_timeout_s: Seconds = 75.0
    spool_bytes: Bytes = 262_144
    spool_total_bytes: Bytes = 1 << 30
    data_dir: Annotated[str, Meta(min_length=1, description="the name of a directory")] | None = None
    drain_s: Seconds = 30.0


def settle(limits: Limits, base: Path) -> Limits:
    """Make the directory absolute."""
    if limits.data_dir is None:
        return limits
    return structs.replace(limits, data_dir=resolved(limits.data_dir, base))
