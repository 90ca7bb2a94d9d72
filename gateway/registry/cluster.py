"""Keeps in touch with a cluster: a connection to each master, and to each node that the store URL names.

All of them are asked who has which slots. Of several answers the one with the highest epoch counts, which the cluster
draws anew for each failover and each slot that moves; so a node that was cut off is outvoted by one that knows better,
and by any that is not cut off.

A connection to a master is that of `Link` to a server with replicas: it is dropped as soon as the server is no longer
the master it was, and which lineage of writes it continues is known (R13). What a node says of a key that it does not
have (MOVED, ASK) is followed once, for single commands; what is sent in batches is given up and may come again.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

from gateway.clock import Clock
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.line import SlotLine
from gateway.registry.link import Link, Report
from gateway.registry.resp import Redirected, Reply, pack
from gateway.registry.slots import SLOTS, Address, SlotMap, slot_of, slot_of_command
from gateway.registry.store_url import ClusterStore
from gateway.registry.wire import Exchange
from gateway.registry.witness import Witness

_ASKING: Final = pack(b"ASKING")


class ClusterLink:
    """A worker's connections to a cluster. Commands have one key; options as for `Link`.

    :param report: told of each master's connection; and once when the cluster cannot be reached, or does not serve all
        slots
    """

    def __init__(
        self,
        store: ClusterStore,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        *,
        report: Report | None = None,
        **options: Any,
    ) -> None:
        self.clock = clock
        self.loop = loop
        self.on_close: list[Callable[[], None]] = []
        self._store = store
        self._options = options
        self._report = report
        self._map: SlotMap | None = None
        self._masters: dict[Address, Link] = {}
        self._witnesses: dict[Link, Witness] = {}
        self._owners: list[Link | None] = [None] * SLOTS
        self._lines: dict[int, SlotLine] = {}
        self._silent: set[Address] = set()
        self._told_lost = False
        self._closed = False
        self._why = Unavailable(Reason.STORE_UNAVAILABLE, "no node of the cluster has answered yet")
        self._ready: list[asyncio.Future[None]] = []
        self._scouts = [self._scout(address) for address in store.addresses]

    @property
    def connected(self) -> bool:
        """There is a connection to the master of each slot."""
        return (
            self._map is not None
            and self._map.served == SLOTS
            and all(link.connected for link in self._masters.values())
        )

    def start(self) -> None:
        """Begin to connect."""
        for scout in self._scouts:
            scout.start()

    def ready(self) -> "asyncio.Future[None]":
        """Done as soon as there is a connection to the master of each slot."""
        future = self.loop.create_future()
        self._ready.append(future)
        self._settle()
        return future

    def close(self) -> None:
        """End all connections for good."""
        self._closed = True
        for future in self._ready:
            future.cancel()
        for hook in self.on_close:
            hook()
        for link in (*self._scouts, *self._masters.values()):
            link.close()

    def line_of(self, key: bytes) -> SlotLine:
        """The connection to whichever master has `key`."""
        slot = slot_of(key)
        line = self._lines.get(slot)
        if line is None:
            line = self._lines[slot] = SlotLine(self.clock, self.loop)
            line.lead_to(self._owners[slot])
        return line

    def call(self, args: tuple[bytes, ...], callback: Callable[[Reply], None]) -> None:
        """Send one command with one key to the node that has it; see `Link`."""
        link = self._owners[slot_of_command(args)]
        if link is None:
            callback(self._why)
            return

        def answered(reply: Reply) -> None:
            if isinstance(reply, Redirected):
                self._follow(reply, args, callback)
            else:
                callback(reply)

        link.call(args, answered)

    def submit(self, *args: bytes) -> "asyncio.Future[Reply]":
        """Send one command with one key; see `Link`."""
        future: asyncio.Future[Reply] = self.loop.create_future()
        self.call(args, lambda reply: None if future.done() else future.set_result(reply))
        return future

    def probe(self) -> None:
        """A reply did not fit its question: see to it that none has shifted; see `Link`."""
        for link in self._masters.values():
            link.probe()

    def _follow(self, elsewhere: Redirected, args: tuple[bytes, ...], callback: Callable[[Reply], None]) -> None:
        """The command was not carried out: send it where the key is said to be, once."""
        link = self._masters.get((elsewhere.host, elsewhere.port))
        refusal = elsewhere if link is None else link.refusal()
        if link is None or refusal is not None:
            callback(refusal)
        elif elsewhere.asking:
            link.send(_ASKING + pack(*args), _Asked(callback))
        else:
            link.call(args, callback)

    def _scout(self, address: Address) -> Link:
        # Whoever is named may be a replica at the moment, and knows the slots all the same.
        endpoint = msgspec.structs.replace(self._store.server(*address), replicated=False)
        report = self._scout_report(address)
        scout = Link(endpoint, self.clock, self.loop, report=report, **self._options)
        self._watch(scout, address)
        return scout

    def _scout_report(self, address: Address) -> Report:
        return lambda event, detail: self._failed(address, detail) if event == "store.lost" else None

    def _watch(self, link: Link, address: Address) -> None:
        self._witnesses[link] = Witness(link, address[0], self._told, lambda why: self._failed(address, why))

    def _failed(self, address: Address, why: str) -> None:
        """A node cannot be asked: that is told only while nobody else could be."""
        self._silent.add(address)
        if self._map is None and not self._closed and self._silent.issuperset(self._store.addresses):
            self._why = Unavailable(Reason.STORE_UNAVAILABLE, why)
            self._tell_lost(why)

    def _told(self, witness: Witness) -> None:
        """One of the nodes has answered."""
        known = [other.map for other in self._witnesses.values() if other.map is not None]
        best = max(found.rank for found in known)
        if witness.map is not None and witness.map.rank == best and witness.map.ranges != self._ranges():
            self._take(witness.map)

    def _ranges(self) -> object:
        return None if self._map is None else self._map.ranges

    def _take(self, found: SlotMap) -> None:
        self._map = found
        masters = found.masters
        for address in [address for address in self._masters if address not in masters]:
            gone = self._masters.pop(address)
            del self._witnesses[gone]
            gone.close()
        fresh = [address for address in masters if address not in self._masters]
        for address in fresh:
            self._masters[address] = self._master(address)
        self._owners = [None] * SLOTS
        for first, last, address, _ in found.ranges:
            self._owners[first : last + 1] = [self._masters[address]] * (last - first + 1)
        for slot, line in self._lines.items():
            line.lead_to(self._owners[slot])
        for address in fresh:
            self._masters[address].start()
        if found.served < SLOTS:
            self._tell_lost(f"the cluster serves {found.served} of its {SLOTS} slots")
        else:
            self._told_lost = False
        self._settle()

    def _master(self, address: Address) -> Link:
        endpoint = self._store.server(*address)

        def report(event: str, detail: str) -> None:
            if self._report is not None:
                self._report(event, detail if str(endpoint) in detail else f"{endpoint}: {detail}")

        link = Link(endpoint, self.clock, self.loop, report=report, redirected=self._look_again, **self._options)
        link.on_connect.append(lambda: self._opened(link))
        link.on_disconnect.append(self._look_soon)
        self._watch(link, address)
        return link

    def _opened(self, link: Link) -> None:
        for line in self._lines.values():
            if line.link is link:
                line.opened()
        self._settle()

    def _look_again(self) -> None:
        """A node says that a slot is elsewhere."""
        for witness in self._witnesses.values():
            witness.ask()

    def _look_soon(self) -> None:
        """A master is gone: perhaps a replica takes its place."""
        if not self._closed:
            for witness in self._witnesses.values():
                witness.ask_soon()

    def _settle(self) -> None:
        if self.connected:
            waiting, self._ready = self._ready, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def _tell_lost(self, why: str) -> None:
        if not self._told_lost and self._report is not None:
            self._told_lost = True
            self._report("store.lost", why)


class _Asked(Exchange):
    """One command for a key that is being moved, where it is moved to."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[Reply], None]) -> None:
        super().__init__(expects=2)
        self._callback = callback

    def complete(self, replies: list[Reply]) -> None:
        self._callback(replies[1])

    def give_up(self, why: Unavailable) -> None:
        self._callback(why)
