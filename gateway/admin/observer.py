"""The private listener of health, metrics and the dashboard, in the supervisor's own loop, for all workers."""

import socket
import time
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from gateway.admin.dashboard.page import PAGE, POLICY
from gateway.admin.dashboard.snapshot import snapshot
from gateway.admin.problems import HEADERS, encoded
from gateway.admin.survey import Count, Survey
from gateway.admin.token import Token
from gateway.config import Config, warnings
from gateway.observe import exposition
from gateway.observe.fleet import Fleet
from gateway.observe.health import Health, judge
from gateway.observe.page import Key
from gateway.proxy import sockets

IDLE_S: Final = 15.0
LEAVE_S: Final = 1.0
"""How long a shutdown waits for answers that have begun."""


class Observer:
    """A running listener; `start` makes one.

    :param fleet: the workers
    :param survey: counts certificates near their end; None where nobody may read the registry
    """

    def __init__(self, config: Config, fleet: Fleet, survey: Survey | None) -> None:
        self._config = config
        self._fleet = fleet
        self._survey = survey
        path = config.observe.token_file
        self._token = None if path is None else Token(Path(path))
        self._app = web.Application(middlewares=[self._guard], client_max_size=1024)
        self._runner = web.AppRunner(
            self._app,
            handle_signals=False,
            access_log=None,
            keepalive_timeout=IDLE_S,
            shutdown_timeout=LEAVE_S,
            auto_decompress=False,
        )
        self._sockets: list[socket.socket] = []
        for where, handler in (
            ("/", self._page),
            ("/dashboard.json", self._dashboard),
            ("/livez", self._livez),
            ("/readyz", self._readyz),
            ("/startupz", self._startupz),
            ("/metrics", self._metrics),
        ):
            self._app.router.add_get(where, handler)

    @classmethod
    async def start(cls, config: Config, fleet: Fleet, survey: Survey | None) -> Self:
        """Serve at `observe.address`.

        :raises ConfigError: config.cannot_listen, config.unreadable
        """
        observer = cls(config, fleet, survey)
        try:
            await observer._start()
        except BaseException:
            await observer.close()
            raise
        return observer

    async def _start(self) -> None:
        bind = self._config.observe.bind
        assert bind is not None
        if self._token is not None:
            self._token.check("observe.token_file")
        self._sockets = sockets.listen(bind, 1)
        await self._runner.setup()
        await web.SockSite(self._runner, self._sockets[0]).start()

    @property
    def url(self) -> str:
        """Where it is, for people."""
        bind = self._config.observe.bind
        assert bind is not None
        if bind.path:
            return f"unix:{bind.path}"
        host = f"[{bind.host}]" if ":" in bind.host else bind.host
        return f"http://{host}:{self._sockets[0].getsockname()[1]}/"

    async def close(self) -> None:
        """Finish what has begun, and leave."""
        await self._runner.cleanup()
        bind = self._config.observe.bind
        if self._sockets and bind is not None:
            sockets.close(self._sockets, bind.path)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """R29: a page in an operator's browser can reach this listener, but only under a name of its own."""
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) != 1 or not self._config.observe.is_ours(hosts[0]):
            return _text(421, "the Host field does not name this listener: see observe.allowed_hosts")
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _text(404, "there is /, /livez, /readyz, /startupz and /metrics")
        except web.HTTPMethodNotAllowed:
            return _text(405, "GET only")

    async def _page(self, _: web.Request) -> web.Response:
        fields = {**HEADERS, "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return web.Response(body=PAGE, content_type="text/html", charset="utf-8", headers=fields)

    async def _dashboard(self, request: web.Request) -> web.Response:
        """The figures of the page; they name clients, so they are not for everybody who can connect."""
        if self._token is None:
            if self._config.observe.remote:
                return _json({"detail": "closed: others can connect here, and there is no observe.token_file"}, 403)
        elif not self._token.fits(_offered(request)):
            response = _json({"detail": "this is not the token"}, 401)
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"  # RFC 9110 §11.6.1
            return response
        numbers = self._fleet.numbers()
        health = judge(self._fleet, numbers)
        told = snapshot(self._config, self._fleet, numbers, self.values(), health, self._count(), time.time())
        return _json(told)

    async def _livez(self, _: web.Request) -> web.Response:
        # That this loop answers is all there is to know: workers that die are replaced.
        return _json({"status": "alive"})

    async def _readyz(self, _: web.Request) -> web.Response:
        health = self.health()
        return _json(msgspec.to_builtins(health), 200 if health.ready else 503)

    async def _startupz(self, _: web.Request) -> web.Response:
        if self._fleet.started:
            return _json({"status": "started"})
        return _json(msgspec.to_builtins(self.health()), 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        numbers = self._fleet.numbers()
        text = exposition.render(numbers, self.values())
        return web.Response(body=text, headers={**HEADERS, "Content-Type": exposition.MEDIA_TYPE})

    def health(self) -> Health:
        """How the gateway stands."""
        return judge(self._fleet, self._fleet.numbers())

    def values(self) -> dict[Key, float]:
        """What is known of the gateway as a whole."""
        fleet = self._fleet
        found: dict[Key, float] = {
            ("workers", ("configured",)): fleet.wanted,
            ("workers", ("serving",)): fleet.serving,
            ("worker_restarts_total", ()): fleet.restarts,
            ("draining", ()): fleet.draining,
            ("start_time_seconds", ()): fleet.since_s,
        }
        for sentence in warnings(self._config):
            found["unsafe_setting", (sentence.partition(":")[0],)] = 1
        count = self._count()
        if count is not None:
            found["certificates_expiring", ()] = count.expiring
            found["certificates_expired", ()] = count.expired
            found["records_damaged", ()] = count.damaged
            found["survey_timestamp_seconds", ()] = count.at
        return found

    def _count(self) -> Count | None:
        return None if self._survey is None else self._survey.latest()


def _offered(request: web.Request) -> bytes:
    """The bearer token of a request, b"" if there is none."""
    fields = request.headers.getall(hdrs.AUTHORIZATION, [])
    scheme, _, offered = fields[0].partition(" ") if len(fields) == 1 else ("", "", "")
    return offered.strip().encode(errors="replace") if scheme.lower() == "bearer" else b""


def _json(told: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=encoded(told) + b"\n", content_type="application/json", headers=HEADERS)


def _text(status: int, sentence: str) -> web.Response:
    return web.Response(status=status, text=sentence + "\n", headers=HEADERS)
