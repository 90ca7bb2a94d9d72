"""The parent process: keeps the sockets and the embedded store, starts workers and starts them again (R28)."""

import asyncio
import resource
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from gateway.config import Config, warnings
from gateway.observe.fleet import Fleet
from gateway.proxy import sockets
from gateway.proxy.activation import activated, spread, told
from gateway.proxy.keeper import GRACE_S, START_S, Keeper, NotReplaced, Orders, Say
from gateway.proxy.notify import Notify
from gateway.proxy.probe import check_store
from gateway.proxy.reread import reread
from gateway.proxy.run_file import Outcome, RunFile
from gateway.proxy.settings import Settings, pack
from gateway.proxy.tls_identity import check_identity
from gateway.reasons import ConfigError, Reason
from gateway.registry.embedded import Server as EmbeddedServer
from gateway.registry.store_url import EmbeddedStore, RemoteStore
from gateway.registry.targets import recording_target, request_target
from gateway.signature import engines, selftest
from gateway.signature.engine import Engine

if TYPE_CHECKING:
    from gateway.admin.daily import Daily
    from gateway.admin.listener import Listener
    from gateway.admin.observer import Observer

STORE_CHECK_S: Final = 0.5
DESCRIPTORS_WANTED: Final = 65_536
"""Open files to ask for where the system names no bound."""

DESCRIPTORS_BESIDE: Final = 128
"""What a worker opens besides connections: store, log, spool files, libraries."""


async def supervise(config: Config, say: Say, announce: Callable[[], None]) -> None:
    """Run the gateway until a signal ends it; see `Supervisor.run`."""
    await Supervisor(config, say, engines.choose(config.engine, config.source)).run(announce)


