"""Signed requests through a gateway while its store fails: what was answered, what reached the backend, what a replay gets."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.registry.registration import prepare
from gateway.registry.store import Store
from gateway.registry.store_url import RemoteStore
from tests.integration.backend import RecordingBackend
from tests.integration.client import RawClient
from tests.integration.harness import Device, Gateway, make_config, make_device

PAUSE_S = 0.01


def register(store: RemoteStore, count: int) -> list[Device]:
    """Devices that the registry knows."""
    devices = [make_device(f"dev{number}") for number in range(count)]
    now_s = int(time.time())
    with Store.connect(store, "test") as registry:
        for device in devices:
            registry.add(prepare("default", device.client_id, device.certificate, "test", now_s))
    return devices


class Traffic:
    """A gateway before a recording backend, and devices that send requests, each from its own thread."""

    def __init__(self, store: RemoteStore, base: Path, devices: list[Device], **sections: Any) -> None:
        self._devices = devices
        self.backend = RecordingBackend()
        config = make_config(self.backend.url, base, **({"policy": {"replay": "all"}} | sections))
        self.gateway = Gateway(config, store)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(device,), daemon=True) for device in devices]
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        """How many requests got which answer: `200`, or status and reason of a refusal."""
        self.passed: list[tuple[float, bytes]] = []
        """Requests that the backend answered, and when that was."""
        self.without_retry_after = 0
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self.gateway.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()
        self.gateway.__exit__(kind, error, trace)
        self.backend.close()

    def pause(self) -> None:
        """Send no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        if self._failure is not None:
            raise self._failure

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Let requests flow until the condition holds."""
        end_s = time.monotonic() + 20
        while not condition():
            if self._failure is not None:
                raise self._failure
            assert time.monotonic() < end_s, f"did not come true: {self.outcomes}"
            time.sleep(0.01)

    def passes_again(self, count: int = 20) -> None:
        """Wait until so many more requests passed."""
        before = self.outcomes["200"]
        self.wait_for(lambda: self.outcomes["200"] >= before + count)

    def replay(self, requests: list[bytes]) -> Counter[str]:
        """Send requests once more."""
        found: Counter[str] = Counter()
        with RawClient(self.gateway.address) as client:
            for request in requests:
                found[_outcome(client.ask(request))] += 1
        return found

    def _send(self, device: Device) -> None:
        try:
            with RawClient(self.gateway.address) as client:
                while not self._stop.is_set():
                    request = device.request()
                    answer = client.ask(request)
                    with self._lock:
                        self.outcomes[_outcome(answer)] += 1
                        if answer.status == 200:
                            self.passed.append((time.time(), request))
                        elif answer.status == 503 and not answer.values(b"retry-after"):
                            self.without_retry_after += 1
                    self._stop.wait(PAUSE_S)
        except BaseException as error:
            self._failure = error


def _outcome(answer: Any) -> str:
    return "200" if answer.status == 200 else f"{answer.status} {answer.reason}"
