"""The parent process: keeps the sockets and the embedded store, starts workers and starts them again (R28)."""

import asyncio
import os
import resource
import signal
import site
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from gateway.config import Config
from gateway.proxy import sockets
from gateway.proxy.probe import check_store
from gateway.proxy.settings import READY, Settings, pack
from gateway.reasons import ConfigError, Reason
from gateway.registry.embedded import Server as EmbeddedServer
from gateway.registry.store_url import EmbeddedStore, RemoteStore
from gateway.registry.targets import recording_target, request_target
from gateway.signature import selftest
from gateway.signature.engine import CryptographyEngine, Engine

if TYPE_CHECKING:
    from gateway.admin.daily import Daily
    from gateway.admin.listener import Listener

START_S: Final = 30.0
"""How long the first workers may take to be ready."""

SHORT_LIFE_S: Final = 5.0
"""A worker that dies younger is started again only after a pause, which doubles each time."""

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
STORE_CHECK_S: Final = 0.5
DESCRIPTORS_WANTED: Final = 65_536
"""Open files to ask for where the system names no bound."""

DESCRIPTORS_BESIDE: Final = 128
"""What a worker opens besides connections: store, log, spool files, libraries."""

GRACE_S: Final = 5.0
"""Beyond `limits.drain_s`, before a worker that does not leave is killed."""

Say = Callable[[str], None]


async def supervise(config: Config, say: Say, announce: Callable[[], None]) -> None:
    """Run the gateway until a signal ends it; see `Supervisor.run`."""
    await Supervisor(config, say, CryptographyEngine()).run(announce)


