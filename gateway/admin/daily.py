"""Tells of certificates near their end: once a day in the log, and whenever somebody looks at the metrics."""

import asyncio
from typing import Self

from gateway.admin.desk import Desk
from gateway.admin.survey import Survey, tell_daily
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.observe.log import Log
from gateway.registry.store_url import EmbeddedStore, RemoteStore
from gateway.registry.targets import admin_target


class Daily:
    """One task of the supervisor, with a thread that reads the registry; workers know nothing of it."""

    def __init__(self, config: Config, endpoint: RemoteStore) -> None:
        self._log = Log(level=config.log.level)
        self._desk = Desk(endpoint, "survey")
        self.survey = Survey(self._desk, SystemClock())
        """The counts."""
        self._task = asyncio.get_running_loop().create_task(tell_daily(self.survey, self._log))

    @classmethod
    def start(cls, config: Config, embedded: RemoteStore | None) -> Self | None:
        """Begin, on a running loop. None: nobody runs the store that `store.admin_url` names.

        :param embedded: the embedded store as its administrator sees it; None if the store is another one
        :raises ConfigError: config.unreadable, config.invalid for the store's section
        """
        target = embedded or admin_target(config.store)
        return None if isinstance(target, EmbeddedStore) else cls(config, target)

    async def close(self) -> None:
        """Leave; what is being read is broken off."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._desk.close()
        self._log.close()
