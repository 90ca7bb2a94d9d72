"""R25 in a fleet: two gateways with two workers each, one store, and store traffic of the second that comes to harm."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count

import pytest

from gateway.registry.keys import client_key
from gateway.registry.operations import Action, StateChange
from gateway.registry.store import Store
from tests.fault.proxy import FaultProxy
from tests.fault.valkey import Valkey
from tests.integration.backend import RecordingBackend
from tests.integration.conftest import register
from tests.integration.fleet import Member, Watch
from tests.integration.harness import Device, make_device
from tests.integration.served import wait_for

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds worker processes in /proc")

PROMISE_S = 1.0
"""A change is in force in every worker within one second while the store is reachable."""
MAX_STALE_S = 5
L1_ENTRIES = 20
SETTINGS = {"max_stale_s": MAX_STALE_S, "l1_entries": L1_ENTRIES, "negative_s": 60, "timeout_ms": 300}
_serial = count(1)


class Fleet:
    """Both gateways, the store, and the proxy between the store and the second gateway."""

    def __init__(self, valkey: Valkey, proxy: FaultProxy, near: Member, far: Member) -> None:
        self.valkey = valkey
        self.proxy = proxy
        self.near = near
        self.far = far

    def device(self) -> Device:
        """A registered device that no other test knows."""
        device = make_device(f"dev{next(_serial)}")
        register(self.valkey, device)
        return device

    def revoke(self, device: Device) -> float:
        """Revoke a device; when that was done, in monotonic seconds."""
        with Store.connect(self.valkey.endpoint, "test") as store:
            assert not store.apply(StateChange("default", device.client_id, Action.REVOKE, "stolen")).outcome.refused
        return time.monotonic()

    @contextmanager
    def watched(self, device: Device) -> Iterator[tuple[list[Watch], list[Watch]]]:
        """All four workers serve a device and are watched: those of the near gateway, those of the far one.

        They have read the notice of its registration, too, and nothing takes it out of their memory any more.
        """
        noticed_s = time.monotonic() + PROMISE_S
        with ExitStack() as stack:
            near, far = (
                [stack.enter_context(Watch(stack.enter_context(client), device)) for client in member.clients()]
                for member in (self.near, self.far)
            )
            for watch in near + far:
                wait_for(lambda watch=watch: watch.said("", noticed_s))
            yield near, far


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Runs for all tests of this module; each brings a device of its own and leaves the proxy as it was."""
    base = tmp_path_factory.mktemp("fleet")
    (base / "vk").mkdir()
    with RecordingBackend() as backend, Valkey(base / "vk") as valkey, FaultProxy(valkey.socket) as proxy:
        near = Member(base / "near", backend.url, f"unix://{valkey.socket}", **SETTINGS)
        far = Member(base / "far", backend.url, f"unix://{proxy.address}", **SETTINGS)
        with near.served, far.served:
            yield Fleet(valkey, proxy, near, far)


@pytest.fixture(autouse=True)
def _unharmed(fleet: Fleet) -> Iterator[None]:
    yield
    fleet.proxy.resume()


