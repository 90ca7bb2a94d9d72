"""Two gateways with two workers each before one store, and watches that ask every worker all the time."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.integration.client import RawClient
from tests.integration.harness import PUBLIC, Device
from tests.integration.served import Served, free_port, wait_for

PAUSE_S = 0.01
CONFIG = """
[listen]
address = "127.0.0.1:{port}"
public_url = "{public}"
workers = 2
[upstream]
url = "{upstream}"
[store]
url = "{store}"
timeout_ms = {timeout_ms}
[registry]
max_stale_s = {max_stale_s}
l1_entries = {l1_entries}
negative_s = {negative_s}
"""


class Member:
    """One gateway of a fleet: its configuration, its port, and while it runs its workers."""

    def __init__(self, directory: Path, upstream: str, store: str, **registry: float) -> None:
        directory.mkdir()
        self.address = ("127.0.0.1", free_port())
        self.file = directory / "gateway.toml"
        self.file.write_text(
            CONFIG.format(port=self.address[1], public=PUBLIC, upstream=upstream, store=store, **registry)
        )
        self.served = Served("-c", str(self.file))

    def clients(self) -> list[RawClient]:
        """One connection to each worker."""
        found: dict[int, RawClient] = {}
        spare: list[RawClient] = []
        while len(found) < 2:
            client = RawClient(self.address)
            worker = wait_for(lambda made=client: self._holder(made))
            if found.setdefault(worker, client) is not client:
                spare.append(client)
        for client in spare:
            client.sock.close()
        return list(found.values())

    def _holder(self, client: RawClient) -> int | None:
        """Process id of the worker that has the other end of a connection; None before it is accepted."""
        ours, theirs = client.sock.getsockname()[1], self.address[1]
        ends = f":{theirs:04X} ", f":{ours:04X} "
        for line in Path("/proc/net/tcp").read_text().splitlines():
            local, remote = line.find(ends[0]), line.find(ends[1])
            if -1 < local < remote:
                name = f"socket:[{line.split()[9]}]"
                return next((pid for pid in self.served.workers() if _has(pid, name)), None)
        return None


def _has(pid: int, name: str) -> bool:
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return name in links


class Sample(NamedTuple):
    """One request: when it began (monotonic seconds), and what became of it ("" is served)."""

    began_s: float
    reason: str


class Watch:
    """Asks one worker in a device's name, again and again, in a thread; `samples` is what it was told."""

    def __init__(self, client: RawClient, device: Device) -> None:
        self.samples: list[Sample] = []
        self.failure: Exception | None = None
        self._client = client
        self._device = device
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30)
        if self.failure is not None and error is None:
            raise self.failure

    def since(self, began_s: float) -> list[Sample]:
        """What began at `began_s` or later."""
        assert self.failure is None, self.failure
        return [sample for sample in list(self.samples) if sample.began_s >= began_s]

    def said(self, reason: str, since_s: float = 0.0) -> bool:
        """Was that the answer to something that began at `since_s` or later?"""
        return any(sample.reason == reason for sample in self.since(since_s))

    def first(self, reason: str, since_s: float = 0.0) -> float:
        """When the first request with that answer began."""
        return next(sample.began_s for sample in self.since(since_s) if sample.reason == reason)

    def last_served(self) -> float:
        """When the last request that was served began."""
        return max(sample.began_s for sample in self.samples if not sample.reason)

    def _run(self) -> None:
        try:
            while not self._stop.wait(PAUSE_S):
                request = self._device.request("GET", "deployments")
                began_s = time.monotonic()
                got = self._client.ask(request)
                self.samples.append(Sample(began_s, "" if got.status == 200 else got.reason))
        except Exception as error:
            self.failure = error
