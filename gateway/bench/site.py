"""A gateway of the benchmark's own: one backend that costs little, the embedded store, registered devices."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.bench.processes import Family, family, place
from gateway.demo.installation import free_port
from gateway.demo.pki import Identity
from gateway.demo.process import Child
from gateway.reasons import ConfigError, Reason
from gateway.registry.embedded import attach_or_start
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from gateway.registry.store_url import EmbeddedStore

PUBLIC_URL: Final = "https://wfm.example.com"
STORE: Final = "store"
_CONFIG: Final = """\
[listen]
address = "127.0.0.1:{port}"
public_url = "{public_url}"
workers = {workers}
[upstream]
url = "{upstream}"
[store]
url = "embedded:./{store}"
timeout_ms = 2000
"""


class Site(msgspec.Struct, frozen=True):
    """A running gateway: its port, its processes, and in words on which cores they are."""

    port: int
    family: Family
    cores: str


def register(folder: Path, identities: Sequence[Identity]) -> None:
    """Put the devices into the store in `folder`.

    :raises ConfigError: the store does not start, or does not take one of them
    """
    now_s = int(time.time())
    registrations = (prepare("default", one.name, one.certificate_pem, one.name, now_s) for one in identities)
    with attach_or_start(EmbeddedStore(folder / STORE)) as endpoint, Store.connect(endpoint, "bench") as store:
        for result in store.add_all(registrations):
            if result.outcome.refused:
                raise ConfigError(Reason.CONFIG_STORE, f"{result.client_id}: {result.sentence}")


@contextlib.asynccontextmanager
async def backend(folder: Path) -> AsyncIterator[Child]:
    """The backend, running.

    :raises ConfigError: it does not start
    """
    child = await Child.start(
        "the backend", ["-m", "gateway.bench.backend"], folder / "backend.log", lambda line: line.startswith("http://")
    )
    try:
        yield child
    finally:
        await child.stop()


@contextlib.asynccontextmanager
async def running(folder: Path, workers: int, behind: Child) -> AsyncIterator[Site]:
    """A gateway with so many workers on the store in `folder`, before the backend.

    :raises ConfigError: it does not start
    """
    port = free_port()
    config = folder / "gateway.toml"
    config.write_text(
        _CONFIG.format(port=port, public_url=PUBLIC_URL, workers=workers, upstream=behind.lines()[0], store=STORE)
    )
    gateway = await Child.start(
        "the gateway",
        ["-c", "from gateway.cli.main import main; main()", "serve", "-c", os.fspath(config)],
        folder / "gateway.log",
        lambda line: line.endswith(": ready"),
    )
    try:
        # A new store remembers from now on, and `created` counts whole seconds: signatures of the second in
        # which it began are refused as possibly seen before (R13).
        await asyncio.sleep(1.0 - time.time() % 1.0)
        found = family(gateway.pid)
        with _kept_cores():
            yield Site(port, found, place(found, (os.getpid(), behind.pid)))
    finally:
        await gateway.stop()


@contextlib.contextmanager
def _kept_cores() -> Iterator[None]:
    """This process gets its cores back in the end."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
