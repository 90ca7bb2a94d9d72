"""Knows which lineage of writes a server continues (R13): a replica that takes over begins another one.

`INFO replication` names it: `master_replid` is drawn anew whenever a replica is promoted, and whenever the server
cannot prove that it goes on where it stopped. Replication is asynchronous, so what was written under one id may be
missing under the next one; an epoch counts only together with the id under which it was begun.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.resp import Reply, pack

WATCH_S: Final = 0.2
COMMAND: Final = (b"INFO", b"replication")
PACKED: Final = pack(*COMMAND)


def read(reply: Reply) -> bytes | Unavailable:
    """The id of the lineage that a master continues; `Unavailable` for a replica and for what is no answer."""
    if isinstance(reply, Unavailable):
        return reply
    if isinstance(reply, bytes):
        facts = dict(line.partition(b":")[::2] for line in reply.splitlines())
        if facts.get(b"role") == b"slave":
            return Unavailable(Reason.STORE_UNAVAILABLE, "the server is a replica at the moment, not the master")
        lineage = facts.get(b"master_replid", b"")
        if facts.get(b"role") == b"master" and lineage.isalnum():
            return lineage
    return Unavailable(Reason.STORE_ANSWER, "the server does not tell its part in the replication")


class _Watched(Protocol):
    """What the watch must know of a link; `gateway.registry.link.Link` is one."""

    loop: asyncio.AbstractEventLoop
    lineage: bytes

    def call(self, args: tuple[bytes, ...], callback: Callable[[Reply], None]) -> None: ...

    def drop(self, why: Unavailable) -> None: ...


class Watch:
    """Looks every 200 ms whether the server at the other end is still what it was, and drops the connection if not.

    A master that was demoted refuses writes and thereby tells; one that was demoted and promoted again while this
    connection did not write would not.
    """

    def __init__(self, link: _Watched) -> None:
        self._link = link
        self._timer: asyncio.TimerHandle | None = None
        self._on = False

    def begin(self) -> None:
        """There is a connection."""
        self._on = True
        self._timer = self._link.loop.call_later(WATCH_S, self._look)

    def end(self) -> None:
        """The connection is gone."""
        self._on = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        self._link.call(COMMAND, self._judge)

    def _judge(self, reply: Reply) -> None:
        if not self._on:
            return  # this was the reply's connection
        found = read(reply)
        if found is not reply and found != self._link.lineage:
            other = Unavailable(Reason.STORE_UNAVAILABLE, "the server continues another lineage of writes than before")
            self._link.drop(found if isinstance(found, Unavailable) else other)
        elif self._timer is None:
            self.begin()
