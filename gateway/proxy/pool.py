"""The native connections to the backend: where they lead, how they are made, and the clock that ends them."""

import asyncio
import ssl
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

from gateway._native import Pool
from gateway.clock import Clock
from gateway.config import Upstream as UpstreamConfig
from gateway.proxy.asking import BackendAnswer
from gateway.proxy.assertion import Assertions
from gateway.proxy.native_asking import ask_natively
from gateway.proxy.spool import Body
from gateway.proxy.upstream import POOL_IDLE_S, tls_context
from gateway.reasons import Reason

if TYPE_CHECKING:
    from gateway.proxy.forward import Delivery

TICK_S: Final = 0.05
"""How often timeouts are looked at: one timer for all, instead of one per request."""

SHOWN: Final = 200
"""Longest detail of a failed connect."""


class BackendPool:
    """A native pool with what it needs of Python. Make it on a running loop.

    :raises ConfigError: config.unreadable for TLS files
    """

    def __init__(self, config: UpstreamConfig, clock: Clock) -> None:
        path = config.assertion_key
        self.assertions = None if path is None else Assertions(path, clock)
        self._loop = asyncio.get_running_loop()
        self._path = None if config.socket is None else config.socket.path
        self._origin = config.origin
        tls = self._origin is not None and self._origin.scheme == "https"
        self._tls = tls_context(config) if tls else None
        self._connect_timeout_s = config.connect_timeout_s
        self._attempts: set[asyncio.Task[None]] = set()
        self.native = Pool(
            self._start_connecting,
            config.connections,
            config.connect_timeout_s,
            config.response_timeout_s,
            config.idle_timeout_s,
            POOL_IDLE_S,
            TICK_S,
        )
        self.send = self.native.send
        self._ticked_s = self._loop.time()
        self._timer = self._loop.call_later(TICK_S, self._tick)

    @property
    def busy(self) -> int:
        """Connections that a request has."""
        return self.native.in_flight

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return self.native.open - self.native.in_flight

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection of others."""
        return max(0, self.native.waiting - self.native.connecting)

    def ask(
        self, head: bytes, body: Body | None, head_only: bool, delivery: "Delivery"
    ) -> AbstractAsyncContextManager[BackendAnswer]:
        """As of `Backend.ask`."""
        return ask_natively(self.native, head, body, head_only, delivery)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK_S, self._tick)
        now_s = self._loop.time()
        # What we did not look at in time is not a backend that is slow.
        self.native.tick(min(now_s - self._ticked_s, 2 * TICK_S))
        self._ticked_s = now_s

    def _start_connecting(self) -> None:
        task = self._loop.create_task(self._connect())
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                if self._path is not None:
                    await self._loop.create_unix_connection(self.native.connection, self._path)
                else:
                    assert self._origin is not None
                    host = self._origin.host
                    name = host if self._tls is not None else None
                    await self._loop.create_connection(
                        self.native.connection, host, self._origin.port, ssl=self._tls, server_hostname=name
                    )
        except TimeoutError:
            self.native.connect_failed(Reason.UPSTREAM_TIMEOUT.value, "no connection in time", False)
        except ssl.SSLError as error:
            self.native.connect_failed(Reason.UPSTREAM_UNREACHABLE.value, str(error)[:SHOWN], False)
        except OSError as error:
            self.native.connect_failed(Reason.UPSTREAM_UNREACHABLE.value, str(error)[:SHOWN], True)
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            self.native.connect_failed(Reason.UPSTREAM_UNREACHABLE.value, detail[:SHOWN], False)

    async def close(self) -> None:
        """End every connection and every attempt."""
        self._timer.cancel()
        self.native.close()
        for task in self._attempts:
            task.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)
