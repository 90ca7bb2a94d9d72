"""Limits on a running gateway: 429 with what Margo asks for, and the device's own address behind a proxy."""

import threading
import time

import msgspec

from gateway.clock import SystemClock
from tests.fault.valkey import Valkey
from tests.integration.backend import DEADLINE_S, OK, Peer, RecordingBackend, Seen, answer
from tests.integration.client import RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway


def test_too_many_requests_of_a_client_are_429(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(rate={"per_client": "1/m", "per_client_burst": 2})
    with RawClient(gateway.address) as client:
        assert [client.ask(device.request()).status for _ in range(2)] == [200, 200]
        got = client.ask(device.request())
        assert client.ask(device.request()).status == 429  # the connection stays
    assert got.status == 429
    problem = got.problem
    assert (problem["reason"], problem["title"], problem["type"]) == (
        "limit.client",
        "Too Many Requests",
        "about:blank",
    )
    assert problem["retryable"] is True
    assert problem["backoffStrategy"] == "exponential"
    assert 55 <= problem["retryAfterSeconds"] <= 60
    assert got.values(b"retry-after") == [b"%d" % problem["retryAfterSeconds"]]
    assert len(backend.requests) == 2
    line = gateway.line("request.refused")
    assert (line["reason"], line["client_id"], line["status"]) == ("limit.client", device.client_id, 429)


def test_behind_a_trusted_proxy_each_device_has_its_own_address(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(
        listen={"trusted_proxies": ["127.0.0.1"]}, rate={"per_address": "1/m", "per_address_burst": 1}
    )

    def ask(address: str) -> int:
        with RawClient(gateway.address) as client:
            return client.ask(device.request(fields=(("X-Forwarded-For", address),))).status

    assert [ask(f"192.0.2.{last}") for last in (1, 2, 1, 2, 3)] == [200, 200, 429, 429, 200]


def test_an_address_that_nobody_vouches_for_does_not_count(make_gateway: MakeGateway, device: Device) -> None:
    gateway = make_gateway(rate={"per_address": "1/m", "per_address_burst": 1})
    with RawClient(gateway.address) as client:
        fields = [(("X-Forwarded-For", f"192.0.2.{last}"),) for last in range(1, 4)]
        assert [client.ask(device.request(fields=field)).status for field in fields] == [200, 429, 429]


class FixedWall(SystemClock):
    """The minute does not change."""

    def __init__(self) -> None:
        self._now = time.time()

    def now(self) -> float:
        return self._now


def test_gateways_on_one_store_keep_to_one_rate(make_gateway: MakeGateway, device: Device, valkey: Valkey) -> None:
    one, other = (make_gateway(clock=FixedWall(), rate={"per_client": "1/h", "per_client_burst": 6}) for _ in range(2))

    def counted() -> int:
        names = list(valkey.client.scan_iter("wfmgw:rate:client:*"))
        return sum(int(valkey.client.get(name)) for name in names)

    with RawClient(one.address) as client, RawClient(other.address) as second:
        assert [client.ask(device.request()).status for _ in range(4)] == [200] * 4
        one.wait_for(lambda: counted() == 4)
        assert second.ask(device.request()).status == 200
        one.wait_for(lambda: counted() == 5)
        # The reply to the next claim comes behind the one that tells what others spent.
        assert second.ask(device.request()).status == 200
        assert second.ask(device.request()).reason == "limit.client"
    (name,) = valkey.client.scan_iter("wfmgw:rate:*")
    assert 0 < valkey.client.ttl(name) <= 120


def test_without_the_store_limits_hold_alone(make_gateway: MakeGateway, device: Device, valkey: Valkey) -> None:
    valkey.client.execute_command("ACL", "SETUSER", "old", "reset", "on", ">secret", "~*", "+@all", "-incrby")
    store = msgspec.structs.replace(valkey.endpoint, user="old", password="secret")
    gateway = make_gateway(store=store, rate={"per_client": "1/h", "per_client_burst": 2})
    with RawClient(gateway.address) as client:
        assert [client.ask(device.request()).status for _ in range(3)] == [200, 200, 429]
        assert "incrby" in gateway.line("limits.alone")["detail"].lower()
        assert client.ask(device.request()).status == 429


def test_one_request_more_than_may_be_under_way_is_503(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    release = threading.Event()

    def hold(peer: Peer, seen: Seen) -> bool:
        assert release.wait(DEADLINE_S)
        return answer(OK)(peer, seen)

    backend.script = hold
    gateway = make_gateway(limits={"in_flight": 2, "spool_bytes": 1000})
    with RawClient(gateway.address) as one, RawClient(gateway.address) as other, RawClient(gateway.address) as third:
        one.send(device.request())
        other.send(device.request(body=b"x" * 5000))  # goes to the spool
        gateway.wait_for(lambda: len(backend.requests) == 2)
        later = device.request()
        got = third.ask(later)
        assert (got.status, got.reason, got.values(b"retry-after")) == (503, "internal.overloaded", [b"1"])
        release.set()
        assert [client.answer().status for client in (one, other)] == [200, 200]
        gateway.wait_for(lambda: third.ask(device.request()).status == 200)
        # Its nonce was not claimed, and each place was given back, also those of refused requests.
        assert third.ask(later).status == 200
        assert [third.ask(device.request("GET")).status for _ in range(5)] == [405] * 5
        assert third.ask(device.request(body=b"x" * 5000)).status == 200


def test_who_goes_away_gives_its_place_back(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    gateway = make_gateway(limits={"in_flight": 1})
    with RawClient(gateway.address) as slow:
        slow.send(device.request(body=b"0123456789")[:-1])
        gateway.wait_for(lambda: _status(gateway, device) == 503)
    gateway.wait_for(lambda: _status(gateway, device) == 200)


def _status(gateway: Gateway, device: Device) -> int:
    with RawClient(gateway.address) as client:
        return client.ask(device.request()).status
