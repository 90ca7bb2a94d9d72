"""Section `[listen]`: where devices or the load balancer connect, and how they see us (R6, R7)."""

import ipaddress
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, structs

from gateway.config.address import Address, Origin, read_address, read_origin
from gateway.config.files import readable, resolved
from gateway.config.mistake import Mistake, wrong

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX_PEER: Final = "unix"
"""In `trusted_proxies` and `proxy_protocol`: whoever connects through our own unix socket."""

_ADDRESS: Final = '"host:port", "[v6]:port" or "unix:/path"'
_PUBLIC: Final = '"https://host" or "http://host", with a port if it is not the default, without path, query and user'
_PROXY: Final = 'a network such as "10.0.0.0/8" without host bits, an address, or "unix"'


class Listen(Struct, frozen=True, kw_only=True, gc=False):
    """`workers` None: one per core. `public_url` is the scheme and authority that devices sign. `plane`: the code that
    serves connections, `native`, or the slower one on `aiohttp`. Peers in `proxy_protocol` begin every connection with
    a PROXY header, version 1 or 2. `tls_cert` (the chain) and `tls_key` are PEM files: with them we end TLS 1.3
    ourselves."""

    address: Annotated[str, Meta(description=_ADDRESS)] = "127.0.0.1:8080"
    public_url: Annotated[str, Meta(description=_PUBLIC)] | None = None
    trusted_proxies: Annotated[tuple[str, ...], Meta(description="a list of networks in text")] = ()
    workers: Annotated[int, Meta(ge=1, le=1024, description="a whole number from 1 to 1024")] | None = None
    plane: Literal["native", "aiohttp"] = "native"
    proxy_protocol: Annotated[tuple[str, ...], Meta(description="a list of networks in text")] = ()
    tls_cert: Annotated[str, Meta(min_length=1, description="the name of a PEM file")] | None = None
    tls_key: Annotated[str, Meta(min_length=1, description="the name of a PEM file")] | None = None

    @property
    def bind(self) -> Address:
        """`address`, taken apart."""
        found = read_address(self.address)
        if found is None:
            raise wrong("listen.address", self.address, _ADDRESS)
        return found

    @property
    def public(self) -> Origin | None:
        """`public_url`, taken apart."""
        if self.public_url is None:
            return None
        found = read_origin(self.public_url, ("http", "https"))
        if found is None:
            raise wrong("listen.public_url", self.public_url, _PUBLIC)
        return found

    @property
    def networks(self) -> tuple[Network, ...]:
        """The trusted networks; IPv4 ones that are written as mapped IPv6 come out as IPv4 (RFC 4291 §2.5.5.2)."""
        return tuple(_network("trusted_proxies", text) for text in self.trusted_proxies if text != UNIX_PEER)

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        """The networks of `proxy_protocol`."""
        return tuple(_network("proxy_protocol", text) for text in self.proxy_protocol if text != UNIX_PEER)

    @property
    def proxies_unix(self) -> bool:
        """Whoever connects through our unix socket begins with a PROXY header."""
        return UNIX_PEER in self.proxy_protocol

    @property
    def trusts_unix(self) -> bool:
        """Whoever connects through our unix socket is a trusted proxy."""
        return UNIX_PEER in self.trusted_proxies

    @property
    def trusts_everyone(self) -> bool:
        """The trusted networks together hold all of IPv4 or all of IPv6, in one piece or in several (R6)."""
        return _everyone(self.networks)

    @property
    def hears_everyone(self) -> bool:
        """The same of `proxy_protocol`: anybody could name any address as its own."""
        return _everyone(self.proxy_networks)


def settle(listen: Listen, base: Path) -> Listen:
    """Check every value and make the path of a unix socket absolute.

    :raises Mistake: config.invalid, config.unreadable
    """
    bind = listen.bind
    _ = listen.public, listen.networks, listen.proxy_networks
    if (listen.tls_cert is None) != (listen.tls_key is None):
        present, absent = ("tls_cert", "tls_key") if listen.tls_cert else ("tls_key", "tls_cert")
        raise Mistake(f"listen.{absent}", f"missing, although listen.{present} is given")
    changes = {
        name: readable(f"listen.{name}", path, base)
        for name, path in (("tls_cert", listen.tls_cert), ("tls_key", listen.tls_key))
        if path is not None
    }
    if bind.path:
        changes["address"] = f"unix:{resolved(bind.path, base)}"
    return structs.replace(listen, **changes)


def _everyone(networks: tuple[Network, ...]) -> bool:
    four = [net for net in networks if isinstance(net, ipaddress.IPv4Network)]
    six = [net for net in networks if isinstance(net, ipaddress.IPv6Network)]
    whole: list[Network] = [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]
    return any(net.prefixlen == 0 for net in whole)


def _network(key: str, text: str) -> Network:
    try:
        net = ipaddress.ip_network(text)
    except ValueError:
        raise wrong(f"listen.{key}", text, _PROXY) from None
    if isinstance(net, ipaddress.IPv6Network) and net.prefixlen >= 96:
        mapped = net.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, net.prefixlen - 96))
    return net
