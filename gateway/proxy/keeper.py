"""Keeps one worker running on one listening socket: another in its place when it ends, or when it is to be replaced."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from gateway.observe.fleet import Fleet
from gateway.proxy.settings import REPLACED
from gateway.proxy.spawn import Worker, ended, spawn
from gateway.reasons import ConfigError, Reason

START_S: Final = 30.0
"""How long a worker may take to be ready."""

GRACE_S: Final = 5.0
"""Beyond `limits.drain_s`, before a worker that does not leave is killed."""

SHORT_LIFE_S: Final = 5.0
"""A worker that dies younger is started again only after a pause, which doubles each time."""

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0

Say = Callable[[str], None]


class Orders:
    """What all keepers of one gateway share: the settings that the next worker gets, what workers count, and whether it
    ends."""

    def __init__(self, settings: bytes, drain_s: float, say: Say, fleet: Fleet) -> None:
        self.settings = settings
        self.fleet = fleet
        self.drain_s = drain_s
        self.say = say
        self.stopping = asyncio.Event()


class NotReplaced(Exception):
    """A new worker did not come to serve; the present one goes on."""


class Keeper:
    """One worker at a time, and those that finish what they have begun.

    Its socket stays open in this process all the time, so connections that wait in it are served by the next worker
    (R28).
    """

    def __init__(self, index: int, listen_fd: int, orders: Orders) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._index = index
        self._listen_fd = listen_fd
        self._orders = orders
        self._current: Worker | None = None
        self._leaving: dict[Worker, asyncio.Task[None]] = {}
        self._replaced = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Keep a worker running until the gateway stops and it has left.

        `ready` is done when the first one serves, or has the ConfigError that tells why it does not.
        """
        try:
            await self._keep()
            await asyncio.gather(*self._leaving.values())
        except asyncio.CancelledError:
            await self._kill_all()
            raise

    def signal(self, number: int) -> None:
        """To every process of this place."""
        if self._current is not None:
            self._current.signal(number)
        for worker in self._leaving:
            worker.signal(number)

    async def replace(self) -> None:
        """Start a worker with the present settings, and let the old one finish and leave.

        :raises NotReplaced: the new one does not serve; the old one stays
        """
        async with self._one_at_a_time:
            if self._orders.stopping.is_set():
                return
            try:
                worker = await spawn(self._listen_fd, self._orders.settings, self._orders.fleet)
            except OSError as error:
                raise NotReplaced(f"worker {self._index} could not be started: {error.strerror}") from None
            try:
                serves = await asyncio.wait_for(worker.told, START_S)
            except TimeoutError:
                serves = False
            except asyncio.CancelledError:
                worker.signal(signal.SIGKILL)
                await worker.process.wait()
                raise
            if not serves:
                worker.signal(signal.SIGKILL)
                status = await worker.process.wait()
                raise NotReplaced(f"a new worker {self._index} did not come to serve ({ended(status)})")
            old, self._current = self._current, worker
            self._replaced.set()
            if self._orders.stopping.is_set():
                worker.signal(signal.SIGTERM)
            if old is not None:
                self._leaving[old] = asyncio.get_running_loop().create_task(self._dismiss(old))
                # Until then it still takes connections, and answers by the settings of before.
                await asyncio.wait([old.closed], timeout=START_S)

    async def _dismiss(self, worker: Worker) -> None:
        """Let a worker finish, in as much time as a drain has."""
        worker.signal(REPLACED)
        try:
            await asyncio.wait_for(worker.process.wait(), self._orders.drain_s + GRACE_S)
        except TimeoutError:
            worker.signal(signal.SIGKILL)
            await worker.process.wait()
        finally:
            del self._leaving[worker]

    async def _kill_all(self) -> None:
        self.signal(signal.SIGKILL)
        if self._current is not None:
            await self._current.process.wait()
        for task in list(self._leaving.values()):
            with suppress(asyncio.CancelledError):
                await task

    async def _keep(self) -> None:
        orders, ready = self._orders, self.ready
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while not orders.stopping.is_set():
            born_s = loop.time()
            async with self._one_at_a_time:
                if self._current is None:
                    try:
                        self._current = await spawn(self._listen_fd, orders.settings, orders.fleet)
                    except OSError as error:
                        # No memory, processes or descriptors now: nobody else would start this worker later.
                        if not ready.done():
                            ready.set_exception(_failed(str(error.strerror)))
                            return
                        orders.say(f"worker {self._index} could not be started: {error.strerror}; trying again")
            worker = self._current
            if worker is None:
                pause_s = await self._pause(pause_s)
                continue
            if orders.stopping.is_set():
                worker.signal(signal.SIGTERM)
            if await worker.told and not ready.done():
                ready.set_result(None)
            status = await self._end_of(worker)
            if status is None:
                continue  # another one has its place
            self._current = None
            if orders.stopping.is_set():
                return
            if not ready.done():
                ready.set_exception(_failed(ended(status)))
                return
            orders.fleet.restarts += 1
            orders.say(f"worker {self._index} (pid {worker.process.pid}) ended: {ended(status)}; starting another")
            if loop.time() - born_s >= SHORT_LIFE_S:
                pause_s = FIRST_PAUSE_S
                continue
            pause_s = await self._pause(pause_s)

    async def _end_of(self, worker: Worker) -> int | None:
        """Its exit status; None as soon as it is replaced."""
        gone = asyncio.ensure_future(worker.process.wait())
        replaced = asyncio.ensure_future(self._replaced.wait())
        try:
            either: list[asyncio.Future[Any]] = [gone, replaced]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if worker is self._current:
                return await gone
            self._replaced.clear()
            return None
        finally:
            gone.cancel()
            replaced.cancel()

    async def _pause(self, pause_s: float) -> float:
        """Wait, but for a stopping gateway; returns how long to wait the next time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._orders.stopping.wait(), pause_s)
        return min(2 * pause_s, LONGEST_PAUSE_S)


def _failed(why: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_INVALID, f"a worker could not start ({why})")
