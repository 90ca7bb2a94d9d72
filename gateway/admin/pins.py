"""The routes of the admin API that speak of pins: certificates that an operator vouches for (R19)."""

from typing import Any

from aiohttp import web

from gateway.admin import inputs, pages
from gateway.admin.clients import answer
from gateway.admin.desk import Desk
from gateway.admin.inputs import NewPin, body, parameters
from gateway.admin.problems import AdminReason, Problem, own
from gateway.registry import keys, pins
from gateway.registry.certificates import describe, read_certificate
from gateway.registry.moments import moment
from gateway.registry.pins import Pin

_SOURCE = "the certificate"


class Pinned:
    """Handlers over one registry; parameters as of `Clients`."""

    def __init__(self, desk: Desk, reader: Desk, realm: str) -> None:
        self._desk = desk
        self._reader = reader
        self._realm = realm

    async def listed(self, request: web.Request) -> web.Response:
        """`GET /v1/pins`: in no order, a page at a time; `next` is the `cursor` of the next page, null on the last."""
        asked = parameters(request, "realm", "limit", "cursor")
        realm = self._checked(asked)
        limit = inputs.page_limit(asked)
        found, following = await self._reader.do(
            lambda store: pages.fill(
                lambda cursor: store.pins.page(realm, cursor, limit), asked.get("cursor", ""), limit
            )
        )
        return answer({"realm": realm, "pins": [_view(pin) for pin in found], "next": following})

    async def add(self, request: web.Request) -> web.Response:
        """`POST /v1/pins`."""
        realm = self._checked(parameters(request, "realm"))
        wanted = await body(request, NewPin)
        sha256 = _fingerprint(wanted)
        added = await self._desk.do(lambda store: store.pins.add(realm, sha256, wanted.note))
        return _done(realm, sha256, "pinned" if added else "unchanged", 201 if added else 200)

    async def remove(self, request: web.Request) -> web.Response:
        """`DELETE /v1/pins/{sha256}`: who was onboarded by it stays a client."""
        realm = self._checked(parameters(request, "realm"))
        sha256 = pins.fingerprint(request.match_info["sha256"])
        if not await self._desk.do(lambda store: store.pins.remove(realm, sha256)):
            raise Problem(404, "registry.unknown_pin", "There is no such pin.", f"{sha256} is not pinned")
        return _done(realm, sha256, "unpinned", 200)

    def _checked(self, asked: dict[str, str]) -> str:
        realm = asked.get("realm", self._realm)
        if not keys.is_realm(realm):
            raise own(AdminReason.INPUT, "the realm is not one")
        return realm


def _fingerprint(wanted: NewPin) -> str:
    if (wanted.sha256 is None) == (wanted.certificate is None):
        raise own(AdminReason.INPUT, "the body has one of sha256 and certificate")
    if wanted.sha256 is not None:
        return pins.fingerprint(wanted.sha256)
    assert wanted.certificate is not None
    _, der = read_certificate(wanted.certificate.encode(), _SOURCE)
    return describe(der, _SOURCE).sha256


def _view(pin: Pin) -> dict[str, Any]:
    return {"sha256": pin.sha256, "realm": pin.realm, "added": moment(pin.added), "who": pin.who, "note": pin.note}


def _done(realm: str, sha256: str, outcome: str, status: int) -> web.Response:
    return answer({"sha256": sha256, "realm": realm, "outcome": outcome}, status)
