"""Reads the configuration again while the gateway runs: what may change then, and what needs a restart."""

from pathlib import Path
from typing import Any, Final

from gateway.config import Config, load
from gateway.onboarding import authorities
from gateway.proxy.tls_identity import check_identity
from gateway.proxy.upstream import tls_context
from gateway.reasons import ConfigError, Reason

FIXED: Final = (
    "listen.address",
    "listen.workers",
    "store",
    "admin",
    "observe",
    "limits.data_dir",
)
"""What the supervisor has opened: sockets, the embedded store, the private listeners, the data directory."""


def reread(before: Config) -> Config:
    """The configuration as its file has it now, checked as at the start.

    :raises ConfigError: it was not read from a file; the file is bad; something changed that needs a restart
    """
    if not before.source:
        raise ConfigError(Reason.CONFIG_INVALID, "this gateway was started with flags: there is no file to read again")
    after = load(Path(before.source))
    changed = [name for name in FIXED if _at(before, name) != _at(after, name)]
    if changed:
        names = ", ".join(changed)
        raise ConfigError(Reason.CONFIG_INVALID, f"{before.source}: {names} cannot change while it runs: restart it")
    authorities.read_all(after.onboarding)
    check_identity(after.listen)
    for upstream in after.upstreams:
        if any(one.url.startswith("https:") for one in upstream.backends):
            tls_context(upstream)
    return after


def _at(config: Config, name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value
