"""The admin API in the supervisor's own loop: opens its socket, serves, and leaves; workers know nothing of it."""

import socket
from typing import Final, Self

from aiohttp import web

from gateway.admin.app import Api
from gateway.admin.desk import Desk
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.observe.log import Log
from gateway.proxy import sockets
from gateway.reasons import ConfigError, Reason
from gateway.registry.store_url import EmbeddedStore, RemoteStore
from gateway.registry.targets import admin_target

IDLE_S: Final = 15.0
LEAVE_S: Final = 5.0
"""How long a shutdown waits for answers that have begun."""


class Listener:
    """A running admin API; `start` makes one."""

    def __init__(self, config: Config, endpoint: RemoteStore) -> None:
        self._config = config
        self._log = Log(level=config.log.level)
        self._desk = Desk(endpoint, "admin")
        self._reader = Desk(endpoint, "admin-reader")
        self._api = Api(config, self._desk, self._reader, self._log, SystemClock())
        self._runner = web.AppRunner(
            self._api.app,
            handle_signals=False,
            access_log=None,
            keepalive_timeout=IDLE_S,
            shutdown_timeout=LEAVE_S,
            auto_decompress=False,
        )
        self._sockets: list[socket.socket] = []

    @classmethod
    async def start(cls, config: Config, embedded: RemoteStore | None) -> Self:
        """Serve at `admin.address`.

        :param embedded: the embedded store as its administrator sees it; None if the store is another one
        :raises ConfigError: config.cannot_listen, unreadable, invalid
        """
        listener = cls(config, embedded or _remote(config))
        try:
            await listener._start()
        except BaseException:
            await listener.close()
            raise
        return listener

    async def _start(self) -> None:
        bind = self._config.admin.bind
        assert bind is not None
        self._api.check()
        self._sockets = sockets.listen(bind, 1)
        await self._runner.setup()
        await web.SockSite(self._runner, self._sockets[0]).start()

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Finish what has begun, and leave."""
        await self._runner.cleanup()
        bind = self._config.admin.bind
        if self._sockets and bind is not None:
            sockets.close(self._sockets, bind.path)
        for desk in (self._desk, self._reader):
            await desk.close()
        self._log.close()


def _remote(config: Config) -> RemoteStore:
    target = admin_target(config.store)
    if isinstance(target, EmbeddedStore):
        raise ConfigError(Reason.CONFIG_INVALID, "store.admin_url: the admin API needs one that others run")
    return target
