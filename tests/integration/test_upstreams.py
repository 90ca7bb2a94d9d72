"""Several servers behind the gateway: shared out, gone, back again, checked, limited (R13)."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.integration.backend import OK, Peer, RecordingBackend, Seen, answer
from tests.integration.client import Broken, RawClient
from tests.integration.conftest import MakeGateway
from tests.integration.harness import Device, Gateway


@pytest.fixture
def second() -> Iterator[RecordingBackend]:
    """Another backend."""
    with RecordingBackend() as made:
        yield made


@pytest.fixture
def pair(backend: RecordingBackend, second: RecordingBackend) -> list[str]:
    """The URLs of both."""
    return [backend.url, second.url]


def test_requests_are_shared_out(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, second: RecordingBackend, pair: list[str]
) -> None:
    servers = [{"url": pair[0], "weight": 3}, pair[1]]
    with RawClient(make_gateway(upstream={"url": "", "servers": servers}).address) as client:
        for _ in range(12):
            assert client.ask(device.request()).status == 200
    assert (len(backend.requests), len(second.requests)) == (9, 3)


def test_client_keeps_its_server(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, second: RecordingBackend, pair: list[str]
) -> None:
    gateway = make_gateway(upstream={"url": "", "servers": pair, "balance": "client_id"})
    for _ in range(4):
        with RawClient(gateway.address) as client:
            assert client.ask(device.request()).status == 200
    assert sorted((len(backend.requests), len(second.requests))) == [0, 4]


def test_request_that_was_not_sent_goes_to_another_server(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, second: RecordingBackend, pair: list[str]
) -> None:
    backend.stop_listening()
    gateway = make_gateway(upstream={"url": "", "servers": pair, "eject_after": 3, "eject_s": 60.0})
    with RawClient(gateway.address) as client:
        for _ in range(10):
            assert client.ask(device.request()).status == 200
    assert len(second.requests) == 10
    line = gateway.line("upstream.ejected")
    assert pair[0] in line["detail"]
    states = {state.server: state for state in gateway.call(gateway.runtime.upstream.describe)}
    assert (states[pair[0]].up, states[pair[1]].up) == (False, True)
    assert 0 < states[pair[0]].ejected_for_s <= 60


@pytest.mark.parametrize(
    ("retry", "method", "statuses"),
    [
        ("unsent", "GET", {200: 1, 502: 1}),
        ("idempotent", "GET", {200: 2}),
        ("idempotent", "POST", {200: 1, 502: 1}),
    ],
)
def test_r13_request_that_was_sent_goes_again_only_where_that_is_allowed(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, second: RecordingBackend, pair: list[str],
    retry: str, method: str, statuses: dict[int, int],
) -> None:  # fmt: skip
    def hang_up(peer: Peer, seen: Seen) -> bool:
        return False

    backend.script = hang_up
    gateway = make_gateway(upstream={"url": "", "servers": pair, "retry": retry, "eject_after": 0})
    with RawClient(gateway.address) as client:
        found = Counter(
            client.ask(device.request(method, "deployments" if method == "GET" else "capabilities")).status
            for _ in range(2)
        )
    assert found == statuses
    assert len(backend.requests) == 1


def test_nothing_is_lost_or_doubled_while_servers_come_and_go(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, second: RecordingBackend, pair: list[str]
) -> None:
    """Signed load; one server dies with its connections and comes back on the same port, then the other."""
    gateway = make_gateway(upstream={"url": "", "servers": pair, "eject_after": 2, "eject_s": 0.1})
    stop = threading.Event()
    outcomes: dict[str, tuple[int, str | None]] = {}

    def load(worker: int) -> None:
        client = RawClient(gateway.address)
        count = 0
        while not stop.is_set():
            count += 1
            nonce = f"w{worker}n{count}"
            try:
                got = client.ask(device.request(nonce=nonce))
            except Broken:
                client.sock.close()
                client = RawClient(gateway.address)
                outcomes[nonce] = (0, None)
                continue
            outcomes[nonce] = (got.status, None if got.status == 200 else got.reason)
        client.sock.close()

    threads = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    backends = [backend, second]
    with ExitStack() as stack:
        for turn in range(4):
            index = turn % 2
            old = backends[index]
            more(old, 20)
            old.stop_listening()
            more(backends[1 - index], 50)
            new = stack.enter_context(RecordingBackend(port=old.port))
            new.requests += old.requests
            backends[index] = new
        for one in backends:
            more(one, 20)
        stop.set()
        for thread in threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in threads)
        arrived = Counter(nonce_of(seen) for one in backends for seen in one.requests)
    assert len(outcomes) > 200
    assert max(arrived.values()) == 1
    for nonce, (status, reason) in outcomes.items():
        if status == 200:
            assert arrived[nonce] == 1
        else:  # it had been sent to the server that died
            assert (status, reason) == (502, "upstream.unreachable"), (nonce, status, reason)
    details = Counter(line["detail"] for line in gateway.lines("request.refused"))
    refused = sum(status != 200 for status, _ in outcomes.values())
    assert refused <= 8 * len(threads), details  # what was on its way to the server that died, or in its queue


def more(backend: RecordingBackend, count: int) -> None:
    """Wait for so many more requests."""
    wanted = len(backend.requests) + count
    backend.wait(lambda: len(backend.requests) >= wanted)


def nonce_of(seen: Seen) -> str:
    """Which request it was."""
    return seen.values(b"signature-input")[0].partition(b'nonce="')[2].partition(b'"')[0].decode()


def test_prefixes_choose_the_upstream(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, second: RecordingBackend
) -> None:
    upstreams = [
        {"name": "rest", "url": backend.url},
        {"name": "one", "url": second.url, "prefixes": ["/api/v1/clients/dev1/deployments"]},
    ]
    gateway = make_gateway(upstream=upstreams)
    with RawClient(gateway.address) as client:
        for method, rest in (("GET", "deployments"), ("POST", "capabilities"), ("GET", "deployments/d/sha256:abc?x=1")):
            assert client.ask(device.request(method, rest)).status == 200
    assert [seen.request_line.split()[1].rpartition(b"dev1/")[2] for seen in second.requests] == [
        b"deployments", b"deployments/d/sha256:abc?x=1",
    ]  # fmt: skip
    assert len(backend.requests) == 1


class Checked:
    """A server that answers checks as it is told."""

    def __init__(self, backend: RecordingBackend) -> None:
        self.healthy = True
        self.asked = 0
        self.served = 0
        backend.script = self._answer

    def _answer(self, peer: Peer, seen: Seen) -> bool:
        if seen.request_line == b"GET /healthz HTTP/1.1":
            self.asked += 1
            peer.sock.sendall(OK if self.healthy else OK.replace(b"200 OK", b"503 Not Now"))
        else:
            self.served += 1
            peer.sock.sendall(OK)
        return True


CHECK = {"path": "/healthz", "interval_s": 0.05, "rise": 2, "fall": 2, "host": "wfm.local"}


def test_server_that_fails_its_checks_gets_no_requests(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, second: RecordingBackend, pair: list[str]
) -> None:
    checked, other = Checked(backend), Checked(second)
    gateway = make_gateway(upstream={"url": "", "servers": pair, "check": CHECK})
    gateway.wait_for(lambda: checked.asked > 2 and other.asked > 2)
    checked.healthy = False
    assert pair[0] in gateway.line("upstream.down")["detail"]
    assert "/healthz is 503" in gateway.line("upstream.down")["detail"]
    with RawClient(gateway.address) as client:
        for _ in range(4):
            assert client.ask(device.request()).status == 200
        assert (checked.served, other.served) == (0, 4)
        other.healthy = False
        gateway.wait_for(lambda: len(gateway.lines("upstream.down")) == 2)
        got = client.ask(device.request())
        assert (got.status, got.reason) == (503, "upstream.down")
        assert b"Retry-After" in got.head
        checked.healthy = True
        gateway.line("upstream.up")
        assert client.ask(device.request()).status == 200
    assert (checked.served, other.served) == (1, 4)
    assert all(seen.values(b"host") == [b"wfm.local"] for seen in backend.requests if b"healthz" in seen.request_line)


def test_server_that_does_not_listen_fails_its_first_check(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    backend.stop_listening()
    gateway = make_gateway(upstream={"check": {**CHECK, "fall": 100}})
    gateway.line("upstream.down")
    with RawClient(gateway.address) as client:
        raw = device.request()
        assert client.ask(raw).reason == "upstream.down"
        assert client.ask(raw).reason == "upstream.down"  # its claim was released (R13)


@pytest.mark.parametrize(
    "limits", [{"max_requests": 1}, {"connections": 1, "max_waiting": 1}], ids=["requests", "waiting"]
)
def test_limits_of_an_upstream(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, limits: dict[str, int]
) -> None:
    release = threading.Event()

    def hold(peer: Peer, seen: Seen) -> bool:
        release.wait(20.0)
        peer.sock.sendall(OK)
        return True

    backend.script = hold
    gateway = make_gateway(upstream=limits)
    with ExitStack() as stack:
        waiting = [stack.enter_context(RawClient(gateway.address)) for _ in range(sum(limits.values()))]
        for client in waiting:
            client.send(device.request())
        gateway.wait_for(lambda: _under_way(gateway) == len(waiting))
        with RawClient(gateway.address) as client:
            got = client.ask(device.request())
            assert (got.status, got.reason) == (503, "upstream.busy")
        release.set()
        assert [client.answer().status for client in waiting] == [200] * len(waiting)
        backend.script = answer(OK)
        assert waiting[0].ask(device.request()).status == 200
    assert sum(state.in_flight for state in gateway.call(gateway.runtime.upstream.describe)) == 0


def _under_way(gateway: Gateway) -> int:
    return sum(state.in_flight for state in gateway.call(gateway.runtime.upstream.describe))


def test_large_body_goes_again_whole_where_that_is_allowed(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend, second: RecordingBackend, pair: list[str]
) -> None:
    def hang_up(peer: Peer, seen: Seen) -> bool:
        return False

    backend.script = hang_up
    body = b"x" * 300_000
    gateway = make_gateway(
        limits={"spool_bytes": 1000}, upstream={"url": "", "servers": pair, "retry": "idempotent", "eject_after": 0}
    )
    with RawClient(gateway.address) as client:
        for _ in range(2):
            assert client.ask(device.request("PUT", body=body)).status == 200
    assert (len(backend.requests), len(second.requests)) == (1, 2)
    assert {seen.body for seen in [*backend.requests, *second.requests]} == {body}
    gateway.wait_for(lambda: gateway.runtime.spool.used_bytes == 0)


def test_answer_that_stops_is_cut_off_in_time(
    make_gateway: MakeGateway, device: Device, backend: RecordingBackend
) -> None:
    def stop(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxy")
        return peer.receive() != b""

    backend.script = stop
    gateway = make_gateway(upstream={"idle_timeout_s": 0.2})
    with RawClient(gateway.address) as client, pytest.raises(Broken):
        client.ask(device.request())
    backend.wait(lambda: backend.ended == 1)
    assert gateway.line("request.refused")["reason"] == "upstream.bad_answer"
