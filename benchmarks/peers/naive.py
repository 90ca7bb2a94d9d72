"""The proxy that one writes first: aiohttp with `ClientSession`, and `http-message-signatures` to verify.

It runs on uvloop and without an access log. It looks keys up in a dictionary, checks the Content-Digest and the age of
the signature, and does not notice repeated requests.
"""

import argparse
import base64
import contextlib
import datetime
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.peer import Peer, Running, Site, child, free_port

PUBLIC: Final = "https://wfm.example.com"
DROPPED: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "content-length"}
)


def why_not() -> str:
    """Is the library here?"""
    if importlib.util.find_spec("http_message_signatures") is None:
        return "http-message-signatures is not installed (pip install -e '.[test]')"
    return ""


def serve(port: int, backend: int, keys_file: Path, verify_only: bool) -> None:
    """Serve until killed.

    :param verify_only: answer nginx's questions instead of forwarding
    """
    import aiohttp
    import uvloop
    from aiohttp import web
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, InvalidSignature
    from http_message_signatures.algorithms import ECDSA_P256_SHA256

    keys = {keyid: load_pem_public_key(pem.encode()) for keyid, pem in json.loads(keys_file.read_text()).items()}

    class Resolver(HTTPSignatureKeyResolver):  # type: ignore[misc]
        def resolve_public_key(self, key_id: str) -> Any:
            return keys[key_id]

    class Message:
        """What the library wants to see of a request."""

        def __init__(self, method: str, url: str, headers: Any) -> None:
            self.method, self.url, self.headers = method, url, headers

    verifier = HTTPMessageVerifier(signature_algorithm=ECDSA_P256_SHA256, key_resolver=Resolver())
    age = datetime.timedelta(seconds=300)

    def holds(method: str, target: str, headers: Any) -> bool:
        try:
            results = verifier.verify(Message(method, PUBLIC + target, headers), max_age=age)
        except (InvalidSignature, KeyError):
            return False
        covered = results[0].covered_components
        return '"content-digest"' in covered or method == "GET"

    kept_session = web.AppKey("session", aiohttp.ClientSession)

    async def forward(request: web.Request) -> web.Response:
        body = await request.read()
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if body and request.headers.get("Content-Digest") != f"sha-256=:{digest}:":
            return web.Response(status=400)
        if not holds(request.method, request.raw_path, request.headers):
            return web.Response(status=401)
        fields = {name: value for name, value in request.headers.items() if name.lower() not in DROPPED}
        url = f"http://127.0.0.1:{backend}{request.raw_path}"
        async with request.app[kept_session].request(request.method, url, headers=fields, data=body) as answer:
            content = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in DROPPED}
            return web.Response(status=answer.status, body=content, headers=kept)

    async def verify(request: web.Request) -> web.Response:
        good = holds(request.headers["X-Original-Method"], request.headers["X-Original-Uri"], request.headers)
        return web.Response(status=204 if good else 401)

    async def session(app: web.Application) -> Any:
        connector = aiohttp.TCPConnector(limit=256)
        async with aiohttp.ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as made:
            app[kept_session] = made
            yield

    app = web.Application(client_max_size=1 << 24)
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{rest:.*}", verify if verify_only else forward)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=uvloop.new_event_loop())


def _peer(name: str, verify_only: bool) -> Peer:
    @contextlib.contextmanager
    def start(site: Site) -> Iterator[Running]:
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.peers.naive", f"--port={port}", f"--backend={site.backend}"]
        command += [f"--keys={site.keys}", *(["--verify-only"] if verify_only else [])]
        with child(command, port, site.core, site.folder / "aiohttp.out") as pid:
            yield Running(name, port, (pid,))

    return Peer(name, why_not, start)


PROXY: Final = _peer("aiohttp + http-message-signatures", False)
VERIFIER: Final = _peer("aiohttp + http-message-signatures, verifier only", True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--backend", type=int, required=True)
    parser.add_argument("--keys", type=Path, required=True, help="JSON object of keyid to public key (PEM)")
    parser.add_argument("--verify-only", action="store_true", help="answer nginx's auth_request")
    arguments = parser.parse_args()
    serve(arguments.port, arguments.backend, arguments.keys, arguments.verify_only)


if __name__ == "__main__":
    main()
