"""Routes that forward what does not verify, over real sockets (R14, R15, R16)."""

import pytest

from gateway._native import Refused
from gateway.proxy.verifier import Verifier
from gateway.reasons import Reason
from tests.integration.backend import RecordingBackend
from tests.integration.client import Answer, RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway
from tests.integration.test_proxy_refusals import GOOD_HOST, refused_requests

UNSIGNED = b"POST /api/v1/clients/dev1/capabilities HTTP/1.1\r\n" + GOOD_HOST + b"Content-Length: 2\r\n"


def ask(gateway: Gateway, raw: bytes) -> Answer:
    with RawClient(gateway.address) as client:
        return client.ask(raw)


def assert_anonymous(backend: RecordingBackend) -> None:
    """The last request that arrived names nobody."""
    assert [line for line in backend.requests[-1].lines if line.lower().startswith(b"wfm")] == []


def test_r16_observe_reports_and_forwards_every_kind_of_refusal(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(policy={"mode": "observe", "body_limit_bytes": 1000})
    expected: list[str] = []
    for name, raw in refused_requests(device).items():
        reason = name.partition("#")[0]
        before = len(backend.requests)
        got = ask(gateway, raw)
        if reason.startswith("request."):
            assert (got.reason, len(backend.requests)) == (reason, before), name
            continue
        assert got.status == 200, name
        expected.append(reason)
        seen = backend.requests[-1]
        assert (seen.request_line, seen.body) == (raw.partition(b"\r\n")[0], raw.partition(b"\r\n\r\n")[2]), name
        assert_anonymous(backend)
    lines = gateway.wait_for(lambda: len(found := gateway.lines("request.observed")) == len(expected) and found)
    assert [line["reason"] for line in lines] == expected
    assert {line["status"] for line in lines} == {200}
    assert {line["route"] for line in lines} == {"capabilities", "deployments"}


def test_r16_observe_names_the_client_of_what_verifies(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(policy={"mode": "observe"}, log={"requests": "all"})
    raw = device.request()
    assert ask(gateway, raw).status == 200
    assert backend.requests[-1].values(b"wfm-client-id") == [b"dev1"]
    assert gateway.line("request.forwarded")["client_id"] == "dev1"
    assert ask(gateway, raw).status == 200
    assert_anonymous(backend)
    assert gateway.line("request.observed")["reason"] == "replay.seen"


def test_r14_r15_observe_lets_nobody_name_himself(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(policy={"mode": "observe"})
    for name in (b"Wfm-Client-Id", b"wfm_client_id"):
        assert ask(gateway, UNSIGNED + name + b": dev1\r\n\r\n{}").reason == "request.reserved_name"
    trailer = UNSIGNED.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")
    assert ask(gateway, trailer + b"\r\n2\r\n{}\r\n0\r\nWfm-Client-Id: dev1\r\n\r\n").reason == "request.reserved_name"
    forged = b"X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nX-Client-Cert: x\r\nX-Mine: y\r\n"
    assert ask(gateway, UNSIGNED + forged + b"Connection: content-type\r\nContent-Type: a/b\r\n\r\n{}").status == 200
    (seen,) = backend.requests
    assert seen.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert seen.values(b"host") == seen.values(b"x-forwarded-host") == [b"wfm.example.com"]
    assert seen.values(b"forwarded") + seen.values(b"x-client-cert") + seen.values(b"connection") == []
    assert seen.values(b"x-mine") + seen.values(b"content-type") == [b"y", b"a/b"]


def test_r16_observe_forwards_bodies_in_chunks_and_from_the_spool(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(policy={"mode": "observe", "body_limit_bytes": 100_000}, limits={"spool_bytes": 1000})
    for size in (10, 50_000):
        raw = device.chunked([b"x" * size]).replace(b"Signature-Input", b"X-Was-Input")
        assert ask(gateway, raw).status == 200
        assert backend.requests[-1].body == b"x" * size
        assert_anonymous(backend)
    assert ask(gateway, device.chunked([b"x" * 100_001]).replace(b"Signature-Input", b"X")).status == 413
    assert len(backend.requests) == 2


def test_r16_observe_goes_on_without_the_store(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(policy={"mode": "observe"})
    gateway.call(gateway.runtime.link.close)
    assert ask(gateway, device.request()).status == 200
    assert_anonymous(backend)
    assert gateway.line("request.observed")["reason"] == "store.unavailable"


def test_r16_observe_goes_on_with_a_record_that_holds_no_key(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_key(*_: object) -> bool:
        raise Refused(Reason.STORE_ANSWER, "no key")

    for name in ("ask", "submit"):
        monkeypatch.setattr(Verifier, name, no_key)
    assert ask(make_gateway(policy={"mode": "observe"}), device.request()).status == 200
    assert_anonymous(backend)
    assert ask(make_gateway(), device.request()).reason == "store.bad_answer"
    assert len(backend.requests) == 1


def test_r13_observe_gives_claims_back_where_no_octet_was_sent(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(policy={"mode": "observe"})
    backend.stop_listening()
    raw = device.request()
    for octets in (raw, raw, UNSIGNED + b"\r\n{}"):
        assert ask(gateway, octets).status == 502
    lines = gateway.wait_for(lambda: len(found := gateway.lines("request.refused")) == 3 and found)
    assert {line["reason"] for line in lines} == {"upstream.unreachable"}
    assert [line.get("notes") for line in lines] == [None, None, ["not verified: signature.missing"]]


def test_r16_a_mode_is_of_one_route(make_gateway: MakeGateway, device: Device, backend: RecordingBackend) -> None:
    gateway = make_gateway(policy={"modes": {"capabilities": "passthrough"}}, unsafe={"passthrough": True})
    assert ask(gateway, UNSIGNED + b"\r\n{}").status == 200
    assert ask(gateway, device.request()).status == 200
    assert_anonymous(backend)
    assert ask(gateway, b"GET /api/v1/clients/dev1/deployments HTTP/1.1\r\n" + GOOD_HOST + b"\r\n").status == 401
    assert len(backend.requests) == 2


def test_r16_open_routes_and_onboarding_are_as_ever(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(policy={"mode": "observe"})
    assert (
        ask(gateway, b"GET /api/v1/onboarding/certificate HTTP/1.1\r\n" + GOOD_HOST + b"X-A: 1\r\n\r\n").status == 200
    )
    assert backend.requests[-1].values(b"x-a") == []
    closed = b"POST /api/v1/onboarding HTTP/1.1\r\n" + GOOD_HOST + b"Content-Length: 0\r\n\r\n"
    assert ask(gateway, closed).reason == "request.route_off"


def test_r16_passthrough_is_spelled_out_as_unsafe(make_gateway: MakeGateway) -> None:
    with pytest.raises(Exception, match=r"\[unsafe\] passthrough = true"):
        make_gateway(policy={"modes": {"status": "passthrough"}})
