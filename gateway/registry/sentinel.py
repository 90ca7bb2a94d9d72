"""Asks the sentinels who the master is, and hears from each of them when it changes.

A connection to every sentinel stays open: it is asked once a second, and at once when it says `+switch-master`. Of
several answers the one with the highest configuration epoch counts: Sentinel draws a new one for each failover, so that
a sentinel that was cut off and knows only the old master is outvoted by one that knows better.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import hiredis
import msgspec

from gateway.registry.dial import dial, tls_context
from gateway.registry.resp import pack
from gateway.registry.store_url import Endpoint, SentinelStore

ASK_S: Final = 1.0
_SWITCH: Final = b"+switch-master"


class Master(msgspec.Struct, frozen=True, order=True):
    """What one sentinel says: where the master is, since which configuration epoch."""

    config_epoch: int
    host: str
    port: int


class Sentinels:
    """All sentinels of one master.

    :param named: called when `master` changed
    :param missing: told why, whenever a sentinel cannot be asked or does not know the master, while none is known
    """

    def __init__(
        self,
        store: SentinelStore,
        loop: asyncio.AbstractEventLoop,
        named: Callable[[], None],
        missing: Callable[[str], None],
    ) -> None:
        self._store = store
        self._named = named
        self._missing = missing
        context = tls_context(store.server("", 0))
        self.watches = [
            _Watch(store.server(host, port), store.master, context, loop, self._told, self._failed)
            for host, port in store.addresses
        ]
        self._best: Master | None = None

    @property
    def master(self) -> Endpoint | None:
        """Where the master is; None while no sentinel has said."""
        best = self._best
        return None if best is None else self._store.server(best.host, best.port, self._store.db)

    def start(self) -> None:
        """Begin to ask."""
        for watch in self.watches:
            watch.start()

    def close(self) -> None:
        """End all connections."""
        for watch in self.watches:
            watch.close()

    def ask(self) -> None:
        """Ask again now: the master does not answer, or is none any longer."""
        for watch in self.watches:
            watch.ask()

    def _told(self, master: Master) -> None:
        best = self._best
        if best is None or master.config_epoch > best.config_epoch or self._agreed(master):
            self._best = master
            if best is None or (master.host, master.port) != (best.host, best.port):
                self._named()

    def _agreed(self, master: Master) -> bool:
        """All who know a master know this one: it was set up anew, with epochs that begin anew."""
        return all(watch.master in (None, master) for watch in self.watches)

    def _failed(self, why: str) -> None:
        if self._best is None:
            self._missing(why)


class _Watch:
    """Keeps a conversation with one sentinel going, and begins another one whenever it ends or falls silent."""

    def __init__(
        self,
        endpoint: Endpoint,
        name: str,
        context: ssl.SSLContext | None,
        loop: asyncio.AbstractEventLoop,
        told: Callable[[Master], None],
        failed: Callable[[str], None],
    ) -> None:
        self.master: Master | None = None
        """What this sentinel said last."""
        self._endpoint = endpoint
        self._name = name.encode()
        self._context = context
        self._loop = loop
        self._told = told
        self._failed = failed
        self._conversation: _Conversation | None = None
        self._dialling: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Dial; whatever comes of it, look again in a second."""
        self._timer = self._loop.call_later(ASK_S, self._tick)
        conversation = _Conversation(self._endpoint, self._name, self.heard, self._ended)
        self._conversation = conversation
        self._dialling = self._loop.create_task(dial(self._loop, self._endpoint, self._context, lambda: conversation))
        self._dialling.add_done_callback(self._dialled)

    def close(self) -> None:
        """End it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._dialling is not None:
            self._dialling.cancel()
        if self._conversation is not None:
            self._conversation.end()
            self._conversation = None

    def ask(self) -> None:
        """Ask now, unless the sentinel owes an answer anyway."""
        if self._conversation is not None:
            self._conversation.ask()

    def _tick(self) -> None:
        conversation = self._conversation
        if conversation is None or conversation.owed:  # not there, or silent for a second
            self.close()
            self.start()
        else:
            self._timer = self._loop.call_later(ASK_S, self._tick)
            conversation.ask()

    def heard(self, master: Master) -> None:
        """Take what the sentinel says."""
        self.master = master
        self._told(master)

    def _ended(self, conversation: "_Conversation", why: str) -> None:
        if conversation is self._conversation:
            self._conversation = None
            self._failed(f"the sentinel at {self._endpoint.host}:{self._endpoint.port} {why}")

    def _dialled(self, task: "asyncio.Task[Any]") -> None:
        if self._dialling is task:
            self._dialling = None
            if not task.cancelled() and (error := task.exception()) is not None:
                self._conversation = None
                self._failed(f"the sentinel at {self._endpoint.host}:{self._endpoint.port} cannot be reached: {error}")


class _Conversation(asyncio.Protocol):
    """One connection to a sentinel, with a subscription to its messages.

    Who has subscribed may ask nothing; so each question ends the subscription and begins it again, in one write.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        name: bytes,
        heard: Callable[[Master], None],
        ended: Callable[["_Conversation", str], None],
    ) -> None:
        self._endpoint = endpoint
        self._name = name
        self._heard = heard
        self._ended = ended
        self._transport: asyncio.WriteTransport | None = None
        self._reader = hiredis.Reader()
        self._expected: deque[Callable[[Any], None]] = deque()
        self._config_epoch: int | None = None
        self._authenticated = False
        self._over = False

    @property
    def owed(self) -> bool:
        """There is no connection yet, or an answer has not come yet."""
        return self._transport is None or bool(self._expected)

    def ask(self) -> None:
        """Ask now, unless an answer is on its way."""
        if not self.owed:
            self._question()

    def end(self, why: str = "was left") -> None:
        """Close the connection."""
        if not self._over:
            self._over = True
            if self._transport is not None:
                self._transport.abort()
            self._ended(self, why)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if self._over:
            transport.abort()  # type: ignore[attr-defined]
        else:
            self._question()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(f"closed the connection: {exc}" if exc else "closed the connection")

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while not self._over and (reply := self._reader.gets()) is not False:
                if isinstance(reply, list) and reply[:2] == [b"message", _SWITCH]:
                    self.ask()
                else:
                    self._expected.popleft()(reply)
        except (hiredis.HiredisError, IndexError, TypeError, ValueError, KeyError) as error:
            self.end(f"gave an answer that cannot be read: {error!r}")

    def _question(self) -> None:
        self._config_epoch = None
        self._say(_ignore, b"UNSUBSCRIBE", _SWITCH)
        self._say(self._describe, b"SENTINEL", b"MASTER", self._name)
        # Only this one names the new master as soon as it is promoted.
        self._say(self._locate, b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._name)
        self._say(_ignore, b"SUBSCRIBE", _SWITCH)

    def _say(self, answer: Callable[[Any], None], *command: bytes) -> None:
        assert self._transport is not None
        self._expected.append(answer)
        self._transport.write(pack(*command))

    def _describe(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            if str(reply).startswith("NOAUTH") and not self._authenticated and self._endpoint.password:
                self._authenticated = True
                user = [self._endpoint.user.encode()] if self._endpoint.user else []
                self._say(_ignore, b"AUTH", *user, self._endpoint.password.encode())
                self._question()
            else:
                self.end(f"answered: {reply}")
            return
        facts = dict(zip(reply[::2], reply[1::2], strict=True))
        self._config_epoch = int(facts[b"config-epoch"])

    def _locate(self, reply: Any) -> None:
        if self._config_epoch is not None and not isinstance(reply, hiredis.ReplyError) and reply is not None:
            host, port = reply
            self._heard(Master(self._config_epoch, host.decode(), int(port)))


def _ignore(_: Any) -> None:
    """Nobody waits for this reply."""
