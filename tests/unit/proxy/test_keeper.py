"""One worker at a time on one socket: what happens when the system starts none, or one that does not serve (R28)."""

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest

from gateway.observe.fleet import Fleet
from gateway.proxy import keeper as keepers
from gateway.proxy.keeper import Keeper, NotReplaced, Orders
from gateway.proxy.settings import REPLACED
from gateway.proxy.spawn import Worker
from gateway.reasons import ConfigError


class Process:
    """Stands in for a worker process; ends when it is signalled or told to."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.signals: list[int] = []
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def send_signal(self, number: int) -> None:
        self.signals.append(number)
        if not self.ended.done():
            self.ended.set_result(-number)

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)


def worker(pid: int, serves: bool = True) -> Worker:
    """A worker that has come to serve, or has not."""
    loop = asyncio.get_running_loop()
    told, closed = loop.create_future(), loop.create_future()
    told.set_result(serves)
    closed.set_result(None)
    process: Any = Process(pid)
    return Worker(process, told, closed)


@pytest.mark.parametrize("before_the_start", [True, False])
def test_worker_that_the_system_does_not_start(monkeypatch: pytest.MonkeyPatch, before_the_start: bool) -> None:
    """Once requests are served it is tried again: else the socket stays open with nobody behind it (R28)."""
    said: list[str] = []
    attempts = 0

    async def keep() -> None:
        nonlocal attempts
        orders = Orders(b"", 1.0, said.append, Fleet(1))

        async def fail(listen_fd: int, settings: bytes, fleet: Fleet) -> Any:
            nonlocal attempts
            attempts += 1
            if attempts == 3:
                orders.stopping.set()
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

        monkeypatch.setattr(keepers, "spawn", fail)
        keeper = Keeper(0, 3, orders)
        if not before_the_start:
            keeper.ready.set_result(None)
        await asyncio.wait_for(keeper.run(), 5)
        await keeper.ready

    if before_the_start:
        with pytest.raises(ConfigError, match=r"a worker could not start .*Resource temporarily unavailable"):
            asyncio.run(keep())
        assert attempts == 1
    else:
        asyncio.run(keep())
        assert attempts == 3
        assert said == ["worker 0 could not be started: Resource temporarily unavailable; trying again"] * 3


def test_r28_the_old_worker_leaves_only_when_the_new_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        orders = Orders(b"first", 1.0, lambda line: None, Fleet(1))
        born: list[tuple[Worker, bytes]] = []

        async def start(listen_fd: int, settings: bytes, fleet: Fleet) -> Worker:
            one = worker(len(born), serves=len(born) != 1)
            born.append((one, settings))
            return one

        monkeypatch.setattr(keepers, "spawn", start)
        keeper = Keeper(0, 3, orders)
        running = asyncio.create_task(keeper.run())
        await keeper.ready
        first: Any = born[0][0].process
        with pytest.raises(NotReplaced, match="did not come to serve"):
            await keeper.replace()
        assert first.signals == []
        orders.settings = b"second"
        await keeper.replace()
        assert await first.wait() == -REPLACED
        assert [settings for _, settings in born] == [b"first", b"first", b"second"]
        # The one in its place is watched like the first: another follows when it dies.
        third: Any = born[2][0].process
        third.ended.set_result(1)
        while len(born) < 4:
            await asyncio.sleep(0)
        orders.stopping.set()
        keeper.signal(15)
        await asyncio.wait_for(running, 5)
        last: Any = born[3][0].process
        assert last.signals == [15]

    asyncio.run(scene())


def test_nothing_is_left_of_a_start_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled, it ends what it has started."""

    async def scene() -> None:
        orders = Orders(b"", 1.0, lambda line: None, Fleet(1))
        one = worker(1)

        async def start(listen_fd: int, settings: bytes, fleet: Fleet) -> Worker:
            return one

        monkeypatch.setattr(keepers, "spawn", start)
        keeper = Keeper(0, 3, orders)
        running = asyncio.create_task(keeper.run())
        await keeper.ready
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        process: Any = one.process
        assert process.signals == [9]

    asyncio.run(scene())
