"""Questions of somebody else's proxy about a request that it has: the request as the device sent it, without its body.

nginx (auth_request), Traefik (forwardAuth), Caddy (forward_auth) and Envoy (ext_authz over HTTP) ask in this way.
"""

from typing import Final

from gateway._native import Head, Refused, parse_head
from gateway.config import Config
from gateway.model import Peer
from gateway.reasons import Reason
from gateway.routing.hops import Trust

_METHOD_AND_TARGET: Final = {
    "x-original": (b"x-original-method", b"x-original-uri"),
    "x-forwarded": (b"x-forwarded-method", b"x-forwarded-uri"),
}
_LENGTH: Final = b"x-original-content-length"
_CODING: Final = b"x-original-transfer-encoding"
_NOT_OF_THE_ORIGINAL: Final = frozenset(
    {name for names in _METHOD_AND_TARGET.values() for name in names}
    | {_LENGTH, _CODING, b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade"}
)
_WITH_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})
"""Methods whose requests have a body as far as anybody can tell who sees a head only."""


class Subrequests:
    """Reads them as one configuration wants: from trusted proxies only, every statement single-valued (R6)."""

    def __init__(self, config: Config) -> None:
        verify = config.verify
        self._path = b"" if verify.path is None else verify.path.encode()
        self._family = verify.original
        self._allows_body = verify.allow_unchecked_body
        self._trust = Trust(config.listen)

    def asks(self, head: Head, peer: Peer) -> bool:
        """Is this such a question? From anybody else it is a request like any other."""
        path = self._path
        if not path or not head.path.startswith(path) or head.absolute:
            return False
        behind = head.path[len(path) :]
        fits = behind.startswith(b"/") if self._family == "path" else not behind
        return fits and peer.vouches and self._trust.peer(peer.address)

    def original(self, head: Head) -> Head:
        """The head that the device sent. Content-Length is 1 where it has a body of unknown length.

        :raises Refused: request.ambiguous_proxy_fields; digest.unchecked for a body, if that is not allowed; what the
            strict reader refuses
        """
        method, target = self._method_and_target(head)
        length = self._length(head, method)
        if length and not self._allows_body:
            raise Refused(Reason.DIGEST_UNCHECKED, "only the head is seen here")
        host = _at_most_one(head, b"x-forwarded-host") or head.host
        lines = [method + b" " + target + b" HTTP/1.1", b"Host: " + host]
        lines += [name + b": " + value for name, value in head.fields() if name.lower() not in _NOT_OF_THE_ORIGINAL]
        if length:
            lines.append(b"Content-Length: " + length)
        found = parse_head(b"\r\n".join(lines) + b"\r\n\r\n")
        if found.absolute:
            raise Refused(Reason.REQUEST_PROXY_FIELDS, "the original target is not a path")
        return found

    def _method_and_target(self, head: Head) -> tuple[bytes, bytes]:
        """From the one place that the configuration names; the same statement elsewhere could be the device's (R24)."""
        for family, names in _METHOD_AND_TARGET.items():
            if family != self._family and any(head.values(name) for name in names):
                raise Refused(
                    Reason.REQUEST_PROXY_FIELDS, f"{names[0].decode()} or {names[1].decode()} is not expected"
                )
        if self._family == "path":
            return head.method, head.target[len(self._path) :]
        method, target = (_at_most_one(head, name) for name in _METHOD_AND_TARGET[self._family])
        if not method or not target:
            raise Refused(Reason.REQUEST_PROXY_FIELDS, f"verify.original is {self._family}, and nothing stands there")
        return method, target

    def _length(self, head: Head, method: bytes) -> bytes:
        """Octets of the body if there may be one; b"" if nothing speaks for one. What a field says against one does not
        count: the device could have sent it."""
        stated = _at_most_one(head, _LENGTH)
        if stated.isdigit() and int(stated):
            return b"%d" % int(stated)
        speaks = stated not in (b"", b"0") or head.values(_CODING) or head.values(b"content-digest")
        return b"1" if speaks or method in _WITH_BODY or head.content_length > 0 or head.chunked else b""


def _at_most_one(head: Head, name: bytes) -> bytes:
    values = head.values(name)
    if len(values) > 1 or (values and not values[0]):
        raise Refused(Reason.REQUEST_PROXY_FIELDS, f"{name.decode()} has more than one value, or an empty one")
    return values[0] if values else b""
