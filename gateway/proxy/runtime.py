"""Puts one worker together: store link, pipeline, backend pool and server, around one event loop."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from gateway._native import InboundServer
from gateway.clock import Clock
from gateway.config import Config
from gateway.explain.brief import Brief
from gateway.limiting.in_flight import in_flight_of
from gateway.limiting.limiter import limiter_of
from gateway.limiting.shared import shared_over
from gateway.observe.decisions import Decisions
from gateway.observe.log import Log
from gateway.observe.page import Page
from gateway.observing import pipeline_for
from gateway.onboarding.bundles import Bundles
from gateway.onboarding.certificate_api import RootCa
from gateway.onboarding.crl import Crls
from gateway.onboarding.rotation import Rotations
from gateway.onboarding.tofu import FirstContact
from gateway.proxy.ca_refresh import CaRefresh
from gateway.proxy.crl_refresh import CrlRefresh
from gateway.proxy.door import Door
from gateway.proxy.driver import Driver
from gateway.proxy.enrolling import Enrolling
from gateway.proxy.exchange import Exchange
from gateway.proxy.figures import Figures
from gateway.proxy.inbound import native_server
from gateway.proxy.journal import Journal
from gateway.proxy.native_turn import NativeTurn
from gateway.proxy.onboarding import Onboarding
from gateway.proxy.origin import Origin
from gateway.proxy.pool import BackendPool
from gateway.proxy.rotation import Rotating
from gateway.proxy.server import Server
from gateway.proxy.spool import Spool
from gateway.proxy.tls_identity import TlsIdentity
from gateway.proxy.upstream import Upstream
from gateway.proxy.upstreams import Turn, Upstreams
from gateway.proxy.verifier import Verifier
from gateway.registry.directory import Directory
from gateway.registry.figures import StoreFigures
from gateway.registry.links import AnyLink, claims_on, link_to, recorder_on
from gateway.registry.revocations import Revocations
from gateway.registry.store_url import Endpoint, RemoteStore
from gateway.signature import engines

RECORDING_TIMEOUT_S: Final = 5.0
"""A change of the registry may wait for the disk, which is written once a second."""

ENROLLING_PATIENCE_S: Final = 10.0
"""How long the end of the worker waits for devices that the WFM has been asked about."""

_LEVELS = {
    "store.connected": "info",
    "changes.following": "info",
    "changes.restarted": "info",
    "onboarding.enrolled": "info",
    "onboarding.settled": "info",
    "ca.loaded": "info",
    "crl.loaded": "info",
    "origin.answering": "info",
    "upstream.up": "info",
    "upstream.ejected": "warning",
    "limits.shared": "info",
    "limits.alone": "warning",
}
"""Log levels of what the registry and revocation lists report; everything else is trouble."""

CRL_PATIENCE_S: Final = 5.0
"""How long a start waits for revocation lists: without them devices may be refused for nothing."""


class Runtime:
    """Everything that serves requests in one process. Make it on a running loop.

    :param workers: how many share the room for spooled bodies
    :param page: where this worker counts; None: where nobody looks
    :param recording: the same store for a user who may record devices (R27); None: `store`'s user may
    :raises ConfigError: config.unreadable for TLS files, config.unreadable and config.invalid for authorities
    """

    def __init__(
        self,
        config: Config,
        store: RemoteStore,
        log: Log,
        clock: Clock,
        workers: int = 1,
        recording: RemoteStore | None = None,
        page: Page | None = None,
    ) -> None:
        page = page or Page()
        loop = asyncio.get_running_loop()
        self._log = log
        figures = StoreFigures()
        timeout_s = config.store.timeout_ms / 1000
        self.link = link_to(store, clock, loop, timeout_s=timeout_s, report=self._report, figures=figures)
        self.revocations = Revocations(config.onboarding.stale_crl == "refuse")
        writer = recording or store
        self._durable = isinstance(writer, Endpoint) and writer.embedded
        self.recording: AnyLink | None = None
        self.origin: Origin | None = None
        if config.records:
            # Whoever waits for the disk blocks this connection (WAITAOF), and nothing else.
            patience = {"timeout_s": RECORDING_TIMEOUT_S, "drop_after_s": 2 * RECORDING_TIMEOUT_S}
            self.recording = link_to(writer, clock, loop, **patience)
        if self.recording is not None and config.registry.origin is not None:
            # What is lost can be asked for again: no need to wait for the disk.
            recorder = recorder_on(self.recording, "origin", clock, durable=False)
            self.origin = Origin(
                config.registry, recorder, clock, workers=workers, revocations=self.revocations, report=self._report
            )
        self.directory = Directory(
            self.link,
            entries=config.registry.l1_entries,
            octets=config.registry.l1_bytes,
            max_stale_s=config.registry.max_stale_s,
            negative_s=config.registry.negative_s,
            report=self._report,
            origin=self.origin,
        )
        bundles = Bundles(config.onboarding)
        crls = Crls(bundles, self.revocations)
        folder = Path(config.data_dir, "crl")
        self.crl_refresh = CrlRefresh(crls, config.onboarding.crl_refresh_s, folder, clock, self._report)
        self.ca_refresh = CaRefresh(bundles, self.crl_refresh.restart, self._report)
        native: Upstreams[BackendPool, NativeTurn] | None = None
        self.upstream: Upstreams[BackendPool, NativeTurn] | Upstreams[Upstream, Turn[Upstream]]
        if config.listen.plane == "native":
            # One plane has one pool for each server, whoever asks it.
            make = partial(BackendPool, clock=clock)
            self.upstream = native = Upstreams(config.upstreams, clock, self._report, make, NativeTurn)
        else:
            over_aiohttp = partial(Upstream, clock=clock)
            self.upstream = Upstreams(config.upstreams, clock, self._report, over_aiohttp, Turn[Upstream])
        self.onboarding: Onboarding | None = None
        if self.recording is not None and config.onboarding.mode != "off":
            self.onboarding = self._make_onboarding(config, self.recording, clock)
        limiter = limiter_of(config.rate, workers)
        in_flight = in_flight_of(config.limits.in_flight, workers)
        self.shared = None if limiter is None else shared_over(self.link, limiter.shared, self._report)
        pipeline = pipeline_for(config, clock, self.revocations, bundles, Brief(config, clock), limiter)
        engine = engines.choose(config.engine, config.source)
        verifier = Verifier(engine, loop)
        limits = config.limits
        self.spool = Spool(config.data_dir, limits.spool_bytes, max(1, limits.spool_total_bytes // workers))
        claims = claims_on(self.link, self.directory.changes, self._report, figures)
        decisions = Decisions(config, log, clock, page)
        self.exchange = Exchange(
            config,
            pipeline,
            self.directory,
            claims,
            verifier,
            self.upstream,
            self.spool,
            decisions,
            clock,
            self.onboarding,
            None if config.onboarding.root_ca is None else RootCa(config.onboarding.root_ca, self._report),
            self._make_rotating(config, pipeline.rotations, verifier, clock),
            in_flight,
        )
        self.server: Server | InboundServer
        if native is None:
            self.server = Server(self.exchange, limits, log)
        else:
            self.driver = Driver(
                config,
                pipeline,
                self.directory,
                claims,
                verifier,
                native,
                decisions,
                clock,
                self.exchange,
                in_flight,
            )
            self.server = native_server(self.driver, limits, log)
        self.figures = Figures(
            page,
            self.server,
            self.directory,
            self.link,
            figures,
            self.upstream,
            log,
            decisions.failures,
            config.listen.plane,
            engine.name,
            loop,
        )
        listen = config.listen
        self._identity: TlsIdentity | None = None
        if listen.tls_cert is not None and listen.tls_key is not None:
            self._identity = TlsIdentity(listen.tls_cert, listen.tls_key, log)
        self.door = Door(self.server, listen, limits, log, self._identity)

    def _make_onboarding(self, config: Config, link: AnyLink, clock: Clock) -> Onboarding:
        recorder = recorder_on(link, "onboarding", clock, self._durable)
        enrolling = Enrolling(link, recorder, FirstContact(config.onboarding), clock)
        journal = Journal(Path(config.data_dir, "onboarding"))
        return Onboarding(config, self.link, enrolling, journal, self.upstream, clock, self._report)

    def _make_rotating(
        self, config: Config, rotations: Rotations | None, verifier: Verifier, clock: Clock
    ) -> Rotating | None:
        if rotations is None or self.recording is None:
            return None
        recorder = recorder_on(self.recording, "device", clock, self._durable)
        return Rotating(config.onboarding, rotations, self.link, recorder, verifier, clock, self.directory.changed)

    async def start(self, patience_s: float) -> None:
        """Connect to the store, and give it `patience_s` to be there: without it the worker serves all the same, and
        says 503 where it must ask."""
        if self._identity is not None:
            self._identity.follow()
        self.link.start()
        if self.recording is not None:
            self.recording.start()
        self.directory.start()
        try:
            await asyncio.wait_for(self.link.ready(), patience_s)
        except TimeoutError:
            self._log.line("warning", "store.missing", detail="serving without the store until it can be reached")
        if self.shared is not None:
            self.shared.start()
        self.upstream.start()
        await self.crl_refresh.start(CRL_PATIENCE_S)
        self.ca_refresh.start()
        if self.onboarding is not None:
            self.onboarding.start()
        self.figures.start()

    async def stop(self) -> None:
        """Close what is open; requests must be done by now."""
        self.figures.close()
        if self._identity is not None:
            self._identity.close()
        if self.onboarding is not None:
            await self.onboarding.close(ENROLLING_PATIENCE_S)
        if self.origin is not None:
            await self.origin.close()
        if self.recording is not None:
            self.recording.close()
        await self.ca_refresh.close()
        await self.crl_refresh.close()
        if self.shared is not None:
            self.shared.close()
        self.directory.close()
        self.link.close()
        await self.upstream.close()
        self.spool.close()

    def _report(self, event: str, detail: str) -> None:
        self._log.line(_LEVELS.get(event, "error"), event, detail=detail)
