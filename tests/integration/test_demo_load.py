"""The demo's load generator: an open loop that judges every answer, against servers that misbehave."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.demo.device import Device
from gateway.demo.load import Load, Sent
from gateway.demo.pki import make_key
from gateway.demo.tally import Tally
from gateway.demo.traffic import Traffic
from gateway.model import Algorithm

ORIGIN = "https://wfm.example.com"
P256 = Algorithm.ECDSA_P256_SHA256

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def traffic(bad: float) -> Traffic:
    device = Device("dev-1", make_key(P256), P256, ORIGIN)
    return Traffic([device], {P256: make_key(P256)}, ORIGIN, bad, random.Random(1))


def run(
    handler: Handler, bad: float, rate_per_s: float, duration_s: float, stop_after_s: float | None = None
) -> tuple[Sent, Tally]:
    """Load a server that does as `handler` does."""
    tally = Tally()

    async def talk() -> Sent:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", handler)
        stop = asyncio.Event()
        if stop_after_s is not None:
            asyncio.get_running_loop().call_later(stop_after_s, stop.set)
        async with TestServer(app) as server:
            load = Load(str(server.make_url("")).rstrip("/"), traffic(bad), tally)
            return await load.run(rate_per_s, duration_s, stop)

    return asyncio.run(talk()), tally


async def _content(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"bundle": {"url": "/b"}, "deployments": [{"deploymentId": "d"}]})


async def _fails(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def test_a_server_that_lets_everything_in_is_noticed() -> None:
    _, tally = run(_content, bad=1.0, rate_per_s=200, duration_s=0.5)
    assert tally.all.count >= 100
    replayed = tally.verdicts["replayed", "accepted", "accepted"]
    assert tally.mismatches == tally.all.count - replayed > 0


def test_honest_traffic_is_as_expected() -> None:
    _, tally = run(_content, bad=0.0, rate_per_s=200, duration_s=0.5)
    assert tally.all.count == 100
    assert tally.mismatches == 0
    assert set(tally.by_algorithm) == {P256.value}


def test_no_answer_is_a_verdict_of_its_own() -> None:
    _, tally = run(_fails, bad=0.0, rate_per_s=50, duration_s=0.2)
    assert tally.mismatches == tally.all.count == 10
    assert {got for _, _, got in tally.verdicts} == {"no answer (connection closed)"}


def test_slow_answers_do_not_slow_the_sending() -> None:
    """An open loop: nobody is answered before all 40 requests are there."""
    waiting = 0
    all_here = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal waiting
        waiting += 1
        if waiting == 40:
            all_here.set()
        await all_here.wait()
        return await _content(request)

    _, tally = run(slow, bad=0.0, rate_per_s=80, duration_s=0.5)
    assert tally.all.count == 40
    assert tally.mismatches == 0


def test_stop_ends_the_sending_early() -> None:
    sent, tally = run(_content, bad=0.0, rate_per_s=100, duration_s=600, stop_after_s=0.3)
    assert 0.1 < sent.seconds < 60  # the server takes a part of the 0.3 s to start
    assert sent.kept_up
    assert 0 < tally.all.count < 6000
