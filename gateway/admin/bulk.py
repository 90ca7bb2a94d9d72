"""The routes of the admin API that change several clients at once, as commands with several ids do."""

from aiohttp import web

from gateway.admin.clients import answer, told
from gateway.admin.desk import Desk
from gateway.admin.inputs import Several, body, parameters
from gateway.registry.operations import Action, prepare_change


class Bulk:
    """Handlers over one registry; parameters as of `Clients`."""

    def __init__(self, desk: Desk, realm: str) -> None:
        self._desk = desk
        self._realm = realm

    async def revoke(self, request: web.Request) -> web.Response:
        """`POST /v1/bulk/revoke`."""
        return await self._act(request, Action.REVOKE)

    async def approve(self, request: web.Request) -> web.Response:
        """`POST /v1/bulk/approve`."""
        return await self._act(request, Action.APPROVE)

    async def retire(self, request: web.Request) -> web.Response:
        """`POST /v1/bulk/retire`."""
        return await self._act(request, Action.RETIRE)

    async def remove(self, request: web.Request) -> web.Response:
        """`POST /v1/bulk/remove`."""
        return await self._act(request, Action.REMOVE)

    async def _act(self, request: web.Request, action: Action) -> web.Response:
        """All ids are checked before the first client is changed; one that is refused does not stop the others."""
        realm = parameters(request, "realm").get("realm", self._realm)
        wanted = await body(request, Several)
        changes = [prepare_change(realm, name, action, wanted.reason) for name in dict.fromkeys(wanted.ids)]
        results = await self._desk.do(lambda store: list(store.apply_all(changes)))
        refused = sum(result.outcome.refused for result in results)
        listed = [{**told(result), "refused": result.outcome.refused} for result in results]
        return answer({"realm": realm, "refused": refused, "results": listed})
