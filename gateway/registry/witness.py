"""Asks one node of a cluster, once a second and whenever there is a sign of change, which node has which slots."""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.registry.answers import Unavailable
from gateway.registry.link import Link
from gateway.registry.resp import Reply, pack
from gateway.registry.slots import SlotMap, read
from gateway.registry.wire import Exchange

ASK_S: Final = 1.0
HURRY_S: Final = 0.1
"""How soon to ask again while a change is under way."""
_QUESTION: Final = pack(b"CLUSTER", b"INFO") + pack(b"CLUSTER", b"SLOTS")


class Witness:
    """What one node says.

    :param host: where the node is, for one that does not know its own address
    :param told: called when `map` is new
    :param failed: told why, whenever the node does not answer the question
    """

    def __init__(self, link: Link, host: str, told: Callable[["Witness"], None], failed: Callable[[str], None]) -> None:
        self.map: SlotMap | None = None
        """What it said last; None while there is no connection."""
        self._link = link
        self._host = host
        self._told = told
        self._failed = failed
        self._asked = False
        self._timer: asyncio.TimerHandle | None = None
        link.on_connect.append(self.ask)
        link.on_disconnect.append(self._gone)

    def ask(self) -> None:
        """Ask now, unless an answer is on its way."""
        self._stop()
        if not self._asked and self._link.connected:
            self._asked = True
            self._link.send(_QUESTION, _Question(self))

    def ask_soon(self) -> None:
        """A change is under way: ask in a moment."""
        if not self._asked and self._link.connected:
            self._stop()
            self._timer = self._link.loop.call_later(HURRY_S, self.ask)

    def answered(self, replies: list[Reply]) -> None:
        """Take what the node says, late or not."""
        self._asked = False
        if not self._link.connected:
            return
        self._stop()
        self._timer = self._link.loop.call_later(ASK_S, self.ask)
        found = read(replies[0], replies[1], self._host)
        if isinstance(found, Unavailable):
            self.map = None
            self._failed(found.detail)
        else:
            self.map = found
            self._told(self)

    def lost(self) -> None:
        """There will be no answer."""
        self._asked = False

    def _gone(self) -> None:
        self.map = None
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Question(Exchange):
    """The two commands whose replies make a map."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Witness) -> None:
        super().__init__(expects=2)
        self._owner = owner

    def complete(self, replies: list[Reply]) -> None:
        self._owner.answered(replies)

    def late(self, replies: list[Reply]) -> None:
        self._owner.answered(replies)

    def lost(self) -> None:
        self._owner.lost()
