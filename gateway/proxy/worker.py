"""One worker process: `python -m gateway.proxy.worker LISTEN_FD READY_FD PAGE_FD`, started by the supervisor.

Its settings come as one line of JSON on standard input, which then stays open: its end means that the supervisor is
gone. It writes one octet to READY_FD when it serves, and closes it when it takes no more connections. It counts in the
memory of PAGE_FD. SIGTERM: no new connections, finish what has begun, leave with status 0.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any, Final

import uvloop

from gateway.clock import SystemClock
from gateway.observe.log import Log
from gateway.observe.page import Page
from gateway.proxy.runtime import Runtime
from gateway.proxy.settings import READY, REPLACED, Settings, unpack
from gateway.reasons import ConfigError

STORE_PATIENCE_S: Final = 2.0
GC_OBJECTS: Final = 20_000
"""How many more objects there may be before the collector looks at them."""
IDLE_CHECK_S: Final = 0.02
"""How often a drain looks whether everything is done."""


async def serve(settings: Settings, listener: socket.socket, ready_fd: int, page: Page) -> None:
    """Serve until told to stop, then drain."""
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()
    config = settings.config
    log = Log(level=config.log.level)
    loop.set_exception_handler(lambda _, context: log.line("error", "loop.error", **_told(context)))
    runtime = Runtime(config, settings.store, log, SystemClock(), settings.workers, settings.recording, page)
    loop.add_signal_handler(signal.SIGTERM, _stop, stop, hurry)
    loop.add_signal_handler(REPLACED, stop.set)
    # Ctrl-C reaches the whole process group; the supervisor decides what it means.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_reader(0, _watch_supervisor, loop, stop, hurry)
    await runtime.start(STORE_PATIENCE_S)
    await runtime.door.open(listener)
    # Modules and configuration stay as long as the process: no collection looks at them again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, 10, 10)  # and requests leave hardly any cycles behind
    _tell_ready(ready_fd)
    await stop.wait()
    await take_last(runtime, patiently=not hurry.is_set())
    os.close(ready_fd)
    await drain(runtime, config.limits.drain_s, hurry)
    await runtime.stop()
    log.close()


async def take_last(runtime: Runtime, patiently: bool = False) -> None:
    """Begin to drain, and close the listening socket. Connections that the kernel has accepted are still served.

    :param patiently: another worker has our place: an idle connection is kept for one more request, for its client may
        be about to write that
    """
    listener = runtime.door.close()
    runtime.server.drain(patiently)
    # What the loop has accepted before is not made yet: its turn comes before ours.
    await asyncio.sleep(0)
    listener.setblocking(False)
    with listener, suppress(OSError):
        while True:
            accepted, _ = listener.accept()
            runtime.door.enter(accepted)


async def drain(runtime: Runtime, drain_s: float, hurry: asyncio.Event) -> None:
    """Finish what has begun, for at most `drain_s` seconds; then cut.

    :param hurry: when set, nothing is waited for that has not begun
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + drain_s
    while (runtime.server.busy or runtime.door.busy) and loop.time() < deadline:
        await asyncio.sleep(IDLE_CHECK_S)
        if hurry.is_set():
            runtime.server.drain()
    runtime.server.drain()
    runtime.door.cut()
    runtime.server.cut()


def main() -> None:
    """Entry point of the process."""
    listen_fd, ready_fd, page_fd = map(int, sys.argv[1:])
    page = Page(page_fd)
    os.close(page_fd)
    settings = unpack(sys.stdin.buffer.readline())
    try:
        with socket.socket(fileno=listen_fd) as listener:
            uvloop.run(serve(settings, listener, ready_fd, page))
    except ConfigError as error:
        sys.stderr.write(f"wfm-gateway: {error.message}\n")
        raise SystemExit(2) from None


def _told(context: dict[str, Any]) -> dict[str, str]:
    """What asyncio says of a failure that nobody awaits."""
    error = context.get("exception")
    detail = "" if error is None else "".join(traceback.format_exception(error))
    return {"message": str(context.get("message", "")), "detail": detail}


def _stop(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    hurry.set()
    stop.set()


def _watch_supervisor(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, hurry: asyncio.Event) -> None:
    with suppress(BlockingIOError):
        if not os.read(0, 1024):
            loop.remove_reader(0)
            _stop(stop, hurry)


def _tell_ready(ready_fd: int) -> None:
    with suppress(OSError):
        os.write(ready_fd, READY)


if __name__ == "__main__":
    main()
