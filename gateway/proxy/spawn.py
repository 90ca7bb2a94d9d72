"""Starts one worker process, and hears whether it came to serve."""

import asyncio
import os
import signal
import site
import sys
from contextlib import suppress

from gateway.observe.fleet import Fleet, Slot
from gateway.proxy.settings import READY


class Worker:
    """One process. `told` is true once it serves, false if it ended before; `closed` is done when it takes no more
    connections."""

    __slots__ = ("closed", "process", "told")

    def __init__(
        self, process: asyncio.subprocess.Process, told: "asyncio.Future[bool]", closed: "asyncio.Future[None]"
    ) -> None:
        self.process = process
        self.told = told
        self.closed = closed

    def signal(self, number: int) -> None:
        """Send a signal, unless it is gone."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)


async def spawn(listen_fd: int, settings: bytes, fleet: Fleet) -> Worker:
    """Start a worker on a listening socket.

    :param settings: one line, from `gateway.proxy.settings.pack`
    :param fleet: keeps what the worker counts, and hears whether it serves
    :raises OSError: no memory, processes or descriptors
    """
    loop = asyncio.get_running_loop()
    read_fd, write_fd = os.pipe()
    slot: Slot | None = None
    try:
        slot = fleet.new()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Not from the folder we happen to be in.
            "-P",
            "-m",
            "gateway.proxy.worker",
            str(listen_fd),
            str(write_fd),
            str(slot.descriptor),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(listen_fd, write_fd, slot.descriptor),
            env=_environment(),
        )
    except BaseException:
        os.close(read_fd)
        if slot is not None:
            fleet.ended(slot)
        raise
    finally:
        os.close(write_fd)
    fleet.born(slot)
    following = loop.create_task(process.wait())
    following.add_done_callback(lambda _: fleet.ended(slot))
    told: asyncio.Future[bool] = loop.create_future()
    closed: asyncio.Future[None] = loop.create_future()

    def heard() -> None:
        data = os.read(read_fd, 1)
        slot.serving = data == READY
        if not told.done():
            told.set_result(data == READY)
        if not data:
            loop.remove_reader(read_fd)
            os.close(read_fd)
            if not closed.done():
                closed.set_result(None)

    loop.add_reader(read_fd, heard)
    assert process.stdin is not None
    with suppress(ConnectionError):
        process.stdin.write(settings)
        await process.stdin.drain()
    # The pipe stays open: its end is how a worker learns that we are gone.
    return Worker(process, told, closed)


def ended(status: int) -> str:
    """How a process ended, for people."""
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _environment() -> dict[str, str]:
    """Ours, and where this very package is, if that is not a place where Python looks by itself."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = dict(os.environ)
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = root if not before else root + os.pathsep + before
    return environment
