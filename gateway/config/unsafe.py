"""Section `[unsafe]`: settings that open a hole; each must be spelled out, and each is warned about at every start."""

from msgspec import Struct


class Unsafe(Struct, frozen=True, kw_only=True, gc=False):
    """`trust_everyone`: a trusted network may be the whole Internet (R6). `plain_remote_store`: the store may be on
    another machine without TLS (R27). `plain_remote_admin`: the admin API may be reached from other machines, and its
    token read on the way (R29). `passthrough`: a route may forward what nobody verified (R16)."""

    trust_everyone: bool = False
    plain_remote_store: bool = False
    plain_remote_admin: bool = False
    passthrough: bool = False
