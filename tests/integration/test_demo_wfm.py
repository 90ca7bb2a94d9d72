"""The demo's WFM serves every route of the signature era, and answers as the standard says."""

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.demo.fleet import BUNDLE_TYPE, MANIFEST_TYPE, ROLLOUT_S, Fleet
from gateway.demo.wfm import COUNTS_PATH, MARK, Wfm

CLIENT = "/api/v1/clients/dev-1"
IDENTITY = {"Wfm-Client-Id": "dev-1"}


class Clock:
    """Time in the test's hands."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


class Asked:
    """One answer, read."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def document(self) -> Any:
        return json.loads(self.body)


Ask = Callable[..., Awaitable[Asked]]


def talk(conversation: Callable[[Ask, Clock], Awaitable[None]], base_path: str = "") -> None:
    """Serve a new WFM and hold a conversation with it."""

    async def serve() -> None:
        clock = Clock()
        app: web.Application = Wfm(Fleet(clock), "cm9vdA==", base_path).application()
        async with TestServer(app) as server, aiohttp.ClientSession() as session:

            async def ask(method: str, path: str, json_: Any = None, **headers: str) -> Asked:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                async with session.request(
                    method, server.make_url(path), json=json_, headers=IDENTITY | named
                ) as response:
                    return Asked(response, await response.read())

            await conversation(ask, clock)

    asyncio.run(serve())


def test_desired_state_and_what_it_names() -> None:
    async def conversation(ask: Ask, clock: Clock) -> None:
        manifest = await ask("GET", CLIENT + "/deployments", Accept=MANIFEST_TYPE)
        assert manifest.status == 200
        assert manifest.headers["Content-Type"] == MANIFEST_TYPE
        assert manifest.headers["ETag"] == f'"sha256:{hashlib.sha256(manifest.body).hexdigest()}"'
        bundle = await ask("GET", manifest.document["bundle"]["url"])
        assert bundle.status == 200
        assert bundle.headers["Content-Type"] == BUNDLE_TYPE
        assert "immutable" in bundle.headers["Cache-Control"]
        assert manifest.document["bundle"]["digest"] == f"sha256:{hashlib.sha256(bundle.body).hexdigest()}"
        (named,) = manifest.document["deployments"]
        deployment = await ask("GET", named["url"])
        assert deployment.headers["Content-Type"] == "application/yaml"
        assert deployment.headers["Vary"] == "Accept-Encoding"
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(bundle.body))) as tar:
            (member,) = tar.getmembers()
            packed = tar.extractfile(member)
            assert packed is not None
            assert packed.read() == deployment.body

    talk(conversation)


def test_not_modified_until_the_next_release() -> None:
    async def conversation(ask: Ask, clock: Clock) -> None:
        first = await ask("GET", CLIENT + "/deployments")
        tag = first.headers["ETag"]
        same = await ask("GET", CLIENT + "/deployments", If_None_Match=f'"other", W/{tag}')
        assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
        clock.seconds += ROLLOUT_S
        new = await ask("GET", CLIENT + "/deployments", If_None_Match=tag)
        assert new.status == 200
        assert new.document["manifestVersion"] == first.document["manifestVersion"] + 1
        assert (await ask("GET", first.document["bundle"]["url"])).status == 200
        assert (await ask("GET", first.document["bundle"]["url"], If_None_Match="*")).status == 304

    talk(conversation)


def test_media_type_that_is_not_offered() -> None:
    async def conversation(ask: Ask, clock: Clock) -> None:
        assert (await ask("GET", CLIENT + "/deployments", Accept="text/html")).status == 406
        assert (await ask("GET", CLIENT + "/deployments", Accept="text/html, */*;q=0.1")).status == 200

    talk(conversation)


@pytest.mark.parametrize("path", ["", "/dev", "/gateway/child-1"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_capabilities(method: str, path: str) -> None:
    async def conversation(ask: Ask, clock: Clock) -> None:
        assert (await ask(method, f"{CLIENT}/capabilities{path}", {"properties": {}})).status == 201
        assert (await ask(method, f"{CLIENT}/capabilities{path}", [1])).status == 422
        assert (await ask(method, f"{CLIENT}/capabilities{path}")).status == 422
        if path:
            assert (await ask("DELETE", f"{CLIENT}/capabilities{path}")).status == 204
            assert (await ask("DELETE", f"{CLIENT}/capabilities{path}")).status == 404

    talk(conversation)


@pytest.mark.parametrize("word", ["deployment", "deployments"])
def test_status(word: str) -> None:
    async def conversation(ask: Ask, clock: Clock) -> None:
        path = f"{CLIENT}/{word}/d-1/status"
        assert (await ask("POST", path, {"deploymentId": "d-1", "status": {}})).status == 200
        wrong = await ask("POST", path, {"deploymentId": "d-2"})
        assert wrong.status == 422
        assert wrong.headers["Content-Type"] == "application/problem+json"
        assert wrong.document["status"] == 422

    talk(conversation)


@pytest.mark.parametrize(
    ("question", "member"),
    [
        ({"apiVersion": "v", "kind": "OnboardingRequest", "certificate": "MII"}, "clientId"),
        ({"public_certificate": "MII"}, "client_id"),
    ],
)
def test_onboarding_in_both_shapes(question: dict[str, str], member: str) -> None:
    async def conversation(ask: Ask, clock: Clock) -> None:
        done = await ask("POST", "/api/v1/onboarding", question)
        assert done.status == 201
        assert list(done.document) == [member]
        assert (await ask("POST", "/api/v1/onboarding", question)).status == 409
        assert (await ask("POST", "/api/v1/onboarding", {})).status == 400

    talk(conversation)


def test_base_path_and_root_certificate() -> None:
    async def conversation(ask: Ask, clock: Clock) -> None:
        root = await ask("GET", "/v1alpha2/margo/api/v1/onboarding/certificate")
        assert root.document == {"certificate": "cm9vdA=="}
        manifest = await ask("GET", "/v1alpha2/margo" + CLIENT + "/deployments")
        assert manifest.document["bundle"]["url"].startswith("/v1alpha2/margo/api/v1/clients/dev-1/bundles/sha256:")
        assert (await ask("GET", CLIENT + "/deployments")).status == 404

    talk(conversation, "/v1alpha2/margo")


@pytest.mark.parametrize(
    ("method", "rest"), [("GET", "/deployments"), ("GET", "/bundles/x"), ("POST", "/capabilities")]
)
def test_nobody_comes_in_without_the_gateways_word(method: str, rest: str) -> None:
    async def conversation(ask: Ask, clock: Clock) -> None:
        assert (await ask(method, CLIENT + rest, Wfm_Client_Id="dev-2")).status == 403
        assert (await ask(method, CLIENT.replace("dev-1", "dev-2") + rest)).status == 403

    talk(conversation)


def test_counts_tell_what_arrived() -> None:
    async def conversation(ask: Ask, clock: Clock) -> None:
        await ask("GET", CLIENT + "/deployments", **{MARK[0]: MARK[1]})
        await ask("GET", CLIENT + "/deployments", Wfm_Client_Id="x")
        counts = (await ask("GET", COUNTS_PATH)).document
        assert counts == {"deployments": 2, "marked": 1, "without identity": 1}

    talk(conversation)
