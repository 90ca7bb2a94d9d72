"""Asks before the start whether the store can be used, so that a wrong address is one sentence and not a log."""

import asyncio
from typing import Any, Final

from gateway.clock import SystemClock
from gateway.reasons import ConfigError, Reason
from gateway.registry.links import link_to
from gateway.registry.store_url import Endpoint, RemoteStore

PATIENCE_S: Final = 5.0
ANOTHER_S: Final = 1.0
"""Of a fleet, one server's failure is soon made good by another's answer."""


async def check_store(store: RemoteStore) -> None:
    """Connect as a worker does, and leave.

    :raises ConfigError: config.store_unreachable, config.unreadable
    """
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[str] = loop.create_future()

    def report(event: str, detail: str) -> None:
        if event == "store.lost" and not failed.done():
            failed.set_result(detail)

    link = link_to(store, SystemClock(), loop, report=report)
    link.start()
    ready = link.ready()
    try:
        both: list[asyncio.Future[Any]] = [ready, failed]
        await asyncio.wait(both, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done() and not isinstance(store, Endpoint):
            await asyncio.wait([ready], timeout=ANOTHER_S)
        if not ready.done():
            why = failed.result() if failed.done() else f"the store at {store} does not answer"
            raise ConfigError(Reason.CONFIG_STORE, why)
    finally:
        link.close()
        failed.cancel()
