"""All upstreams of a worker: which one a path belongs to, which of its servers is asked, and what if that one fails."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from gateway.balance.group import Group, NoServer, Report
from gateway.balance.server import Server, ServerState
from gateway.clock import Clock
from gateway.config import Upstream as UpstreamConfig
from gateway.proxy.asking import Backend, BackendAnswer, UpstreamError
from gateway.proxy.assertion import Assertions
from gateway.proxy.checker import Checker
from gateway.proxy.spool import Body
from gateway.reasons import Reason

if TYPE_CHECKING:
    from gateway.proxy.forward import Delivery


class Place(Backend, Protocol):
    """The connections to one server."""

    @property
    def busy(self) -> int:
        """Connections that a request has."""
        ...

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection."""
        ...

    async def close(self) -> None:
        """End every connection."""
        ...


P = TypeVar("P", bound=Place)
T = TypeVar("T", bound=Backend)


class Shared(Generic[P]):
    """One upstream with everything that several servers, limits and checks need."""

    def __init__(
        self, config: UpstreamConfig, clock: Clock, report: Report, make: Callable[[UpstreamConfig], P]
    ) -> None:
        self.group = Group(config, clock, report)
        self.assertions = None if config.assertion_key is None else Assertions(config.assertion_key, clock)
        places = [make(config.alone(backend)) for backend in config.backends]
        self._places: dict[Server, P] = dict(zip(self.group.servers, places, strict=True))
        self._max_waiting = config.max_waiting
        self._checker = None if config.check is None else Checker(config, config.check, self.group)

    def place(self, server: Server) -> P:
        """The connections to a server that was picked.

        :raises NoServer: upstream.busy: too many requests wait for one
        """
        place, limit = self._places[server], self._max_waiting
        if limit is not None and place.waiting >= limit:
            raise NoServer(Reason.UPSTREAM_BUSY, f"{self.group.name}: {limit} requests wait for {server.name}")
        return place

    @property
    def places(self) -> Iterable[P]:
        """The connections to all of them."""
        return self._places.values()

    def start(self) -> None:
        """Begin to check."""
        if self._checker is not None:
            self._checker.start()

    async def close(self) -> None:
        """End every connection and every check."""
        if self._checker is not None:
            await self._checker.close()
        for place in self._places.values():
            await place.close()


class Turn(Generic[P]):
    """One request on its way to one of an upstream's servers."""

    __slots__ = ("assertions", "client_id", "method", "shared")

    def __init__(self, shared: Shared[P], client_id: str, method: bytes) -> None:
        self.shared = shared
        self.client_id = client_id
        self.method = method
        self.assertions = shared.assertions

    @asynccontextmanager
    async def ask(
        self, head: bytes, body: Body | None, head_only: bool, delivery: "Delivery"
    ) -> AsyncIterator[BackendAnswer]:
        """As of `Backend.ask`; upstream.down and upstream.busy besides."""
        group = self.shared.group
        tried: list[Server] = []
        answering = False
        async with AsyncExitStack() as whole:
            try:
                group.enter()
                whole.callback(group.leave)
                while True:
                    server = group.pick(self.client_id, tried)
                    async with AsyncExitStack() as attempt:
                        attempt.callback(group.release, server)
                        place = self.shared.place(server)
                        try:
                            answer = await attempt.enter_async_context(place.ask(head, body, head_only, delivery))
                            answering = True
                            yield answer
                            group.answered(server)
                            return
                        except UpstreamError as error:
                            group.failed(server, error.detail)
                            tried.append(server)
                            if answering or not group.may_try_again(self.method, delivery.touched, error.reason, tried):
                                raise
            except NoServer as error:
                raise UpstreamError(error.reason, error.detail) from None


class Upstreams(Generic[P, T]):
    """Finds who gets a request. Make it on a running loop.

    :param configs: the first one gets what no prefix of the others is for
    :param make: the connections to one server (`Upstream` or `BackendPool`)
    :param turn: one request to one of several (`Turn` or `NativeTurn`)
    :raises ConfigError: config.unreadable for TLS files and assertion keys
    """

    def __init__(
        self,
        configs: tuple[UpstreamConfig, ...],
        clock: Clock,
        report: Report,
        make: Callable[[UpstreamConfig], P],
        turn: Callable[[Shared[P], str, bytes], T],
    ) -> None:
        self._turn = turn
        self._entries: list[P | Shared[P]] = []
        for config in configs:
            alone = config.alone(config.backends[0])
            self._entries.append(Shared(config, clock, report, make) if _is_shared(config) else make(alone))
        self._first = self._entries[0]
        pairs = zip(configs, self._entries, strict=True)
        self._prefixed = [(config, entry) for config, entry in pairs if config.prefixes]

    def at(self, path: bytes, client_id: str, method: bytes) -> P | T:
        """Who takes a request.

        :param path: of the target, as received; a query may follow
        :param client_id: "" if nobody was verified
        """
        entry = self._first
        if self._prefixed:
            path, best = path.partition(b"?")[0], 0
            for config, other in self._prefixed:
                length = config.covers(path)
                if length > best:
                    entry, best = other, length
        return self._turn(entry, client_id, method) if isinstance(entry, Shared) else entry

    def start(self) -> None:
        """Begin to check the servers."""
        for entry in self._entries:
            if isinstance(entry, Shared):
                entry.start()

    async def close(self) -> None:
        """End every connection."""
        for entry in self._entries:
            await entry.close()

    @property
    def busy(self) -> int:
        """Connections that a request has, to all servers."""
        return sum(place.busy for place in self._places())

    @property
    def idle(self) -> int:
        """Connections that wait for a request, to all servers."""
        return sum(place.idle for place in self._places())

    def describe(self) -> list[ServerState]:
        """The state of every server that is one of several, or is checked."""
        return [state for entry in self._entries if isinstance(entry, Shared) for state in entry.group.describe()]

    def _places(self) -> list[P]:
        found: list[P] = []
        for entry in self._entries:
            found += entry.places if isinstance(entry, Shared) else [entry]
        return found


def _is_shared(config: UpstreamConfig) -> bool:
    """Is there anything to decide?"""
    limited = config.max_requests is not None or config.max_waiting is not None
    return limited or len(config.backends) > 1 or config.check is not None
