"""The door for other people's proxies: says who sent a request, from trusted proxies' statements only (R6, R10, R13)."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.backend import RecordingBackend
from tests.integration.balancers import DEPLOY, Balancer, gateway_sections
from tests.integration.client import Answer, RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway

TRUSTED = {"trusted_proxies": ["127.0.0.1/32"]}


def door(make_gateway: MakeGateway, listen: dict[str, Any] | None = None, **verify: Any) -> Gateway:
    """A gateway that may be asked."""
    return make_gateway(listen=TRUSTED if listen is None else listen, verify={"path": "/_verify", **verify})


def question(
    request: bytes, *more: bytes, family: str = "X-Original-Method/X-Original-URI", drop: bytes = b""
) -> bytes:
    """What nginx asks about a request: without its body and its length."""
    head, _, _ = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.split(b" ")
    lines = [line for line in lines if not line.lower().startswith((b"content-length", b"transfer-encoding"))]
    names = family.encode().split(b"/")
    lines += [name + b": " + value for name, value in zip(names, (method, target), strict=True) if name != drop]
    return b"\r\n".join([b"GET /_verify HTTP/1.1", *lines, *more, b"", b""])


def ask(gateway: Gateway, octets: bytes) -> Answer:
    with RawClient(gateway.address) as client:
        return client.ask(octets)


def refused(gateway: Gateway, octets: bytes) -> tuple[int, str]:
    answer = ask(gateway, octets)
    assert answer.status >= 400
    assert answer.values(b"wfm-client-id") == []
    return answer.status, answer.reason


@pytest.fixture(autouse=True)
def _nothing_is_forwarded(request: pytest.FixtureRequest, backend: RecordingBackend) -> Any:
    yield
    if "nginx" not in request.node.name:
        assert backend.octets == b""


def test_r6_only_trusted_proxies_may_ask(make_gateway: MakeGateway, device: Device) -> None:
    good = question(device.request("GET", "deployments"))
    for listen in ({"trusted_proxies": ["10.0.0.0/8"]}, {**TRUSTED, "proxy_protocol": ["127.0.0.1/32"]}):
        gateway = door(make_gateway, listen)
        header = b"PROXY UNKNOWN\r\n" if "proxy_protocol" in listen else b""
        assert refused(gateway, header + good) == (404, "request.no_route")
    assert refused(make_gateway(listen=TRUSTED), good) == (404, "request.no_route")


@pytest.mark.parametrize(
    "more",
    [
        [b"X-Original-Method: GET"],
        [b"X-Original-URI: /api/v1/clients/dev1/deployments"],
        [b"X-Forwarded-Uri: /api/v1/clients/dev1/deployments"],
        [b"X-Forwarded-Method: GET"],
        [b"X-Forwarded-Host: wfm.example.com", b"X-Forwarded-Host: wfm.example.com"],
        [b"X-Forwarded-Proto: https, http"],
        [b"X-Original-Content-Length: 0", b"X-Original-Content-Length: 0"],
    ],
    ids=lambda more: more[-1].decode(),
)
def test_r6_every_statement_is_single_valued_and_of_one_family(
    more: list[bytes], make_gateway: MakeGateway, device: Device
) -> None:
    gateway = door(make_gateway)
    good = device.request("GET", "deployments")
    assert refused(gateway, question(good, *more)) == (400, "request.ambiguous_proxy_fields")
    assert ask(gateway, question(good)).status == 200


@pytest.mark.parametrize("drop", [b"X-Original-Method", b"X-Original-URI"])
def test_a_question_about_nothing_is_refused(drop: bytes, make_gateway: MakeGateway, device: Device) -> None:
    gateway = door(make_gateway)
    octets = question(device.request("GET", "deployments"), drop=drop)
    assert refused(gateway, octets) == (400, "request.ambiguous_proxy_fields")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (b"/api/v1/clients/dev1/deployments/../capabilities", "request.ambiguous_path"),
        (b"/api/v1/clients/other/deployments", "key.unknown_client"),
        (b"/api/v1/clients/dev1/deployments?x=1", "signature.wrong"),
        (b"https://wfm.example.com/api/v1/clients/dev1/deployments", "request.ambiguous_proxy_fields"),
        (b"/api/v1/clients/dev1/deployments HTTP/1.1 x", "request.bad_target"),
        (b"/_verify", "request.no_route"),
    ],
)
def test_the_original_target_is_judged_as_if_it_had_come_itself(
    target: bytes, reason: str, make_gateway: MakeGateway, device: Device
) -> None:
    gateway = door(make_gateway)
    good = question(device.request("GET", "deployments"))
    moved = good.replace(b"X-Original-URI: /api/v1/clients/dev1/deployments", b"X-Original-URI: " + target)
    assert moved != good
    assert refused(gateway, moved)[1] == reason


def test_r14_an_identity_that_a_device_wrote_itself_is_refused(make_gateway: MakeGateway, device: Device) -> None:
    gateway = door(make_gateway)
    good = device.request("GET", "deployments")
    for name in (b"Wfm-Client-Id", b"wfm_client_id"):
        assert refused(gateway, question(good, name + b": dev2")) == (400, "request.reserved_name")


def test_r13_a_question_counts(make_gateway: MakeGateway, device: Device) -> None:
    gateway = door(make_gateway, allow_unchecked_body=True)
    good = question(device.request())
    assert ask(gateway, good).status == 200
    assert refused(gateway, good) == (401, "replay.seen")


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("POST", [b"X-Original-Content-Length: 2"]),
        ("POST", []),
        ("POST", [b"X-Original-Content-Length: 0"]),
        ("GET", [b"X-Original-Content-Length: 2"]),
        ("GET", [b"X-Original-Content-Length: x"]),
        ("GET", [b"X-Original-Transfer-Encoding: chunked"]),
        ("GET", [b"Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"]),
        ("GET", [b"Content-Length: 1"]),
    ],
)
def test_r10_what_may_have_a_body_is_refused(
    method: str, more: list[bytes], make_gateway: MakeGateway, device: Device
) -> None:
    gateway = door(make_gateway)
    octets = question(device.request(method, "capabilities" if method == "POST" else "deployments"), *more)
    if b"Content-Length: 1" in more:
        octets += b"x"
    assert refused(gateway, octets) == (403, "digest.unchecked")


def test_r10_a_body_that_is_allowed_is_marked_and_its_digest_is_covered(
    make_gateway: MakeGateway, device: Device
) -> None:
    gateway = door(make_gateway, allow_unchecked_body=True)
    answer = ask(gateway, question(device.request(), b"X-Original-Content-Length: 2"))
    assert (answer.status, answer.values(b"wfm-body-verified")) == (200, [b"?0"])
    good = device.request()
    bare = b"\r\n".join(line for line in good.split(b"\r\n") if not line.startswith(b"Content-Digest"))
    assert refused(gateway, question(bare))[1] in ("digest.missing", "signature.component_absent")
    loose = device.request(components=("@method", "@target-uri"))
    assert refused(gateway, question(loose)) == (400, "digest.not_covered")
    assert refused(gateway, question(device.request(), b"X-Original-Content-Length: 99999999"))[0] == 413


def test_onboarding_and_rotation_need_their_body(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(
        listen=TRUSTED,
        verify={"path": "/_verify", "allow_unchecked_body": True},
        onboarding={"mode": "proxy", "trust": ["pinned"]},
        recording=None,
    )
    octets = question(device.request()).replace(b"/api/v1/clients/dev1/capabilities", b"/api/v1/onboarding")
    assert refused(gateway, octets) == (403, "digest.unchecked")


def test_the_answer_says_who_it_is(make_gateway: MakeGateway, device: Device) -> None:
    answer = ask(door(make_gateway), question(device.request("GET", "deployments")))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.values(b"wfm-client-id") == [b"dev1"]
    assert answer.values(b"wfm-body-verified") == [b"?0"]
    (signature,) = answer.values(b"wfm-signature")
    assert b'"@target-uri"' in signature
    assert len(answer.values(b"wfm-client-cert-sha256")[0]) == 64


@pytest.mark.parametrize("family", ["x-forwarded", "path"])
def test_the_other_families(family: str, make_gateway: MakeGateway, device: Device) -> None:
    gateway = door(make_gateway, original=family)
    good = device.request("GET", "deployments?a=1")
    if family == "path":
        octets = good.replace(b"GET /api", b"GET /_verify/api")
    else:
        octets = question(good, family="X-Forwarded-Method/X-Forwarded-Uri")
    answer = ask(gateway, octets)
    assert (answer.status, answer.values(b"wfm-client-id")) == (200, [b"dev1"])
    assert refused(gateway, octets.replace(b"a=1", b"a=2")) == (401, "signature.wrong")
    assert refused(gateway, question(good)) == (400, "request.ambiguous_proxy_fields") or family == "path"


def test_r16_where_the_gateway_only_observes_a_question_is_still_refused(
    make_gateway: MakeGateway, device: Device
) -> None:
    gateway = make_gateway(listen=TRUSTED, verify={"path": "/_verify"}, policy={"mode": "observe"})
    good = question(device.request("GET", "deployments"))
    assert refused(gateway, good.replace(b"deployments", b"deployments?")) == (401, "signature.wrong")
    assert refused(gateway, question(b"GET /api/v1/clients/dev1/deployments HTTP/1.1\r\nHost: h\r\n\r\n"))[0] == 401
    assert ask(gateway, good).status == 200


def test_an_open_route_names_nobody(make_gateway: MakeGateway, device: Device) -> None:
    gateway = door(make_gateway)
    octets = b"GET /_verify HTTP/1.1\r\nHost: h\r\nX-Original-Method: GET\r\nX-Original-URI: /api/v1/onboarding/certificate\r\n\r\n"
    answer = ask(gateway, octets)
    assert (answer.status, answer.values(b"wfm-client-id")) == (200, [])


def test_only_the_two_statuses_that_nginx_knows(make_gateway: MakeGateway, device: Device) -> None:
    gateway = door(make_gateway, only_401_403=True)
    good = question(device.request("GET", "deployments"))
    assert refused(gateway, good.replace(b"clients/dev1", b"clients/dev9")) == (403, "key.unknown_client")
    assert refused(gateway, good.replace(b"URI: /", b"URI: /x")) == (403, "request.no_route")
    assert refused(gateway, good.replace(b"deployments", b"deployments?")) == (401, "signature.wrong")
    with RawClient(gateway.address) as client:
        assert client.ask(device.request("GET", "nothing")).status == 404


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_behind_a_real_nginx(
    make_gateway: MakeGateway, backend: RecordingBackend, device: Device, tmp_path: Path
) -> None:
    file = DEPLOY / "verify" / "nginx.conf"
    gateway = make_gateway(**gateway_sections(file))
    others = {"http://127.0.0.1:9000": backend.url}
    with ExitStack() as stack:
        balancer = stack.enter_context(Balancer(file, gateway.port, tmp_path, others, program="nginx"))

        def through(octets: bytes) -> int:
            with RawClient(balancer.connect()) as client:
                return client.ask(octets).status

        good = device.request(body=b'{"a": 1}')
        assert through(good) == 200
        assert through(good) == 401
        assert through(device.request("GET", "deployments?a=%2B")) == 200
        assert len(backend.requests) == 2
        for seen in backend.requests:
            assert seen.values(b"wfm-client-id") == [b"dev1"]
            assert seen.values(b"wfm-body-verified") == [b"?0"]
        assert backend.requests[0].body == b'{"a": 1}'
        assert through(device.request("GET", "deployments").replace(b"/deployments", b"/capabilities")) in (401, 403)
        forged = (("X-Original-URI", "/x"), ("X-Forwarded-Uri", "/x"), ("X-Original-Method", "GET"))
        assert through(device.request(fields=forged)) == 200
        assert through(device.request(fields=(("Wfm-Client-Id", "dev2"),))) == 403
        assert through(device.request("GET", "deployments").replace(b"/api/", b"/_verify/api/")) in (401, 403)
        assert through(b"GET /_verify HTTP/1.1\r\nHost: wfm.example.com\r\nX-Original-URI: /\r\n\r\n") == 404
        assert len(backend.requests) == 3
        if shutil.which("curl") is not None:
            assert balancer.ask_http2(device.request(body=b"{}"))[0] == 200
