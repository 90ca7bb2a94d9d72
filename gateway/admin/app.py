"""The admin API as one application: who may call it, what a failure looks like, and which path leads where."""

from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from gateway.admin import openapi
from gateway.admin.bulk import Bulk
from gateway.admin.clients import Clients
from gateway.admin.desk import Desk
from gateway.admin.inputs import BODY_LIMIT, parameters
from gateway.admin.pins import Pinned
from gateway.admin.problems import HEADERS, AdminReason, Problem, encoded, of_error, own, shared
from gateway.admin.token import Token
from gateway.clock import Clock
from gateway.config import Config
from gateway.observe.log import Log
from gateway.reasons import ConfigError, Reason

_OPEN: Final = frozenset({"/livez", "/openapi.json"})
"""Paths without a token: they tell nothing about this gateway's clients."""


class Api:
    """Application and what it works with. Make it on a running loop, `close` the desks yourself."""

    def __init__(self, config: Config, desk: Desk, reader: Desk, log: Log, clock: Clock) -> None:
        assert config.admin.token_file is not None
        self._hosts = config.admin.hosts
        self._token = Token(Path(config.admin.token_file))
        self._log = log
        self._told_trouble = ""
        self._clients = Clients(desk, reader, config.policy.realm)
        self._bulk = Bulk(desk, config.policy.realm)
        self._pins = Pinned(desk, reader, config.policy.realm)
        self.app = web.Application(middlewares=[self._guard], client_max_size=BODY_LIMIT)
        """For an `AppRunner`."""
        self._add_routes()

    def check(self) -> None:
        """Is there a token?

        :raises ConfigError: config.unreadable
        """
        self._token.check("admin.token_file")

    def _add_routes(self) -> None:
        router, clients, bulk, pins = self.app.router, self._clients, self._bulk, self._pins
        for path, get in (
            ("/livez", self._livez),
            ("/openapi.json", self._description),
            ("/v1/clients", clients.listed),
            ("/v1/clients/{id}", clients.shown),
            ("/v1/clients/{id}/history", clients.history),
            ("/v1/pins", pins.listed),
        ):
            router.add_get(path, get, allow_head=False)
        router.add_delete("/v1/clients/{id}", clients.remove)
        router.add_delete("/v1/pins/{sha256}", pins.remove)
        for path, post in (
            ("/v1/clients", clients.add),
            ("/v1/clients/{id}/revoke", clients.revoke),
            ("/v1/clients/{id}/approve", clients.approve),
            ("/v1/clients/{id}/retire", clients.retire),
            ("/v1/clients/{id}/rotate", clients.rotate),
            ("/v1/bulk/revoke", bulk.revoke),
            ("/v1/bulk/approve", bulk.approve),
            ("/v1/bulk/retire", bulk.retire),
            ("/v1/bulk/remove", bulk.remove),
            ("/v1/pins", pins.add),
        ):
            router.add_post(path, post)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every request: Host, token, and one form for all that goes wrong. Changes and refusals are logged."""
        problem: Problem | None = None
        detail = ""
        try:
            self._admit(request)
            response = await handler(request)
        except Problem as error:
            problem = error
        except ConfigError as error:
            problem = of_error(error)
        except web.HTTPNotFound:
            problem = shared(Reason.REQUEST_NO_ROUTE)
        except web.HTTPMethodNotAllowed as error:
            problem = shared(Reason.REQUEST_METHOD, headers={"Allow": ", ".join(sorted(error.allowed_methods))})
        except Exception as error:
            problem = shared(Reason.INTERNAL_ERROR)
            detail = repr(error)
        if problem is not None:
            response = problem.response()
            detail = detail or str(problem)
        if problem is not None or request.method != hdrs.METH_GET:
            level = "info" if response.status < 400 else "error" if response.status >= 500 else "warning"
            told = {"method": request.method, "path": request.path, "status": response.status}
            if problem is not None:
                told |= {"reason": problem.reason, "detail": detail}
            self._log.line(level, "admin.request", **told)
        return response

    def _admit(self, request: web.Request) -> None:
        """R29: a page in an operator's browser can reach this listener, but only under a name of its own."""
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) != 1 or not request.raw_path.startswith("/") or not self._is_ours(hosts[0].lower()):
            raise own(AdminReason.HOST)
        if request.raw_path.partition("?")[0] in _OPEN:
            return
        fields = request.headers.getall(hdrs.AUTHORIZATION, [])
        scheme, _, offered = fields[0].partition(" ") if len(fields) == 1 else ("", "", "")
        fits = self._token.fits(offered.strip().encode(errors="replace"))
        if self._token.trouble != self._told_trouble:
            self._told_trouble = self._token.trouble
            if self._told_trouble:
                self._log.line("error", "admin.no_token", detail=self._told_trouble)
        if not fits or scheme.lower() != "bearer":
            raise own(AdminReason.TOKEN)

    def _is_ours(self, host: str) -> bool:
        name, colon, port = host.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()):
            name = host
        return host in self._hosts or name in self._hosts

    async def _livez(self, request: web.Request) -> web.Response:
        parameters(request)
        return web.Response(text="ok\n", headers=HEADERS)

    async def _description(self, request: web.Request) -> web.Response:
        parameters(request)
        return web.Response(body=encoded(openapi.DOCUMENT), content_type="application/json", headers=HEADERS)
