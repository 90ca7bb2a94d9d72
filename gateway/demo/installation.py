"""A whole installation in one folder: demo WFM, gateway with its embedded store, certificates in the registry."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from gateway.demo.pki import Identity
from gateway.demo.process import Child
from gateway.demo.wfm import COUNTS_PATH, MARKED
from gateway.reasons import ConfigError, Reason
from gateway.registry.embedded import attach_or_start
from gateway.registry.operations import Action, prepare_change
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from gateway.registry.store_url import EmbeddedStore

PUBLIC_URL: Final = "https://wfm.example.com"
"""What the devices believe to talk to: TLS ends at a load balancer that the demo leaves out."""
REALM: Final = "default"
STORE: Final = "store"
CA_FILE: Final = "ca.pem"
"""The authority of the demo's devices, in the folder."""

_CONFIG: Final = """\
# Made by `wfm-gateway demo`.
[listen]
address = "{address}"
public_url = "{public_url}"
{workers}
[upstream]
url = "{upstream}"

[store]
url = "embedded:./{store}"
# A laptop's disk may stall for longer than a server's should; the demo is about verdicts.
timeout_ms = 2000

[observe]
address = "{observe}"

[onboarding]
mode = "proxy"
trust = ["ca"]
root_ca = "{ca}"
rotation = true

[[onboarding.ca]]
file = "{ca}"
tenant = "demo"
"""


class Installation(msgspec.Struct, frozen=True):
    """Where everything is: the folder, the gateway's, its dashboard's and the WFM's base URL, and the processes."""

    folder: Path
    gateway_url: str
    dashboard_url: str
    wfm_url: str
    gateway: Child
    wfm: Child

    @property
    def config_file(self) -> Path:
        """The gateway's configuration."""
        return self.folder / "gateway.toml"

    async def reached(self) -> int | None:
        """How many of the demo's signed requests have reached the WFM, as it counted them; None if it does not tell."""
        try:
            async with aiohttp.ClientSession() as session, session.get(self.wfm_url + COUNTS_PATH) as response:
                counts: dict[str, int] = await response.json()
        except aiohttp.ClientError:
            return None
        return counts.get(MARKED, 0)

    def register(self, identities: Sequence[Identity]) -> None:
        """Bind each identity's certificate to the client id that is its name, in bulk, while the gateway runs.

        :raises ConfigError: the store cannot be reached, or does not take one of them
        """
        now_s = int(time.time())
        registrations = (prepare(REALM, one.name, one.certificate_pem, one.name, now_s) for one in identities)
        with (
            attach_or_start(EmbeddedStore(self.folder / STORE)) as endpoint,
            Store.connect(endpoint, "demo") as store,
        ):
            for result in store.add_all(registrations):
                if result.outcome.refused:
                    raise ConfigError(Reason.CONFIG_STORE, f"{result.client_id}: {result.sentence}")

    def revoke(self, client_id: str) -> None:
        """Revoke a client, while the gateway runs.

        :raises ConfigError: the store cannot be reached, or does not know it
        """
        change = prepare_change(REALM, client_id, Action.REVOKE, "to show it in the demo")
        with (
            attach_or_start(EmbeddedStore(self.folder / STORE)) as endpoint,
            Store.connect(endpoint, "demo") as store,
        ):
            result = store.apply(change)
            if result.outcome.refused:
                raise ConfigError(Reason.CONFIG_STORE, f"{client_id}: {result.sentence}")


@contextlib.asynccontextmanager
async def running(folder: Path, workers: int | None) -> AsyncIterator[Installation]:
    """Start WFM and gateway in `folder`, where `CA_FILE` is already, and stop both in the end.

    :raises ConfigError: one of them does not start
    """
    wfm = await Child.start(
        "the demo WFM",
        ["-m", "gateway.demo.wfm", "--listen", "127.0.0.1:0"],
        folder / "wfm.log",
        lambda line: line.startswith("http://"),
    )
    try:
        wfm_url = wfm.lines()[0]
        address, observe = (f"127.0.0.1:{free_port()}" for _ in range(2))
        lines = f"workers = {workers}\n" if workers else ""
        config = _CONFIG.format(
            address=address,
            observe=observe,
            public_url=PUBLIC_URL,
            workers=lines,
            upstream=wfm_url,
            store=STORE,
            ca=CA_FILE,
        )
        config_file = folder / "gateway.toml"
        config_file.write_text(config)
        gateway = await Child.start(
            "the gateway",
            ["-c", "from gateway.cli.main import main; main()", "serve", "-c", os.fspath(config_file)],
            folder / "gateway.log",
            lambda line: line.endswith(": ready"),
        )
        try:
            # A new store remembers from now on, and `created` counts whole seconds: signatures of the second in
            # which it began are refused as possibly seen before (R13).
            await asyncio.sleep(1.0 - time.time() % 1.0)
            yield Installation(folder, f"http://{address}", f"http://{observe}/", wfm_url, gateway, wfm)
        finally:
            await gateway.stop()
    finally:
        await wfm.stop()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
