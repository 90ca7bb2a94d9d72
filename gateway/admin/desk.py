"""Where blocking work on the registry is done: a thread for what is short, and one for what reads all of it."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from gateway.reasons import ConfigError, Reason
from gateway.registry.store import Store
from gateway.registry.store_url import RemoteStore

WHO: Final = "admin-api"
"""Stands in the audit stream (`clients history`)."""

T = TypeVar("T")


class Desk:
    """A connection and a thread of its own; opened at the first call, and anew after trouble: a master may have moved.

    :param name: of the thread
    """

    def __init__(self, endpoint: RemoteStore, name: str) -> None:
        self._endpoint = endpoint
        self._thread = ThreadPoolExecutor(1, name)
        self._store: Store | None = None
        self._closing = threading.Event()

    async def do(self, work: Callable[[Store], T]) -> T:
        """Run `work` when those before it are done. It goes on to its end even if nobody waits any longer.

        :raises ConfigError: what `work` raises; config.store_unreachable
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def while_open(self, entries: Iterable[T]) -> Iterator[T]:
        """The same entries, broken off when the gateway leaves.

        :raises ConfigError: config.store_unreachable
        """
        for entry in entries:
            if self._closing.is_set():
                raise ConfigError(Reason.CONFIG_STORE, "the gateway is shutting down")
            yield entry

    async def close(self) -> None:
        """Finish what has begun, drop what waits, disconnect."""
        self._closing.set()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._store is not None:
            self._store.close()

    def _run(self, work: Callable[[Store], T]) -> T:
        try:
            if self._store is None:
                self._store = Store.connect(self._endpoint, WHO)
            return work(self._store)
        except ConfigError as error:
            if error.reason is Reason.CONFIG_STORE and self._store is not None:
                self._store.close()
                self._store = None
            raise
