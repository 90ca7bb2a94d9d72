"""A real, small Workload Fleet Manager: every route of Margo's signature era, for the demo and for trying by hand.

It verifies no signature: it trusts the gateway's `Wfm-Client-Id`, and answers 403 where that is not the path's client.
"""

import argparse
import asyncio
import hashlib
import json
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import click
from aiohttp import web

from gateway.clock import SystemClock
from gateway.demo.fleet import BUNDLE_TYPE, MANIFEST_TYPE, Conflict, Document, Fleet

IMMUTABLE: Final = "public, max-age=31536000, immutable"
COUNTS_PATH: Final = "/demo/counts"
"""Not a WFM route: how often each route was reached, so that a test can prove what never arrived."""
MARK: Final = ("Demo-Run", "?1")
"""A field of every signed request of the demo, so that what somebody sends by hand is not counted with them."""
MARKED: Final = "marked"
"""Under which name such requests are counted."""

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Wfm:
    """The WFM's routes over one `Fleet`. `certificate` is what the open route hands out: its root CA, base64 of PEM."""

    def __init__(self, fleet: Fleet, certificate: str = "", base_path: str = "") -> None:
        self._fleet = fleet
        self._certificate = certificate
        self._base_path = base_path
        self.counts: Counter[str] = Counter()

    def application(self) -> web.Application:
        """The server's routes, under `base_path` but for the counts."""
        api = self._base_path + "/api/v1"
        client = api + "/clients/{clientId}"
        app = web.Application()
        app.router.add_get(COUNTS_PATH, self._show_counts)
        app.router.add_get(api + "/onboarding/certificate", self._counted("certificate", self._root))
        app.router.add_post(api + "/onboarding", self._counted("onboarding", self._onboard))
        for method in ("POST", "PUT"):
            for path in ("/capabilities", "/capabilities/{deviceId:.+}"):
                app.router.add_route(method, client + path, self._signed("capabilities", self._capabilities))
        app.router.add_delete(
            client + "/capabilities/{deviceId:.+}", self._signed("capabilities", self._forget_capabilities)
        )
        app.router.add_get(client + "/deployments", self._signed("deployments", self._manifest))
        app.router.add_get(client + "/bundles/{digest}", self._signed("bundles", self._bundle))
        app.router.add_get(
            client + "/deployments/{deploymentId}/{digest}", self._signed("deployment", self._deployment)
        )
        for word in ("deployments", "deployment"):
            app.router.add_post(client + f"/{word}/{{deploymentId}}/status", self._signed("status", self._status))
        return app

    def _counted(self, name: str, handler: Handler) -> Handler:
        async def counting(request: web.Request) -> web.Response:
            self.counts[name] += 1
            if request.headers.get(MARK[0]) == MARK[1]:
                self.counts[MARKED] += 1
            return await handler(request)

        return counting

    def _signed(self, name: str, handler: Handler) -> Handler:
        """Let a request in only as the client that the gateway vouches for."""

        async def vouched(request: web.Request) -> web.Response:
            if request.headers.getall("Wfm-Client-Id", []) != [request.match_info["clientId"]]:
                self.counts["without identity"] += 1
                return _problem(403, "The gateway does not vouch for this client")
            return await handler(request)

        return self._counted(name, vouched)

    async def _show_counts(self, _request: web.Request) -> web.Response:
        return web.json_response(dict(self.counts))

    async def _root(self, _request: web.Request) -> web.Response:
        return web.json_response({"certificate": self._certificate})

    async def _onboard(self, request: web.Request) -> web.Response:
        body = await _json_object(request)
        # The older routes name the members otherwise, in the question and in the answer.
        certificate = (body or {}).get("certificate", (body or {}).get("public_certificate"))
        if not isinstance(certificate, str) or not certificate:
            return _problem(400, "Invalid Certificate")
        try:
            client_id = self._fleet.onboard(hashlib.sha256(certificate.encode()).hexdigest())
        except Conflict:
            return _problem(409, "The certificate is onboarded already")
        older = "public_certificate" in (body or {})
        return web.json_response({"client_id" if older else "clientId": client_id}, status=201)

    async def _capabilities(self, request: web.Request) -> web.Response:
        report = await _json_object(request)
        if report is None:
            return _problem(422, "A capability report is a JSON object")
        self._fleet.report_capabilities(request.match_info["clientId"], request.match_info.get("deviceId", ""), report)
        return web.Response(status=201)

    async def _forget_capabilities(self, request: web.Request) -> web.Response:
        found = self._fleet.forget_capabilities(request.match_info["clientId"], request.match_info["deviceId"])
        return web.Response(status=204) if found else _problem(404, "No such device")

    async def _manifest(self, request: web.Request) -> web.Response:
        accept = request.headers.get("Accept", "*/*")
        if not any(kind in accept for kind in (MANIFEST_TYPE, "application/*", "*/*")):
            return _problem(406, "Only " + MANIFEST_TYPE + " is offered")
        manifest = self._fleet.manifest(request.match_info["clientId"], self._base_path)
        return _document(request, manifest, "no-cache")

    async def _bundle(self, request: web.Request) -> web.Response:
        return self._by_digest(request, BUNDLE_TYPE)

    async def _deployment(self, request: web.Request) -> web.Response:
        return self._by_digest(request, "application/yaml")

    def _by_digest(self, request: web.Request, media_type: str) -> web.Response:
        found = self._fleet.document(request.match_info["digest"], media_type)
        return _problem(404, "No such digest") if found is None else _document(request, found, IMMUTABLE)

    async def _status(self, request: web.Request) -> web.Response:
        report = await _json_object(request)
        deployment_id = request.match_info["deploymentId"]
        if report is None or report.get("deploymentId", deployment_id) != deployment_id:
            return _problem(422, "A status is a JSON object for the deployment of its path")
        self._fleet.report_status(request.match_info["clientId"], deployment_id, report)
        return web.Response(status=200)


