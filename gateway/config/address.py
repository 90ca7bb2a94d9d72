"""Addresses and origins in configuration values: `host:port`, `[v6]:port`, `unix:/path`, `scheme://authority`."""

import ipaddress
import re
from typing import Final

import msgspec

# RFC 3986 §3.2.2: reg-name without percent-encoding and sub-delims; names outside of ASCII must be given as A-labels.
_REG_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})", re.ASCII)
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\s]+)(?::([0-9]{1,5}))?", re.ASCII)
DEFAULT_PORTS: Final = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}


class Address(msgspec.Struct, frozen=True, gc=False):
    """Where to listen or connect: a TCP `host` and `port`, or the `path` of a unix socket (then `host` is "")."""

    host: str
    port: int
    path: str = ""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """`scheme` (lower case) and `authority` (as spelled) of a URL; `port` is the scheme's default if none is given."""

    scheme: str
    authority: str
    host: str
    port: int

    @property
    def normal(self) -> str:
        """The authority in lower case, without the scheme's default port (RFC 9110 §4.2.3)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}").lower()

    @property
    def loopback(self) -> bool:
        """The host is this machine's own and nobody else can listen in between."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """True for `localhost` and for addresses of 127.0.0.0/8 and ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_authority(text: str) -> tuple[str, int | None] | None:
    """Host (without brackets) and port of an authority; None if it is not a plain one (user info, spaces, bad port)."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    host, digits = match[1], match[2]
    if host.startswith("["):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return None
    elif _REG_NAME.fullmatch(host) is None:
        return None
    if digits is None:
        return host, None
    port = int(digits)
    return (host, port) if 1 <= port <= 65535 else None


def read_address(text: str) -> Address | None:
    """`host:port`, `[v6]:port` or `unix:/path` (`unix:///path` too); None if it is neither."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        return Address("", 0, path) if path and "\0" not in path else None
    parts = split_authority(text)
    if parts is None or parts[1] is None:
        return None
    return Address(parts[0], parts[1])


def read_origin(text: str, schemes: tuple[str, ...]) -> Origin | None:
    """`scheme://authority`, one trailing slash forgiven; None for anything more (path, query, fragment, user info)."""
    scheme, colon, rest = text.partition("://")
    scheme = scheme.lower()
    if not colon or scheme not in schemes:
        return None
    authority = rest.removesuffix("/")
    parts = split_authority(authority)
    if parts is None:
        return None
    return Origin(scheme, authority, parts[0], parts[1] or DEFAULT_PORTS[scheme])
