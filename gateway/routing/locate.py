"""How the device saw the request: scheme, authority and address, each from one source (R6, R7)."""

from gateway._native import Head, Refused
from gateway.config import Config
from gateway.config.address import DEFAULT_PORTS, split_authority
from gateway.model import External, Peer
from gateway.reasons import Reason
from gateway.routing.forwarded import Element, read_forwarded
from gateway.routing.hops import Trust

_DEFAULT = {scheme.encode(): str(port).encode() for scheme, port in DEFAULT_PORTS.items()}


class Locator:
    """Answers for one configuration; keeps nothing of a request."""

    def __init__(self, config: Config) -> None:
        self._trust = Trust(config.listen)
        self._trusting = bool(config.listen.trusted_proxies)
        public = config.listen.public
        self._scheme = public.scheme.encode() if public is not None else b""
        self._source = public.normal.encode() if public is not None else b""
        self._only = (self._source,)

    def locate(self, head: Head, peer: Peer) -> External:
        """Scheme, candidate authorities in the order to try them, and the device's address.

        :raises Refused: request.ambiguous_proxy_fields, request.bad_host
        """
        address = peer.address
        if not self._trusting or not peer.vouches or not self._trust.peer(address):
            # R6: what an untrusted peer says about itself is ignored.
            return self._from(head.host, b"", b"", address, peer.tls)
        proto = _single(head, b"x-forwarded-proto").lower()
        if proto:
            _check_scheme(proto)
        host = _single(head, b"x-forwarded-host")
        if host:
            self._check_authority(host)
        lines = head.values(b"forwarded")
        client, counted = self._walk_list(head, address)
        if lines:
            proto, host, client = self._merge(read_forwarded(lines), proto, host, address, client if counted else None)
        return self._from(head.host, host, proto, client, peer.tls)

    def _from(self, received: bytes, forwarded_host: bytes, forwarded_proto: bytes, client: str, tls: bool) -> External:
        """Decide by R7: `public_url`, else what a trusted proxy forwarded, else Host on our own TLS listener."""
        if self._source:
            received = forwarded_host or received
            if received == self._source or normal_authority(received, self._scheme) != self._source:
                return External(self._scheme, self._only, client)
            return External(self._scheme, (received, self._source), client)
        if not forwarded_host and not forwarded_proto and tls:
            forwarded_host, forwarded_proto = received, b"https"
            if split_authority(received.decode("latin-1")) is None:
                raise Refused(Reason.REQUEST_HOST, "Host is not a host with an optional port")
        if not forwarded_host:
            raise Refused(Reason.REQUEST_HOST, "no trusted proxy forwarded a host, and there is no listen.public_url")
        if not forwarded_proto:
            raise Refused(Reason.REQUEST_PROXY_FIELDS, "the trusted proxy forwarded a host, but no scheme")
        normal = normal_authority(forwarded_host, forwarded_proto)
        authorities = (normal,) if normal == forwarded_host else (forwarded_host, normal)
        return External(forwarded_proto, authorities, client)

    def _walk_list(self, head: Head, start: str) -> tuple[str, int]:
        """The device's address by X-Forwarded-For; lines and list members alike, from the right."""
        lines = head.values(b"x-forwarded-for")
        if not lines:
            return start, 0
        nodes = (node.strip(b" \t") for line in reversed(lines) for node in reversed(line.split(b",")))
        return self._trust.walk(start, (node for node in nodes if node))  # RFC 9110 §5.6.1.2

    def _merge(
        self, elements: list[Element], proto: bytes, host: bytes, start: str, client: str | None
    ) -> tuple[bytes, bytes, str]:
        """What Forwarded adds; it must not contradict what X-Forwarded-* said (R6)."""
        walked, seen = self._trust.walk(start, (element.node for element in reversed(elements)))
        named = any(element.node is not None for element in elements)
        if named and client is not None and walked != client:
            raise Refused(Reason.REQUEST_PROXY_FIELDS, "Forwarded and X-Forwarded-For name different clients")
        hosts = [(index, element.host) for index, element in enumerate(elements) if element.host is not None]
        protos = [(index, element.proto) for index, element in enumerate(elements) if element.proto is not None]
        if len(hosts) > 1 or len(protos) > 1:
            raise Refused(Reason.REQUEST_PROXY_FIELDS, "Forwarded names more than one host or scheme")
        # An element is the word of the hop that the elements after it name; of those only trusted ones count.
        first_trusted = len(elements) - seen
        for index, value in protos:
            if index >= first_trusted:
                if value.lower() != (proto or value.lower()):
                    raise Refused(Reason.REQUEST_PROXY_FIELDS, "Forwarded and X-Forwarded-Proto disagree")
                proto = _check_scheme(value.lower())
        for index, value in hosts:
            if index >= first_trusted:
                self._check_authority(value)
                scheme = self._scheme or proto
                if host and normal_authority(host, scheme) != normal_authority(value, scheme):
                    raise Refused(Reason.REQUEST_PROXY_FIELDS, "Forwarded and X-Forwarded-Host disagree")
                host = host or value
        return proto, host, client if client is not None else walked

    def _check_authority(self, value: bytes) -> None:
        if value and value == self._source:
            return  # the usual case
        if split_authority(value.decode("latin-1")) is None:
            raise Refused(Reason.REQUEST_PROXY_FIELDS, "a forwarded host is not a host with an optional port")


def normal_authority(authority: bytes, scheme: bytes) -> bytes:
    """Lower case, without the scheme's default port (RFC 3986 §6.2.2.1, §6.2.3)."""
    authority = authority.lower()
    host, colon, port = authority.rpartition(b":")
    return host if colon and port == _DEFAULT.get(scheme) else authority


def _single(head: Head, name: bytes) -> bytes:
    """The one value of a field; b"" if it is absent.

    :raises Refused: request.ambiguous_proxy_fields if there is more than one, or an empty one
    """
    values = head.values(name)
    if not values:
        return b""
    value = values[0]
    if len(values) > 1 or b"," in value or not value:
        raise Refused(Reason.REQUEST_PROXY_FIELDS, f"{name.decode()} has more than one value, or an empty one")
    return value


def _check_scheme(value: bytes) -> bytes:
    if value not in (b"http", b"https"):
        raise Refused(Reason.REQUEST_PROXY_FIELDS, "the forwarded scheme is neither http nor https")
    return value