@contextmanager
def bursts(proxy: FaultProxy, held_s: float) -> Iterator[None]:
    """Store traffic comes in bursts: held back and let through in turn."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(held_s):
            proxy.stall()
            done.wait(held_s)
            proxy.resume()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def in_force(watches: list[Watch], since_s: float) -> float:
    """Wait until every worker says that the key is revoked; seconds from `since_s` to the last request served."""
    for watch in watches:
        wait_for(lambda watch=watch: watch.said("key.revoked", since_s))
    return max(watch.last_served() for watch in watches) - since_s


def test_r25_revocation_is_in_force_everywhere_within_a_second(fleet: Fleet) -> None:
    device = fleet.device()
    with fleet.watched(device) as (near, far):
        revoked_s = fleet.revoke(device)
        took_s = in_force(near + far, revoked_s)
    assert took_s < PROMISE_S
    for watch in near + far:
        assert {sample.reason for sample in watch.since(revoked_s + PROMISE_S)} <= {"key.revoked"}


def test_r25_revocation_is_in_force_within_a_second_when_store_traffic_is_late(fleet: Fleet) -> None:
    device = fleet.device()
    with fleet.watched(device) as (near, far), bursts(fleet.proxy, 0.08):
        revoked_s = fleet.revoke(device)
        took_s = in_force(near + far, revoked_s)
    assert took_s < PROMISE_S
    assert not any(watch.said("", revoked_s + PROMISE_S) for watch in near + far)


FAULTS: dict[str, Callable[[FaultProxy], None]] = {
    "held back": lambda proxy: proxy.stall(),
    "reset": lambda proxy: proxy.refuse(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_r25_revocation_is_in_force_within_a_second_of_the_end_of_an_outage(fleet: Fleet, fault: str) -> None:
    """The far gateway cannot know; the near one is not concerned."""
    device = fleet.device()
    with fleet.watched(device) as (near, far):
        FAULTS[fault](fleet.proxy)
        revoked_s = fleet.revoke(device)
        assert in_force(near, revoked_s) < PROMISE_S
        # Longer than L1 answers alone: what is served now is served for want of the store.
        for watch in far:
            wait_for(lambda watch=watch: watch.said("", revoked_s + PROMISE_S))
        fleet.proxy.resume()
        back_s = time.monotonic()
        took_s = in_force(far, back_s)
    assert back_s - revoked_s < MAX_STALE_S - PROMISE_S, "too slow to tell the end of the outage from max_stale_s"
    assert took_s < PROMISE_S


@pytest.mark.parametrize("fault", FAULTS)
def test_r25_outage_never_serves_beyond_max_stale(fleet: Fleet, fault: str) -> None:
    device, other = fleet.device(), fleet.device()
    with fleet.watched(other) as (near_other, far_other), fleet.watched(device) as (_, far):
        FAULTS[fault](fleet.proxy)
        away_s = time.monotonic()
        revoked_s = fleet.revoke(device)
        for watch in far + far_other:
            wait_for(lambda watch=watch: watch.since(away_s + MAX_STALE_S + 0.5))
        for watch in far + far_other:
            late = {sample.reason for sample in watch.since(away_s + MAX_STALE_S)}
            assert late <= {"store.unavailable", "store.timeout"}, late
            assert watch.last_served() > revoked_s + PROMISE_S, "max_stale_s was not used"
        fleet.proxy.resume()
        back_s = time.monotonic()
        assert in_force(far, back_s) < 0, "the outage ended, and a revoked device was served"
        for watch in far_other:
            wait_for(lambda watch=watch: watch.said("", back_s))
            assert watch.first("", back_s) - back_s < PROMISE_S
    assert not any(sample.reason for watch in near_other for sample in watch.samples)


def test_r25_flood_of_unknown_ids_evicts_nobody_and_reaches_the_store_once_each(fleet: Fleet) -> None:
    device = fleet.device()
    flood = [Device(f"nobody-{number}", device.key, device.certificate) for number in range(10 * L1_ENTRIES)]
    asked: Counter[bytes] = Counter()
    client, spare = fleet.near.clients()
    with client, spare, fleet.watched(device) as (near, _), asked_for(fleet.valkey, asked):
        began_s = time.monotonic()
        for _ in range(3):
            for unknown in flood:
                assert client.ask(unknown.request("GET", "deployments")).reason == "key.unknown_client"
        for watch in near:
            wait_for(lambda watch=watch: watch.since(time.monotonic() - 0.1))
            assert {sample.reason for sample in watch.since(began_s)} == {""}
    times = Counter(asked[client_key("default", unknown.client_id)] for unknown in flood)
    assert set(times) == {1}
    assert asked[client_key("default", device.client_id)] == 0


@contextmanager
def asked_for(valkey: Valkey, names: Counter[bytes]) -> Iterator[None]:
    """Counts the keys of all GETs that reach the store meanwhile."""
    end = b"end-of-count"
    with valkey.client.monitor() as monitor:
        yield
        valkey.client.get(end)
        for seen in monitor.listen():
            words = seen["command"].split(" ")
            if words[0] == "GET":
                if words[1].encode() == end:
                    return
                names[words[1].encode()] += 1
