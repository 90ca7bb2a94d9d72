"""Section `[observe]`: the private listener of health, metrics and the dashboard (R29)."""

import ipaddress
import os
import stat
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from gateway.config.address import Address, is_loopback, read_address, split_authority
from gateway.config.admin import OTHERS
from gateway.config.files import readable, resolved
from gateway.config.mistake import Mistake, wrong
from gateway.config.store import FileName
from gateway.reasons import Reason

DEFAULT: Final = "127.0.0.1:9909"
OFF: Final = "off"

_ADDRESS: Final = '"host:port", "[v6]:port", "unix:/path" or "off"'
_HOSTS: Final = 'names such as "gw.internal", with or without a port'


class Observe(Struct, frozen=True, kw_only=True):
    """`address` None: `DEFAULT`, and none at all if somebody else has that. `allowed_hosts` are names that a Host field
    may have beside `localhost` and IP addresses. The dashboard shows client ids: `token_file` has its token, and where
    others than this machine can connect it is closed without one."""

    address: Annotated[str, Meta(description=_ADDRESS)] | None = None
    token_file: FileName | None = None
    allowed_hosts: Annotated[tuple[str, ...], Meta(description=f"a list of {_HOSTS}")] = ()

    @property
    def bind(self) -> Address | None:
        """`address`, taken apart; None: there is no listener."""
        if self.address == OFF:
            return None
        found = read_address(self.address or DEFAULT)
        if found is None:
            raise wrong("observe.address", self.address, _ADDRESS)
        return found

    @property
    def remote(self) -> bool:
        """Others than this machine can connect."""
        bind = self.bind
        return bind is not None and not bind.path and not is_loopback(bind.host)

    def is_ours(self, host: str) -> bool:
        """May a Host field say this? A page of somebody else's can reach us only under a name, never under an address:
        what it loaded itself from is a name that its owner pointed at us afterwards (R29)."""
        parts = split_authority(host)
        if parts is None:
            return False
        name = parts[0].lower()
        if name == "localhost" or _is_address(name):
            return True
        return any(allowed.lower() in (name, host.lower()) for allowed in self.allowed_hosts)


def settle(section: Observe, base: Path) -> Observe:
    """Check every value and make file names absolute.

    :raises Mistake: config.invalid, config.unreadable, config.unsafe
    """
    bind = section.bind
    if bind is None:
        for name in ("token_file", "allowed_hosts"):
            if getattr(section, name):
                raise Mistake(f"observe.{name}", 'means nothing while observe.address is "off"')
        return section
    for host in section.allowed_hosts:
        if split_authority(host) is None:
            raise wrong("observe.allowed_hosts", host, _HOSTS)
    changes: dict[str, str] = {}
    if section.token_file is not None:
        path = changes["token_file"] = readable("observe.token_file", section.token_file, base)
        if stat.S_IMODE(os.stat(path).st_mode) & OTHERS:
            raise Mistake("observe.token_file", f"others may read {path}; `chmod 600` it", Reason.CONFIG_UNSAFE)
    if bind.path:
        changes["address"] = f"unix:{resolved(bind.path, base)}"
    return structs.replace(section, **changes)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
