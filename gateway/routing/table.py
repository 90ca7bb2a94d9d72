"""Find the route of a request: the path by R1, the client id by R2, the method last."""

from gateway._native import Head, Refused
from gateway.config import Config
from gateway.model import Refusal
from gateway.profiles import routes
from gateway.reasons import Reason
from gateway.routing.match import Match
from gateway.routing.paths import check, read_client_id
from gateway.routing.tree import Ends, grow, search


class RouteTable:
    """The routes of a configuration, compiled once; looking up keeps nothing, so nothing grows."""

    def __init__(self, config: Config) -> None:
        self.templates = routes(config)
        self._root = grow(self.templates, config.policy.base_path, config.policy.realm)

    def find(self, head: Head) -> Match | Refusal:
        """The route of a request, or the refusal: request.ambiguous_path, no_route, method_not_allowed or
        bad_client_id."""
        try:
            segments = check(head.path)
        except Refused as refused:
            return Refusal(Reason.REQUEST_PATH, refused.detail)
        raw = segments.raw
        # Nearly every request finds its place without ever turning back; `search` comes to the same place.
        node = self._root
        for segment in raw:
            child = node.literal.get(segment)
            if child is None:
                child = node.one
                if child is None or not segment:
                    ends = search(self._root, raw)
                    break
            node = child
        else:
            ends = node.ends or search(self._root, raw)
        if ends is None:
            if segments.offences:
                return Refusal(Reason.REQUEST_PATH, "an escaped delimiter or an empty segment")
            return Refusal(Reason.REQUEST_NO_ROUTE)
        return _enter(ends, head.method, raw, segments.offences)


def _enter(ends: Ends, method: bytes, raw: list[bytes], offences: int) -> Match | Refusal:
    leaf = ends.by_method.get(method, ends.any)
    if leaf is None:
        if offences & ~ends.allowed:
            return Refusal(Reason.REQUEST_PATH, "an escaped delimiter or an empty segment")
        return Refusal(Reason.REQUEST_METHOD, allow=ends.allow)
    if offences & ~leaf.allowed:
        return Refusal(Reason.REQUEST_PATH, f"not relaxed on route {leaf.route}")
    client_id = None
    if leaf.client_index >= 0:
        client_id = read_client_id(raw[leaf.client_index])
        if client_id is None:
            return Refusal(Reason.REQUEST_CLIENT_ID)
    return Match(
        leaf.kind,
        leaf.route,
        leaf.realm,
        client_id,
        leaf.client_id_from_keyid,
        leaf.require_covered_digest,
        leaf.mode,
    )
