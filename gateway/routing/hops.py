"""Walk from the peer to the device, through trusted proxies only (R6)."""

import ipaddress
from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.config import Listen

_HOP_LIMIT: Final = 32
"""No chain of proxies is longer; the walk must not cost more than the head that carries it (R5)."""

_REMEMBERED: Final = 4096
_ADDRESS_LENGTH: Final = 47
"""The longest spelling of an address with port: `[`, 39 characters of IPv6, `]:65535`."""


class Hop(msgspec.Struct, frozen=True, gc=False):
    """One address, spelled in one way, and whether what it says counts."""

    address: str
    trusted: bool


class Trust:
    """Whose statements about where a request came from count: the networks of `listen.trusted_proxies`."""

    def __init__(self, listen: Listen) -> None:
        self._networks = listen.networks
        self._unix = listen.trusts_unix
        self._known: dict[str, Hop | None] = {}

    def peer(self, address: str) -> bool:
        """Is the peer, by its address in text ("" for a unix socket), a trusted proxy?"""
        if not address:
            return self._unix
        hop = self._hop(address.partition("%")[0])  # RFC 4007 §11: the zone says which of our own links it came by
        return hop is not None and hop.trusted

    def walk(self, start: str, nodes: Iterable[bytes | None]) -> tuple[str, int]:
        """From the peer at `start` over `nodes`, the nearest first, to the first that is not trusted.

        :return: that address, and how many nodes were named by trusted hops; a node that is no address ends the walk
            at the hop that named it
        """
        address, seen = start, 0
        for node in nodes:
            if seen == _HOP_LIMIT:
                break
            seen += 1
            hop = self._hop(node.decode("latin-1")) if node is not None else None
            if hop is None:
                break
            address = hop.address
            if not hop.trusted:
                break
        return address, seen

    def _hop(self, text: str) -> Hop | None:
        """Read an address and judge it; None if it is none. Remembers some of its answers, never more than a bound."""
        try:
            return self._known[text]
        except KeyError:
            pass
        parsed = read_address(text)
        hop = None
        if parsed is not None:
            hop = Hop(str(parsed), any(parsed in network for network in self._networks))
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        if len(text) <= _ADDRESS_LENGTH:
            self._known[text] = hop
        return hop


def read_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address as proxies write it: plain, `v4:port`, `[v6]`, `[v6]:port`; mapped IPv4 as IPv4. None for the rest,
    such as `unknown` and the obfuscated names of RFC 7239 §6.3."""
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, _, digits = text.partition(":")
        if not _is_port(f":{digits}"):
            return None
    try:
        if "%" in text:  # a zone means nothing on another machine, and may hold any text
            return None
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6
