"""What one row of a route table says: paths by template, methods, and how much of a signature they need."""

from enum import StrEnum
from typing import Final

import msgspec

from gateway.config.route import CLIENT_ID, ONE, REST, Relaxation
from gateway.model import Mode

__all__ = ["CLIENT_ID", "ONE", "REST", "Access", "Template"]


class Access(StrEnum):
    """`open` goes on without a signature, `onboarding` is signed by the key in its own body, `rotation` by that and by
    the client's present one, `off` is closed."""

    SIGNED = "signed"
    OPEN = "open"
    ONBOARDING = "onboarding"
    ROTATION = "rotation"
    OFF = "off"


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One row. The segments of `path` are literal but for `{clientId}`, `*` and `{name}` (one segment each) and, at the
    end, `**` (the rest, even if there is none) and `{+name}` (one or more segments, in which %2F is legal: R1; spelled
    as in RFC 6570 §3.2.3). `methods` empty: every method; HEAD comes with GET. `realm` None: that of the policy.
    `mode` means something on signed routes only.
    """

    name: str
    path: str
    methods: tuple[str, ...]
    access: Access = Access.SIGNED
    realm: str | None = None
    client_id_from_keyid: bool = False
    require_covered_digest: bool | None = None
    relax: tuple[Relaxation, ...] = ()
    mode: Mode = "enforce"
    versions: tuple[str, ...] = ()


GET: Final = ("GET",)
POST: Final = ("POST",)
