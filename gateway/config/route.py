"""Section `[[route]]`: the paths of profile `generic`, one entry each (R1, R16)."""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.config.mistake import Mistake, wrong
from gateway.config.policy import check_realm
from gateway.model import Mode

Relaxation = Literal["encoded_slash", "semicolon", "percent", "empty_segment", "non_ascii"]
"""The checks of R1 that one route may do without; dot segments, NUL, control characters and `\\` are refused always."""

_PATH: Final = 'a template such as "/devices/{clientId}/**" of plain segments, "*", {clientId}, and at the end "**"'
_METHODS: Final = 'a list of method names such as ["GET", "POST"]'
_METHOD: Final = re.compile(r"[A-Z]{1,32}", re.ASCII)
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~!$&'()+,=:@-]+", re.ASCII)
_RELAX: Final = 'a list of "encoded_slash", "semicolon", "percent", "empty_segment" and "non_ascii"'

CLIENT_ID: Final = "{clientId}"
ONE: Final = "*"
REST: Final = "**"


class Route(Struct, frozen=True, kw_only=True):
    """`methods` empty: every method (GET and HEAD on an open route). `realm`, `require_covered_digest`, `mode` None: as
    the policy says. `client_id`: from the template's segment, or the keyid of the signature (R11)."""

    path: Annotated[str, Meta(description=_PATH)]
    methods: Annotated[tuple[str, ...], Meta(description=_METHODS)] = ()
    access: Literal["signed", "open", "off"] = "signed"
    client_id: Literal["path", "keyid"] = "path"
    relax: Annotated[tuple[Relaxation, ...], Meta(description=_RELAX)] = ()
    realm: str | None = None
    require_covered_digest: bool | None = None
    mode: Mode | None = None

    @property
    def segments(self) -> tuple[str, ...]:
        """What the template has between its slashes; a slash at the end is an empty last one."""
        return tuple(self.path.split("/")[1:])


def settle(route: Route, at: str, keyid_is_client_id: bool) -> Route:
    """Check one entry; `at` is its key, such as `route[0]`.

    :raises Mistake: config.invalid
    """
    _check_path(f"{at}.path", route)
    for method in route.methods:
        if not _METHOD.fullmatch(method):
            raise wrong(f"{at}.methods", method, _METHODS)
        if route.access == "open" and method not in ("GET", "HEAD"):
            # R16: what goes on without a signature carries no body.
            raise Mistake(f"{at}.methods", f'got "{method}", wanted only GET and HEAD on an open route')
    if route.realm is not None:
        check_realm(f"{at}.realm", route.realm)
    if route.mode is not None and route.access != "signed":
        raise Mistake(f"{at}.mode", f'means nothing on a route with access = "{route.access}"')
    named = CLIENT_ID in route.segments
    if route.access == "signed" and route.client_id == "path" and not named:
        raise wrong(f"{at}.path", route.path, 'a segment {clientId}, or client_id = "keyid"')
    if route.client_id == "keyid":
        if route.access != "signed":
            raise Mistake(f"{at}.client_id", f'means nothing on a route with access = "{route.access}"')
        if named:
            raise Mistake(f"{at}.client_id", '"keyid" although the path names {clientId}; one of them must go')
        if not keyid_is_client_id:
            raise Mistake(f"{at}.client_id", '"keyid" needs policy.keyid = "client-id"')  # R11: declared, never assumed
    return route


def check_unique(routes: tuple[Route, ...]) -> None:
    """No two entries may claim the same paths and methods.

    :raises Mistake: config.invalid
    """
    taken: dict[tuple[tuple[str, ...], str], int] = {}
    for index, route in enumerate(routes):
        shape = tuple(ONE if part == CLIENT_ID else part for part in route.segments)
        for method in route.methods or ("",):
            other = taken.setdefault((shape, method), index)
            if other != index:
                what = f"{method} {route.path}" if method else route.path
                raise Mistake(f"route[{index}].path", f"{what} is the same as route[{other}]")


def _check_path(key: str, route: Route) -> None:
    first, *segments = route.path.split("/")
    if first or not segments:
        raise wrong(key, route.path, _PATH)
    for index, part in enumerate(segments):
        last = index == len(segments) - 1
        plain = _SEGMENT.fullmatch(part) and part not in (".", "..")
        if not (plain or part in (ONE, CLIENT_ID) or (last and part in ("", REST))):
            raise wrong(key, route.path, _PATH)
    if segments.count(CLIENT_ID) > 1:
        raise Mistake(key, "{clientId} stands twice")
