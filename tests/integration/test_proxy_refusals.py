"""What is refused, how it is said, and that no octet of it reaches the backend (R16, R26)."""

import json
import time

from gateway.model import Algorithm
from gateway.registry.store import Store
from tests.fault.valkey import Valkey
from tests.integration.backend import RecordingBackend
from tests.integration.client import RawClient
from tests.integration.conftest import MakeGateway, register
from tests.integration.harness import Device, Gateway, make_device

GOOD_HOST = b"Host: wfm.example.com\r\n"


def _get(target: bytes, fields: bytes = GOOD_HOST) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + fields + b"\r\n"


def refused_requests(device: Device) -> dict[str, bytes]:
    """One request per way to be refused that needs nothing but octets; the expected reason is the key up to `#`."""
    stranger = make_device("stranger")
    other_key = make_device("dev1")
    good = device.request(body=b"0123456789")
    old = int(time.time()) - 10_000
    return {
        "request.bad_request_line": b"GET /\r\n\r\n",
        "request.bad_request_line#tls": b"\x16\x03\x01\x02\x00\x01\x00",
        "request.bad_target": _get(b"*"),
        "request.bad_field#space": _get(b"/", GOOD_HOST + b"X : 1\r\n"),
        "request.bad_field#fold": _get(b"/", GOOD_HOST + b"X: 1\r\n 2\r\n"),
        "request.bad_framing#both": b"POST / HTTP/1.1\r\n" + GOOD_HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
        "request.bad_framing#two": b"POST / HTTP/1.1\r\n" + GOOD_HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n00",
        "request.bad_chunk": device.chunked([b"abc"]).replace(b"3\r\nabc", b"x\r\nabc"),
        "request.bad_host": _get(b"/", b""),
        "request.bad_version": b"GET / HTTP/2.0\r\n" + GOOD_HOST + b"\r\n",
        "request.head_too_large": b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        "request.too_many_fields": _get(b"/", GOOD_HOST + b"X: 1\r\n" * 101),
        "request.ambiguous_path": _get(device.path("../dev2/capabilities").encode()),
        "request.no_route": _get(b"/nowhere"),
        "request.method_not_allowed": device.request("GET"),
        "request.route_off": b"POST /api/v1/onboarding HTTP/1.1\r\n" + GOOD_HOST + b"Content-Length: 0\r\n\r\n",
        "request.reserved_name": _get(b"/", GOOD_HOST + b"wfm_client-ID: dev1\r\n"),
        "request.reserved_name#trailer": device.chunked([b"abc"], trailers=b"Wfm-Client-Id: x\r\n"),
        "request.upgrade_refused": _get(b"/", GOOD_HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\n"),
        "request.expectation_failed": _get(b"/", GOOD_HOST + b"Expect: miracles\r\n"),
        "request.body_too_large": device.request(body=b"x" * 2000),
        "request.body_too_large#chunked": device.chunked([b"x" * 2000]),
        "signature.missing": _get(device.path("deployments").encode()),
        "signature.malformed_input": _get(
            device.path("deployments").encode(), GOOD_HOST + b"Signature-Input: ???\r\nSignature: sig1=:AA==:\r\n"
        ),
        "signature.wrong#tampered": device.request(fields=(("X-A", "1"),), components=("@method", "@target-uri", "x-a", "content-digest")).replace(b"X-A: 1", b"X-A: 2"),
        "signature.wrong#key": other_key.request(),
        "digest.missing": device.request(body=b"x", digests=()),
        "digest.mismatch": good.replace(b"0123456789", b"0123456780"),
        "digest.not_covered": device.request(components=("@method", "@target-uri")),
        "key.unknown_client": stranger.request(),
        "policy.not_covered": device.request(components=("@method", "content-digest")),
        "policy.created_missing": device.request(created=None),
        "policy.too_old": device.request(created=old),
        "policy.from_future": device.request(created=int(time.time()) + 10_000),
        "policy.expired": device.request(expires=old),
    }  # fmt: skip


def test_no_octet_of_a_refused_request_reaches_the_backend(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    """R16, over every kind of refusal."""
    gateway = make_gateway(policy={"body_limit_bytes": 1000})
    for name, raw in refused_requests(device).items():
        with RawClient(gateway.address) as client:
            got = client.ask(raw)
            assert got.reason == name.partition("#")[0], name
            assert got.status == got.problem["status"], name
            assert got.values(b"server") == [], name
    assert bytes(backend.octets) == b""
    assert backend.connections == 0
    # The backend was there all the time.
    with RawClient(gateway.address) as client:
        assert client.ask(device.request()).status == 200
    assert len(backend.requests) == 1


def test_replay_is_refused(client: RawClient, device: Device, backend: RecordingBackend) -> None:
    raw = device.request()
    assert client.ask(raw).status == 200
    assert client.ask(raw).reason == "replay.seen"
    assert len(backend.requests) == 1


def test_problem_details_and_fields_of_a_401(client: RawClient, device: Device, gateway: Gateway) -> None:
    """R26."""
    got = client.ask(_get(b"/api/v1/clients/dev1/deployments?x=1"))
    assert got.values(b"content-type") == [b"application/problem+json"]
    assert got.values(b"www-authenticate") == [b"Signature"]
    assert got.values(b"accept-signature") == [b'sig1=("@method" "@target-uri");created;keyid']
    assert len(got.values(b"date")) == 1
    (request_id,) = got.values(b"x-request-id")
    assert got.problem == {
        "type": "https://docs.margo.org/specification/problems/signature-verification-failed",
        "title": "Signature Verification Failed",
        "status": 401,
        "detail": "There is no Signature-Input with a Signature field beside it.",
        "instance": "/api/v1/clients/dev1/deployments",
        "retryable": False,
        "backoffStrategy": "none",
        "reason": "signature.missing",
        "requestId": request_id.decode(),
    }
    body = device.request().replace(b"Signature-Input", b"X-Signature-Input")
    got = client.ask(body)
    assert got.values(b"accept-signature") == [b'sig1=("@method" "@target-uri" "content-digest");created;keyid']
    line = gateway.wait_for(lambda: gateway.lines("request.refused")[1:])[0]
    assert (line["reason"], line["status"], line["method"]) == ("signature.missing", 401, "POST")


def test_method_not_allowed_names_those_that_are(client: RawClient, device: Device) -> None:
    got = client.ask(device.request("GET"))
    assert got.status == 405
    assert got.values(b"allow") == [b"POST, PUT"]


def test_refusal_of_head_has_no_body(client: RawClient, device: Device) -> None:
    head = b"HEAD /nowhere HTTP/1.1\r\n" + GOOD_HOST + b"\r\n"
    got = client.ask(head, head_only=True)
    assert got.status == 404
    assert int(got.values(b"content-length")[0]) > 0
    assert client.ask(device.request()).status == 200


def test_legacy_shape(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(errors={"format": "legacy"})
    with RawClient(gateway.address) as client:
        got = client.ask(_get(b"/api/v1/clients/dev1/deployments"))
    assert got.values(b"content-type") == [b"application/json"]
    assert got.problem["error"] == "Invalid signature"
    assert got.problem["message"] == "There is no Signature-Input with a Signature field beside it."


def test_unknown_client_and_wrong_key_can_look_the_same(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(policy={"hide_unknown_clients": True})
    answers = []
    for pretender in (make_device("dev1"), make_device("nobody")):
        with RawClient(gateway.address) as client:
            got = client.ask(pretender.request("GET", "deployments"))
            members = {name: value for name, value in got.problem.items() if name not in ("requestId", "instance")}
            fields = [line for line in got.lines if not line.startswith((b"X-Request-Id", b"Date", b"Content-Length"))]
            answers.append((got.status_line, fields, members))
    assert answers[0] == answers[1]
    assert answers[0][2]["reason"] == "signature.wrong"
    # The operator still sees the difference.
    assert [
        line["reason"]
        for line in gateway.wait_for(
            lambda: len(gateway.lines("request.refused")) == 2 and gateway.lines("request.refused")
        )
    ] == [
        "signature.wrong",
        "key.unknown_client",
    ]


def test_nobody_without_a_key_learns_from_a_refusal_who_is_registered(
    make_gateway: MakeGateway, device: Device, valkey: Valkey
) -> None:
    """With `hide_unknown_clients`: neither by what a key of the client's kind cannot have signed, nor by a tombstone."""
    gone = make_device("gone")
    register(valkey, gone)
    with Store.connect(valkey.endpoint, "test") as store:
        store.remove("default", "gone")
    probes = {
        "of another length": lambda of: of.request().replace(b"sig1=:", b"sig1=:AAAA", 1),
        "of another algorithm": lambda of: make_device(of.client_id, Algorithm.ED25519).request(send_alg=True),
        "without the digest": lambda of: of.request(components=("@method", "@target-uri")),
        "in order": lambda of: make_device(of.client_id).request(),
    }
    gateway = make_gateway(policy={"hide_unknown_clients": True})
    told = set()
    for make in probes.values():
        for of in (device, gone, make_device("nobody")):
            with RawClient(gateway.address) as client:
                got = client.ask(make(of))
                told.add((got.status_line, got.reason, len(got.values(b"retry-after"))))
    assert told == {(b"HTTP/1.1 401 Unauthorized", "signature.wrong", 0)}


def test_what_a_device_sent_is_escaped_where_it_is_shown(client: RawClient, gateway: Gateway, device: Device) -> None:
    """R29: in the answer and in the log."""
    path = b'/nowhere/%0a"<script>' + b"x" * 2000
    got = client.ask(_get(path))
    assert got.problem["instance"].startswith('/nowhere/%0a"<script>')
    assert len(got.problem["instance"]) == 1024
    line = gateway.line("request.refused")
    assert len(line["path"]) == 512
    assert json.loads(json.dumps(line)) == line


def test_store_away_is_503_and_never_401(make_gateway: MakeGateway, device: Device, backend: RecordingBackend) -> None:
    """R26: our trouble is 5xx."""
    gateway = make_gateway()
    gateway.call(gateway.runtime.link.close)
    with RawClient(gateway.address) as client:
        got = client.ask(device.request())
    assert (got.status, got.reason) == (503, "store.unavailable")
    assert got.values(b"retry-after") == [b"5"]
    assert (got.problem["retryable"], got.problem["retryAfterSeconds"]) == (True, 5)
    assert got.problem["backoffStrategy"] == "exponential"
    assert bytes(backend.octets) == b""


def test_defect_of_ours_is_500_and_says_nothing_of_itself(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway()

    def fail(realm: str, client_id: str) -> None:
        raise RuntimeError("the secret of the house")

    gateway.call(lambda: setattr(gateway.runtime.directory, "find", fail))
    with RawClient(gateway.address) as client:
        got = client.ask(device.request())
    assert (got.status, got.reason) == (500, "internal.error")
    assert b"secret" not in got.head + got.body
    line = gateway.line("request.refused")
    assert "RuntimeError: the secret of the house" in line["detail"]
    assert "Traceback" in line["detail"]
    assert bytes(backend.octets) == b""