def raise_descriptor_limit(config: Config, say: Say) -> None:
    """Let this process and its workers open as many files as the system allows; say if that is too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else hard
    with suppress(OSError, ValueError):  # macOS has a lower bound of its own, which it does not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    needed = config.limits.connections + config.upstream.connections + DESCRIPTORS_BESIDE
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        say(f"WARNING: a worker may need {needed} open files and gets {soft}: raise that or lower limits.connections")


class Supervisor:
    """Runs the gateway until a signal ends it.

    :param say: takes lines for the operator's eyes
    :param engine: what the self-test asks before a socket opens
    """

    def __init__(self, config: Config, say: Say, engine: Engine) -> None:
        self._config = config
        self._say = say
        self._engine = engine
        self._stopping = asyncio.Event()
        self._impatient = asyncio.Event()
        self._running: dict[int, asyncio.subprocess.Process] = {}

    async def run(self, announce: Callable[[], None]) -> None:
        """Start everything, call `announce` when requests are served, and return after the drain.

        :raises ConfigError: config.native_module, cannot_listen, store_unreachable, unreadable
        """
        selftest.run(self._engine)
        config = self._config
        raise_descriptor_limit(config, self._say)
        target = request_target(config.store)
        count = config.worker_count
        listeners = sockets.listen(config.listen.bind, count)
        embedded: EmbeddedServer | None = None
        admin: Listener | Daily | None = None
        keepers: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
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
            if config.admin.bind is not None:
                from gateway.admin import listener  # most gateways do without it, and without aiohttp here

                admin = await listener.Listener.start(config, administered)
            else:
                from gateway.admin import daily

                admin = daily.Daily.start(config, administered)
            ready: list[asyncio.Future[None]] = [loop.create_future() for _ in range(count)]
            settings = pack(Settings(config, endpoint, count, recording if config.records else None))
            keepers = [
                loop.create_task(self._keep(index, listeners[index].fileno(), settings, ready[index]))
                for index in range(count)
            ]
            await self._all_ready(ready)
            if not self._stopping.is_set():
                announce()
            await self._watch(embedded)
            # First our copies: when the workers close theirs, the kernel refuses newcomers at once.
            sockets.close(listeners, config.listen.bind)
            await self._drain(keepers)
        finally:
            sockets.close(listeners, config.listen.bind)
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            if admin is not None:
                await admin.close()
            if embedded is not None:
                embedded.stop()

    def _signalled(self) -> None:
        if self._stopping.is_set():
            self._impatient.set()
        self._stopping.set()

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

    async def _watch(self, embedded: EmbeddedServer | None) -> None:
        """Wait for a signal; keep the embedded store alive meanwhile."""
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), STORE_CHECK_S)
            if embedded is not None and not self._stopping.is_set() and not embedded.alive():
                self._say("the embedded store died; starting it again")
                try:
                    embedded.restart()
                except ConfigError as error:
                    self._say(error.message)

    async def _drain(self, keepers: list[asyncio.Task[None]]) -> None:
        for process in self._running.values():
            _signal(process, signal.SIGTERM)
        impatient = asyncio.ensure_future(self._impatient.wait())
        everyone = asyncio.gather(*keepers)
        timeout_s = self._config.limits.drain_s + GRACE_S
        either: list[asyncio.Future[Any]] = [impatient, everyone]
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        impatient.cancel()
        if not everyone.done():
            self._say("not everything was finished in time; ending the workers")
            for process in self._running.values():
                _signal(process, signal.SIGKILL)
            await everyone

    async def _keep(self, index: int, listen_fd: int, settings: bytes, ready: "asyncio.Future[None]") -> None:
        """Run one worker, and another one in its place whenever it ends, until the gateway stops.

        Its socket stays open here all the time, so connections that wait in it are served by the next worker.
        """
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            born_s = loop.time()
            try:
                process, told = await self._spawn(listen_fd, settings)
            except OSError as error:
                # No memory, processes or descriptors at the moment: nobody else would start this worker later.
                if not ready.done():
                    why = f"a worker could not start ({error.strerror})"
                    ready.set_exception(ConfigError(Reason.CONFIG_INVALID, why))
                    return
                self._say(f"worker {index} could not be started: {error.strerror}; trying again")
                pause_s = await self._pause(pause_s)
                continue
            self._running[index] = process
            if self._stopping.is_set():
                _signal(process, signal.SIGTERM)
            try:
                if await told and not ready.done():
                    ready.set_result(None)
                status = await process.wait()
            except asyncio.CancelledError:
                _signal(process, signal.SIGKILL)
                await process.wait()
                raise
            finally:
                del self._running[index]
            if self._stopping.is_set():
                return
            if not ready.done():
                ready.set_exception(ConfigError(Reason.CONFIG_INVALID, f"a worker could not start ({_ended(status)})"))
                return
            self._say(f"worker {index} (pid {process.pid}) ended: {_ended(status)}; starting another")
            if loop.time() - born_s >= SHORT_LIFE_S:
                pause_s = FIRST_PAUSE_S
                continue
            pause_s = await self._pause(pause_s)

    async def _pause(self, pause_s: float) -> float:
        """Wait, but for a stopping gateway; returns how long to wait the next time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause_s)
        return min(2 * pause_s, LONGEST_PAUSE_S)

    async def _spawn(
        self, listen_fd: int, settings: bytes
    ) -> tuple[asyncio.subprocess.Process, "asyncio.Future[bool]"]:
        """Start a worker. The future tells whether it came to serve (True) or ended before (False)."""
        loop = asyncio.get_running_loop()
        read_fd, write_fd = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                # Not from the folder we happen to be in.
                "-P",
                "-m",
                "gateway.proxy.worker",
                str(listen_fd),
                str(write_fd),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(listen_fd, write_fd),
                env=_environment(),
            )
        except BaseException:
            os.close(read_fd)
            raise
        finally:
            os.close(write_fd)
        told: asyncio.Future[bool] = loop.create_future()

        def heard() -> None:
            loop.remove_reader(read_fd)
            data = os.read(read_fd, 1)
            os.close(read_fd)
            if not told.done():
                told.set_result(data == READY)

        loop.add_reader(read_fd, heard)
        assert process.stdin is not None
        with suppress(ConnectionError):
            process.stdin.write(settings)
            await process.stdin.drain()
        # The pipe stays open: its end is how a worker learns that we are gone.
        return process, told


def _environment() -> dict[str, str]:
    """Ours, and where this very package is, if that is not a place where Python looks by itself."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = dict(os.environ)
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = root if not before else root + os.pathsep + before
    return environment


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


def _ended(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
