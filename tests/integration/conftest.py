"""Fixtures: a real Valkey, a device that is registered in it, a recording backend, and gateways in front of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.registry.keys import EPOCH
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from gateway.registry.store_url import Endpoint
from tests.fault.valkey import Valkey
from tests.integration.backend import RecordingBackend
from tests.integration.client import RawClient
from tests.integration.harness import Device, Gateway, make_config, make_device

MakeGateway = Callable[..., Gateway]


@pytest.fixture(scope="session")
def _valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("vk")) as server:
        yield server


@pytest.fixture
def valkey(_valkey: Valkey) -> Valkey:
    """A server without clients, which has remembered replay claims for an hour."""
    _valkey.client.flushall()
    _valkey.client.set(EPOCH, int((time.time() - 3600) * 1000))
    return _valkey


@pytest.fixture(scope="session")
def _device() -> Device:
    return make_device("dev1")


def register(valkey: Valkey, device: Device) -> None:
    """Make a device known in realm `default`."""
    registration = prepare("default", device.client_id, device.certificate, "test", int(time.time()))
    with Store.connect(valkey.endpoint, "test") as store:
        store.add(registration)


@pytest.fixture
def device(_device: Device, valkey: Valkey) -> Device:
    """A registered P-256 device."""
    register(valkey, _device)
    return _device


@pytest.fixture
def backend() -> Iterator[RecordingBackend]:
    """Records every octet, answers 200."""
    with RecordingBackend() as made:
        yield made


@pytest.fixture(params=["native", "aiohttp"])
def plane(request: pytest.FixtureRequest) -> str:
    """`listen.plane`: what holds on one must hold on the other."""
    return str(request.param)


@pytest.fixture
def make_gateway(plane: str, valkey: Valkey, backend: RecordingBackend, tmp_path: Path) -> Iterator[MakeGateway]:
    """Starts gateways with sections of the configuration as keyword arguments."""
    with ExitStack() as stack:

        def make(
            *,
            clock: Any = None,
            upstream_url: str | None = None,
            store: Endpoint | None = None,
            recording: Endpoint | None = None,
            **sections: Any,
        ) -> Gateway:
            sections["listen"] = {"plane": plane, **sections.get("listen", {})}
            config = make_config(upstream_url or backend.url, tmp_path, **sections)
            return stack.enter_context(Gateway(config, store or valkey.endpoint, clock, recording))

        yield make


@pytest.fixture
def gateway(make_gateway: MakeGateway, device: Device) -> Gateway:
    """A gateway with the defaults."""
    return make_gateway()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[RawClient]:
    """A connection to `gateway`."""
    with RawClient(gateway.address) as made:
        yield made
