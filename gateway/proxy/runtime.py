"""Puts one worker together: store link, pipeline, backend pool and server, around one event loop."""

import asyncio
from pathlib import Path
from typing import Final

from gateway.clock import Clock
from gateway.config import Config
from gateway.observe.decisions import Decisions
from gateway.observe.log import Log
from gateway.onboarding import authorities
from gateway.onboarding.crl import Crls
from gateway.pipeline import Pipeline
from gateway.proxy.crl_refresh import CrlRefresh
from gateway.proxy.exchange import Exchange
from gateway.proxy.server import Server
from gateway.proxy.spool import Spool
from gateway.proxy.upstream import Upstream
from gateway.proxy.verifier import Immediate
from gateway.registry.claims import Claims
from gateway.registry.directory import Directory
from gateway.registry.revocations import Revocations
from gateway.registry.link import Link
from gateway.registry.store_url import Endpoint
from gateway.signature.engine import CryptographyEngine

_LEVELS = {
    "store.connected": "info",
    "changes.following": "info",
    "changes.restarted": "info",
    "crl.loaded": "info",
}
"""Log levels of what the registry and revocation lists report; everything else is trouble."""

CRL_PATIENCE_S: Final = 5.0
"""How long a start waits for revocation lists: without them devices may be refused for nothing."""


class Runtime:
    """Everything that serves requests in one process. Make it on a running loop.

    :param workers: how many share the room for spooled bodies
    :raises ConfigError: config.unreadable for TLS files, config.unreadable and config.invalid for authorities
    """

    def __init__(self, config: Config, store: Endpoint, log: Log, clock: Clock, workers: int = 1) -> None:
        loop = asyncio.get_running_loop()
        self._log = log
        self.link = Link(store, clock, loop, timeout_s=config.store.timeout_ms / 1000, report=self._report)
        self.directory = Directory(
            self.link,
            entries=config.registry.l1_entries,
            max_stale_s=config.registry.max_stale_s,
            negative_s=config.registry.negative_s,
            report=self._report,
        )
        self.revocations = Revocations(config.onboarding.stale_crl == "refuse")
        crls = Crls(config.onboarding.ca, authorities.read_all(config.onboarding), self.revocations)
        folder = Path(config.data_dir, "crl")
        self.crl_refresh = CrlRefresh(crls, config.onboarding.crl_refresh_s, folder, clock, self._report)
        self.upstream = Upstream(config.upstream)
        limits = config.limits
        self.spool = Spool(config.data_dir, limits.spool_bytes, max(1, limits.spool_total_bytes // workers))
        self.exchange = Exchange(
            config,
            Pipeline(config, clock, self.revocations),
            self.directory,
            Claims(self.link, self.directory.changes),
            self.directory.changes,
            Immediate(CryptographyEngine()),
            self.upstream,
            self.spool,
            Decisions(config, log, clock),
            clock,
        )
        self.server = Server(self.exchange, limits, log)

    async def start(self, patience_s: float) -> None:
        """Connect to the store, and give it `patience_s` to be there: without it the worker serves all the same, and
        says 503 where it must ask."""
        self.link.start()
        self.directory.start()
        try:
            await asyncio.wait_for(self.link.ready(), patience_s)
        except TimeoutError:
            self._log.line("warning", "store.missing", detail="serving without the store until it can be reached")
        await self.crl_refresh.start(CRL_PATIENCE_S)

    async def stop(self) -> None:
        """Close what is open; requests must be done by now."""
        await self.crl_refresh.close()
        self.directory.close()
        self.link.close()
        await self.upstream.close()
        self.spool.close()

    def _report(self, event: str, detail: str) -> None:
        self._log.line(_LEVELS.get(event, "error"), event, detail=detail)