def _document(request: web.Request, document: Document, cache: str) -> web.Response:
    """200 with the document, or 304 where the device has it (RFC 9110 §13.1.2: weak comparison, a list or `*`)."""
    headers = {"ETag": document.etag, "Cache-Control": cache}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    if document.etag in known or "*" in known:
        return web.Response(status=304, headers=headers)
    if document.media_type == "application/yaml":
        headers["Vary"] = "Accept-Encoding"
    return web.Response(body=document.data, headers=headers | {"Content-Type": document.media_type})


def _problem(status: int, title: str) -> web.Response:
    body = {"type": "about:blank", "title": title, "status": status}
    return web.Response(
        status=status, body=json.dumps(body).encode(), headers={"Content-Type": "application/problem+json"}
    )


async def _json_object(request: web.Request) -> dict[str, Any] | None:
    try:
        value = json.loads(await request.read())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


async def serve(host: str, port: int, base_path: str) -> None:
    """Serve until SIGTERM or SIGINT; the first line on standard output is the URL."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(Wfm(Fleet(SystemClock()), base_path=base_path).application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        # The port may have been chosen by the system.
        click.echo(f"http://{host}:{runner.addresses[0][1]}{base_path}")
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """`python -m gateway.demo.wfm [--listen HOST:PORT] [--base-path PATH]`."""
    parser = argparse.ArgumentParser(description="A small in-memory WFM behind wfm-gateway.")
    parser.add_argument("--listen", default="127.0.0.1:9000", help="HOST:PORT; port 0 takes a free one")
    parser.add_argument("--base-path", default="", help="prefix before /api/v1")
    arguments = parser.parse_args()
    host, _, port = arguments.listen.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"--listen {arguments.listen} is not HOST:PORT")
    try:
        asyncio.run(serve(host, int(port), arguments.base_path))
    except OSError as error:
        parser.exit(2, f"gateway.demo.wfm: cannot listen on {arguments.listen}: {error.strerror}\n")


if __name__ == "__main__":
    main()
