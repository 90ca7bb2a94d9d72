"""Section `[admin]`: the private listener of the admin API; there is none without an address (R29)."""

import os
import stat
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from gateway.config.address import Address, is_loopback, read_address, split_authority
from gateway.config.files import readable, resolved
from gateway.config.mistake import Mistake, wrong
from gateway.config.store import FileName
from gateway.reasons import Reason

_ADDRESS: Final = '"host:port", "[v6]:port" or "unix:/path"'
_HOSTS: Final = 'names or addresses such as "gw.internal", "[::1]" or "gw.internal:9900"'
OTHERS: Final = 0o077
"""Permission bits of a token file that nobody may have: those of the group and of everybody."""


class Admin(Struct, frozen=True, kw_only=True):
    """`token_file` holds the bearer token, readable by its owner only. `allowed_hosts` is what a Host field may name,
    with any port if none is given; empty: the host of the address, and localhost."""

    address: Annotated[str, Meta(description=_ADDRESS)] | None = None
    token_file: FileName | None = None
    allowed_hosts: Annotated[tuple[str, ...], Meta(description=f"a list of {_HOSTS}")] = ()

    @property
    def bind(self) -> Address | None:
        """`address`, taken apart; None: no admin API."""
        if self.address is None:
            return None
        found = read_address(self.address)
        if found is None:
            raise wrong("admin.address", self.address, _ADDRESS)
        return found

    @property
    def hosts(self) -> frozenset[str]:
        """What a Host field may be, in lower case; an entry without a port goes with any."""
        bind = self.bind
        if self.allowed_hosts or bind is None:
            return frozenset(host.lower() for host in self.allowed_hosts)
        host = f"[{bind.host}]" if ":" in bind.host else bind.host
        return frozenset(filter(None, (host.lower(), "localhost")))

    @property
    def remote(self) -> bool:
        """Others than this machine can connect, and read the token on the way."""
        bind = self.bind
        return bind is not None and not bind.path and not is_loopback(bind.host)


def settle(section: Admin, base: Path) -> Admin:
    """Check every value and make file names absolute.

    :raises Mistake: config.invalid, config.unreadable, config.unsafe
    """
    bind = section.bind
    if bind is None:
        for name in ("token_file", "allowed_hosts"):
            if getattr(section, name):
                raise Mistake(f"admin.{name}", "means nothing without admin.address")
        return section
    if section.token_file is None:
        raise Mistake("admin.token_file", "missing: whoever reaches the admin API could do everything")
    for host in section.allowed_hosts:
        if split_authority(host) is None:
            raise wrong("admin.allowed_hosts", host, _HOSTS)
    changes = {"token_file": readable("admin.token_file", section.token_file, base)}
    if stat.S_IMODE(os.stat(changes["token_file"]).st_mode) & OTHERS:
        sentence = f"others may read {changes['token_file']}; `chmod 600` it"
        raise Mistake("admin.token_file", sentence, Reason.CONFIG_UNSAFE)
    if bind.path:
        changes["address"] = f"unix:{resolved(bind.path, base)}"
    return structs.replace(section, **changes)