def raise_descriptor_limit(config: Config, say: Say) -> None:
    """Let this process and its workers open as many files as the system allows; say if that is too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else hard
    with suppress(OSError, ValueError):  # macOS has a lower bound of its own, which it does not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    backends = sum(upstream.connections * len(upstream.backends) for upstream in config.upstreams)
    needed = config.limits.connections + backends + DESCRIPTORS_BESIDE
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        say(f"WARNING: a worker may need {needed} open files and gets {soft}: raise that or lower limits.connections")


class Supervisor:
    """Runs the gateway until a signal ends it.

    SIGTERM and SIGINT drain; SIGHUP reads the configuration file again; SIGUSR2 replaces every worker.

    :param say: takes lines for the operator's eyes
    :param engine: what the self-test asks before a socket opens
    """

    def __init__(self, config: Config, say: Say, engine: Engine) -> None:
        self._config = config
        self._say = say
        self._engine = engine
        self._impatient = asyncio.Event()
        self._wanted = asyncio.Event()
        self._reread = False
        self._serial = 0
        self._notify = Notify("")
        self._run_file = RunFile(config.data_dir)
        self._store: RemoteStore | None = None
        self._recording: RemoteStore | None = None
        self._fleet = Fleet(config.worker_count, time.time())
        self._orders = Orders(b"", config.limits.drain_s, say, self._fleet)
        self._stopping = self._orders.stopping

    async def run(self, announce: Callable[[], None]) -> None:
        """Start everything, call `announce` when requests are served, and return after the drain.

        :raises ConfigError: config.native_module, cannot_listen, store_unreachable, unreadable
        """
        selftest.run(self._engine)
        config = self._config
        check_identity(config.listen)
        raise_descriptor_limit(config, self._say)
        target = request_target(config.store)
        count = config.worker_count
        self._notify = Notify.from_environment()
        listeners, unlink = self._listen(config, count)
        embedded: EmbeddedServer | None = None
        beside: list[Listener | Daily | Observer] = []
        tasks: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        loop.add_signal_handler(signal.SIGHUP, self._asked, True)
        loop.add_signal_handler(signal.SIGUSR2, self._asked, False)
        try:
            if isinstance(target, EmbeddedStore):
                embedded = EmbeddedServer(target)
                embedded.start()
                endpoint: RemoteStore = embedded.request
                recording: RemoteStore = embedded.onboarding
            else:
                endpoint = target
                recording = recording_target(config.store, target)
            await check_store(endpoint)
            if config.records:
                await check_store(recording)
            administered = None if embedded is None else embedded.admin
            await self._open_private(config, administered, beside)
            self._store, self._recording = endpoint, recording
            self._orders.settings = self._settings(config)
            keepers = [Keeper(index, one.fileno(), self._orders) for index, one in enumerate(listeners)]
            tasks = [loop.create_task(keeper.run()) for keeper in keepers]
            await self._all_ready([keeper.ready for keeper in keepers])
            self._fleet.started = True
            if not self._stopping.is_set():
                self._hold_run_file()
                announce()
                self._notify.ready("serving")
            await self._watch(embedded, keepers)
            self._fleet.draining = True
            self._notify.stopping()
            self._run_file.release()
            # First our copies: when the workers close theirs, the kernel refuses newcomers at once.
            sockets.close(listeners, unlink)
            await self._drain(keepers, tasks)
        finally:
            self._run_file.release()
            sockets.close(listeners, unlink)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in reversed(beside):
                await one.close()
            if embedded is not None:
                embedded.stop()

    async def _open_private(
        self, config: Config, administered: RemoteStore | None, beside: "list[Listener | Daily | Observer]"
    ) -> None:
        """Start what runs in this process beside the workers; `beside` is what must be closed again."""
        # Not imported by the workers, which import this module's neighbours.
        from gateway.admin.daily import Daily
        from gateway.admin.listener import Listener
        from gateway.admin.observer import Observer

        daily = Daily.start(config, administered)
        if daily is not None:
            beside.append(daily)
        if config.admin.bind is not None:
            beside.append(await Listener.start(config, administered))
        if config.observe.bind is None:
            return
        try:
            observer = await Observer.start(config, self._fleet, None if daily is None else daily.survey)
        except ConfigError as error:
            if config.observe.address is not None:
                raise
            # Nobody asked for that port: a second gateway on this machine must not need another file.
            self._say(f"WARNING: no dashboard, health and metrics: {error.message}; set observe.address")
            return
        beside.append(observer)
        self._say(f"dashboard, health and metrics at {observer.url}")

    def _settings(self, config: Config) -> bytes:
        """What the next worker is told."""
        assert self._store is not None
        recording = self._recording if config.records else None
        return pack(Settings(config, self._store, config.worker_count, recording))

    def _listen(self, config: Config, count: int) -> tuple[list[socket.socket], str]:
        """The sockets of the workers, and the name that goes with ours in the end."""
        passed = activated()
        if passed:
            where = ", ".join(dict.fromkeys(map(told, passed)))
            self._say(f"listening on {where}, passed by socket activation; listen.address does not count")
            return spread(passed, count), ""
        return sockets.listen(config.listen.bind, count), config.listen.bind.path

    def _hold_run_file(self) -> None:
        try:
            if self._run_file.hold():
                return
            why = "another gateway uses it"
        except OSError as error:
            why = (error.strerror or str(error)).lower()
        self._say(f"`wfm-gateway reload` will not find this gateway in {self._config.data_dir}: {why}; use SIGHUP")

    def _signalled(self) -> None:
        if self._stopping.is_set():
            self._impatient.set()
        self._stopping.set()
        self._wanted.set()

    def _asked(self, reread: bool) -> None:
        self._reread |= reread
        self._wanted.set()

    async def _all_ready(self, ready: list[asyncio.Future[None]]) -> None:
        stop = asyncio.ensure_future(self._stopping.wait())
        everyone = asyncio.gather(*ready)
        try:
            either: list[asyncio.Future[Any]] = [stop, everyone]
            await asyncio.wait(either, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
            if everyone.done():
                everyone.result()
            elif not stop.done():
                raise ConfigError(Reason.CONFIG_INVALID, f"the workers were not ready within {START_S:g} s")
        finally:
            stop.cancel()
            everyone.cancel()
            for one in ready:
                if not one.done():
                    one.cancel()

    async def _watch(self, embedded: EmbeddedServer | None, keepers: list[Keeper]) -> None:
        """Do what signals ask for until one ends the gateway; keep the embedded store alive meanwhile."""
        changing: asyncio.Task[None] | None = None
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), STORE_CHECK_S)
            if self._stopping.is_set():
                break
            if self._wanted.is_set() and (changing is None or changing.done()):
                self._wanted.clear()
                changing = asyncio.get_running_loop().create_task(self._change(keepers))
            elif changing is not None and not changing.done():
                await asyncio.wait([changing], timeout=STORE_CHECK_S)
            if embedded is not None and not embedded.alive():
                self._say("the embedded store died; starting it again")
                try:
                    embedded.restart()
                except ConfigError as error:
                    self._say(error.message)
        if changing is not None:
            # A worker that is being started comes to serve, and leaves with the others.
            await asyncio.wait([changing])

    async def _change(self, keepers: list[Keeper]) -> None:
        """Reload if that was asked for, and put new workers in the place of the old, one after the other."""
        reread_file, self._reread = self._reread, False
        self._serial += 1
        try:
            if reread_file:
                self._config, message = await self._reload(keepers)
            else:
                await self._replace(keepers)
                message = f"{len(keepers)} workers replaced"
            outcome = Outcome(self._serial, True, message)
        except (ConfigError, NotReplaced) as error:
            why = error.message if isinstance(error, ConfigError) else str(error)
            outcome = Outcome(self._serial, False, f"nothing changed: {why}")
        self._say(outcome.message)
        self._run_file.tell(outcome)
        self._notify.ready(outcome.message)

    async def _reload(self, keepers: list[Keeper]) -> tuple[Config, str]:
        after = reread(self._config)
        before = self._orders.settings
        self._orders.settings = self._settings(after)
        try:
            await self._replace(keepers)
        except NotReplaced:
            self._orders.settings = before
            # Those that were replaced already have the new settings: back with them.
            with suppress(NotReplaced):
                await self._replace(keepers)
            raise
        self._orders.drain_s = after.limits.drain_s
        for warning in warnings(after):
            self._say(f"WARNING: {warning}")
        return after, f"{after.source} read again; {len(keepers)} workers replaced"

    @staticmethod
    async def _replace(keepers: list[Keeper]) -> None:
        for keeper in keepers:
            await keeper.replace()

    async def _drain(self, keepers: list[Keeper], tasks: list[asyncio.Task[None]]) -> None:
        for keeper in keepers:
            keeper.signal(signal.SIGTERM)
        impatient = asyncio.ensure_future(self._impatient.wait())
        everyone = asyncio.gather(*tasks)
        timeout_s = self._orders.drain_s + GRACE_S
        either: list[asyncio.Future[Any]] = [impatient, everyone]
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        impatient.cancel()
        if not everyone.done():
            self._say("not everything was finished in time; ending the workers")
            for keeper in keepers:
                keeper.signal(signal.SIGKILL)
            await everyone
