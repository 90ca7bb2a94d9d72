"""What becomes of an onboarding when the store fails in the middle of it: 503, nothing lost, nobody twice (R21)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.proxy import FaultProxy
from tests.fault.replies import Replies
from tests.fault.valkey import Valkey
from tests.integration.backend import Peer, RecordingBackend, Script, Seen
from tests.integration.conftest import MakeGateway, register
from tests.integration.harness import Device, make_device
from tests.integration.onboarding import ask, assigns, index_of, pin, record_of, request_of

PROXY = {"mode": "proxy", "trust": ["pinned"]}


@pytest.fixture
def newcomer(valkey: Valkey) -> Device:
    device = make_device("newcomer")
    pin(valkey, device)
    return device


@pytest.fixture
def writes(valkey: Valkey) -> Iterator[FaultProxy]:
    """The way on which onboarding writes."""
    with FaultProxy(valkey.socket) as proxy:
        yield proxy


def cut(proxy: FaultProxy) -> None:
    proxy.refuse()
    proxy.reset()


def failing(proxy: FaultProxy, then: Script) -> Script:
    """A WFM during whose answer the store goes away."""

    def script(peer: Peer, seen: Seen) -> bool:
        cut(proxy)
        return then(peer, seen)

    return script


def test_r21_what_the_wfm_assigned_is_recorded_as_soon_as_the_store_is_back(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, writes: FaultProxy
) -> None:
    gateway = make_gateway(onboarding=PROXY, recording=writes.endpoint)
    backend.script = failing(writes, assigns("client-1"))
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (503, "store.unavailable")
    assert answer.values(b"retry-after")
    assert record_of(valkey, "client-1") == {}
    gateway.line("onboarding.journaled")
    # Still away: the device is told to wait, and the WFM is left in peace.
    assert ask(gateway, request_of(newcomer)).status == 503
    writes.resume()
    gateway.line("onboarding.settled")
    assert index_of(valkey, newcomer) == "client-1"
    assert ask(gateway, request_of(newcomer)).problem == {"clientId": "client-1"}
    assert len(backend.requests) == 1


def test_r21_the_journal_outlives_the_gateway(
    make_gateway: MakeGateway,
    backend: RecordingBackend,
    valkey: Valkey,
    newcomer: Device,
    writes: FaultProxy,
    tmp_path: Path,
) -> None:
    first = make_gateway(onboarding=PROXY, recording=writes.endpoint)
    backend.script = failing(writes, assigns("client-1"))
    assert ask(first, request_of(newcomer)).status == 503
    first.line("onboarding.journaled")
    first.stop()
    (entry,) = tmp_path.rglob("onboarding/*.json")
    assert entry.stat().st_mode & 0o077 == 0
    second = make_gateway(onboarding=PROXY)
    second.line("onboarding.settled")
    assert not entry.exists()
    assert ask(second, request_of(newcomer)).problem == {"clientId": "client-1"}
    assert len(backend.requests) == 1


def test_r21_another_worker_of_the_machine_finds_the_journal(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device, writes: FaultProxy
) -> None:
    first = make_gateway(onboarding=PROXY, recording=writes.endpoint)
    second = make_gateway(onboarding=PROXY)
    backend.script = failing(writes, assigns("client-1"))
    assert ask(first, request_of(newcomer)).status == 503
    first.line("onboarding.journaled")
    assert ask(second, request_of(newcomer)).problem == {"clientId": "client-1"}
    assert len(backend.requests) == 1


def test_r20_a_journal_never_takes_an_id_that_became_somebody_elses(
    make_gateway: MakeGateway,
    backend: RecordingBackend,
    valkey: Valkey,
    newcomer: Device,
    writes: FaultProxy,
    tmp_path: Path,
) -> None:
    gateway = make_gateway(onboarding=PROXY, recording=writes.endpoint)
    backend.script = failing(writes, assigns("client-1"))
    assert ask(gateway, request_of(newcomer)).status == 503
    gateway.line("onboarding.journaled")
    other = make_device("client-1")
    register(valkey, other)
    before = record_of(valkey, "client-1")
    writes.resume()
    assert "another key" in gateway.line("onboarding.refused")["detail"]
    assert record_of(valkey, "client-1") == before
    assert [path.suffix for path in tmp_path.rglob("onboarding/*")] == [".refused"]


def test_r21_without_a_store_the_wfm_is_not_asked(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device, writes: FaultProxy
) -> None:
    gateway = make_gateway(onboarding=PROXY, recording=writes.endpoint)
    cut(writes)
    gateway.wait_for(lambda: not gateway.runtime.recording.connected)
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (503, "store.unavailable")
    assert backend.octets == b""


def test_r21_without_the_readers_store_nothing_is_decided(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device, writes: FaultProxy
) -> None:
    gateway = make_gateway(onboarding=PROXY, store=writes.endpoint)
    cut(writes)
    gateway.wait_for(lambda: not gateway.runtime.link.connected)
    assert ask(gateway, request_of(newcomer)).status == 503
    assert backend.octets == b""


def test_r21_a_full_store_leases_nothing(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY, policy={"replay": "off"})
    valkey.client.config_set("maxmemory", 1)
    try:
        answer = ask(gateway, request_of(newcomer))
    finally:
        valkey.client.config_set("maxmemory", 0)
    assert (answer.status, answer.reason) == (503, "store.full")
    assert backend.octets == b""


def test_r21_a_store_that_fills_up_in_the_middle_loses_nothing(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)

    def script(peer: Peer, seen: Seen) -> bool:
        valkey.client.config_set("maxmemory", 1)
        return assigns("client-1")(peer, seen)

    backend.script = script
    try:
        answer = ask(gateway, request_of(newcomer))
    finally:
        valkey.client.config_set("maxmemory", 0)
    assert (answer.status, answer.reason) == (503, "store.full")
    gateway.line("onboarding.settled")
    assert ask(gateway, request_of(newcomer)).problem == {"clientId": "client-1"}
    assert len(backend.requests) == 1


@pytest.mark.parametrize("lie", [b"$-1\r\n", b"+OK\r\n", b":1\r\n", b"$8\r\nlease:aa\r\n"])
def test_r25_a_lease_is_believed_only_with_its_own_token(
    make_gateway: MakeGateway,
    backend: RecordingBackend,
    valkey: Valkey,
    newcomer: Device,
    writes: FaultProxy,
    lie: bytes,
) -> None:
    gateway = make_gateway(onboarding=PROXY, recording=writes.endpoint)
    gateway.wait_for(lambda: gateway.runtime.recording.connected)
    writes.alter("down", Replies(lambda replies: [lie for _ in replies]))
    assert ask(gateway, request_of(newcomer)).status == 503
    assert backend.octets == b""
    assert record_of(valkey, "client-1") == {}


def test_r25_an_index_entry_of_another_key_authenticates_nobody(
    make_gateway: MakeGateway,
    backend: RecordingBackend,
    valkey: Valkey,
    newcomer: Device,
    device: Device,
    writes: FaultProxy,
) -> None:
    gateway = make_gateway(onboarding={"mode": "proxy"}, store=writes.endpoint, policy={"replay": "off"})
    stolen = b"$4\r\ndev1\r\n"
    writes.alter("down", Replies(lambda replies: [stolen if one == b"$-1\r\n" else one for one in replies]))
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (503, "store.bad_answer")
    assert backend.octets == b""
