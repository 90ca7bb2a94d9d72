"""The routes of the admin API that speak of clients; each does what the command of the same name does."""

import time
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.admin import inputs, pages
from gateway.admin.desk import Desk
from gateway.admin.inputs import Addition, NewCertificate, Why, body, parameters
from gateway.admin.problems import HEADERS, AdminReason, encoded, of_result, own
from gateway.registry import labels, views
from gateway.registry.operations import Action, Change, prepare_change, prepare_rotation
from gateway.registry.registration import OtherKey, Outcome, check_names, prepare
from gateway.registry.store import Store
from gateway.registry.writes import Result

_SOURCE: Final = "the certificate"
_BORN: Final = (Outcome.ADDED, Outcome.LIFTED)


class Clients:
    """Handlers over one registry.

    :param desk: for what concerns one client
    :param reader: for what reads the whole registry, so that no revocation waits for it
    :param realm: the one that is meant unless the parameter `realm` names another
    """

    def __init__(self, desk: Desk, reader: Desk, realm: str) -> None:
        self._desk = desk
        self._reader = reader
        self._realm = realm

    async def listed(self, request: web.Request) -> web.Response:
        """`GET /v1/clients`: in no order, a page at a time; `next` is the `cursor` of the next page, or null."""
        asked = parameters(request, "realm", "limit", "cursor", "status", "expiring_s")
        realm = asked.get("realm", self._realm)
        check_names(realm, "any")
        limit = inputs.page_limit(asked)
        status = asked.get("status")
        if status is not None and status not in inputs.STATUSES:
            raise own(AdminReason.INPUT, f"status is none of {', '.join(inputs.STATUSES)}")
        statuses = () if status is None else ("removed" if status == "tombstone" else status,)
        within_s = inputs.expiring_s(asked["expiring_s"]) if "expiring_s" in asked else None

        def read(store: Store, cursor: str) -> tuple[list[views.Entry], str]:
            entries, following = store.page(realm, cursor, limit)
            return list(views.chosen(entries, statuses, within_s, time.time())), following

        page, following = await self._reader.do(
            lambda store: pages.fill(lambda cursor: read(store, cursor), asked.get("cursor", ""), limit)
        )
        return answer({"realm": realm, "clients": [views.summary(entry) for entry in page], "next": following})

    async def shown(self, request: web.Request) -> web.Response:
        """`GET /v1/clients/{id}`: all that is known, certificates included."""
        realm, client_id = self._named(request)
        found = await self._desk.do(lambda store: store.get(realm, client_id))
        if found is None:
            raise of_result(_unknown(realm, client_id))
        return answer(views.detail(found))

    async def history(self, request: web.Request) -> web.Response:
        """`GET /v1/clients/{id}/history`: who changed it, when, and how."""
        realm, client_id = self._named(request)
        found = await self._reader.do(lambda store: store.history(realm, client_id))
        if not found.notices and await self._desk.do(lambda store: store.get(realm, client_id)) is None:
            raise of_result(_unknown(realm, client_id))
        return answer(views.history(realm, client_id, found))

    async def add(self, request: web.Request) -> web.Response:
        """`POST /v1/clients`."""
        realm = parameters(request, "realm").get("realm", self._realm)
        wanted = await body(request, Addition)
        labels.check(wanted.tenant, wanted.labels)
        registration = msgspec.structs.replace(
            prepare(realm, wanted.id, wanted.certificate.encode(), _SOURCE, int(time.time())),
            tenant=wanted.tenant,
            labels=wanted.labels,
            other_key=OtherKey(wanted.other_key),
            lift=wanted.lift,
        )
        return await self._change(registration)

    async def revoke(self, request: web.Request) -> web.Response:
        """`POST /v1/clients/{id}/revoke`."""
        return await self._act(request, Action.REVOKE)

    async def retire(self, request: web.Request) -> web.Response:
        """`POST /v1/clients/{id}/retire`."""
        return await self._act(request, Action.RETIRE)

    async def approve(self, request: web.Request) -> web.Response:
        """`POST /v1/clients/{id}/approve`."""
        return await self._act(request, Action.APPROVE)

    async def rotate(self, request: web.Request) -> web.Response:
        """`POST /v1/clients/{id}/rotate`."""
        realm, client_id = self._named(request)
        wanted = await body(request, NewCertificate)
        data = wanted.certificate.encode()
        now_s = int(time.time())
        rotation = prepare_rotation(realm, client_id, data, _SOURCE, now_s, wanted.overlap_s, wanted.lift)
        return await self._change(rotation)

    async def remove(self, request: web.Request) -> web.Response:
        """`DELETE /v1/clients/{id}`: a tombstone stays (R22)."""
        realm, client_id = self._named(request, "reason")
        reason = request.query.get("reason", "")
        return await self._change(prepare_change(realm, client_id, Action.REMOVE, reason))

    async def _act(self, request: web.Request, action: Action) -> web.Response:
        realm, client_id = self._named(request)
        why = await body(request, Why)
        return await self._change(prepare_change(realm, client_id, action, why.reason))

    async def _change(self, change: Change) -> web.Response:
        result = await self._desk.do(lambda store: store.apply(change))
        if result.outcome.refused:
            raise of_result(result)
        return answer(told(result), 201 if result.outcome in _BORN else 200)

    def _named(self, request: web.Request, *more: str) -> tuple[str, str]:
        realm = parameters(request, "realm", *more).get("realm", self._realm)
        client_id = request.match_info["id"]
        check_names(realm, client_id)
        return realm, client_id


def told(result: Result) -> dict[str, Any]:
    """What is told of one change."""
    return {
        "id": result.client_id,
        "realm": result.realm,
        "outcome": result.outcome.value,
        "message": result.sentence,
    }


def answer(members: dict[str, Any], status: int = 200) -> web.Response:
    """JSON, in which whatever a device sent is escaped (R29)."""
    return web.Response(status=status, body=encoded(members), content_type="application/json", headers=HEADERS)


def _unknown(realm: str, client_id: str) -> Result:
    return Result(realm, client_id, Outcome.UNKNOWN, f"there is no client {client_id}")
