"""The servers of one upstream: who gets the next request, who is sent away, and whether a request may go twice."""

from collections.abc import Callable, Collection
from typing import Final

from gateway.balance.budget import RetryBudget
from gateway.balance.choose import by_client, least_busy, next_in_round, round_of
from gateway.balance.server import Server, ServerState
from gateway.clock import Clock
from gateway.config import Upstream
from gateway.reasons import Reason

ATTEMPTS: Final = 3
"""Servers that one request may be tried on."""

HOMES: Final = 65_536
"""Clients whose server is remembered."""

IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})
"""RFC 9110 §9.2.2."""

Report = Callable[[str, str], None]
"""Told of an event (`upstream.down`, `upstream.up`) and its detail."""


class NoServer(Exception):
    """Nobody can take the request: `reason` is upstream.down or upstream.busy."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Group:
    """Decides for one upstream; one per worker."""

    def __init__(self, config: Upstream, clock: Clock, report: Report) -> None:
        self.name = config.name
        self.servers = tuple(Server(server.url, server.weight) for server in config.backends)
        self._config = config
        self._clock = clock
        self._report = report
        self._budget = RetryBudget(config.retry_percent)
        self._in_flight = 0
        self._calm = True
        """Every server is available and warm: choosing needs no look at the time."""
        self._weights = [float(server.weight) for server in self.servers]
        self._round = round_of(self.servers)
        self._turn = -1
        self._homes: dict[str, Server] = {}

    # One request

    def enter(self) -> None:
        """A request has come.

        :raises NoServer: upstream.busy
        """
        limit = self._config.max_requests
        if limit is not None and self._in_flight >= limit:
            raise NoServer(Reason.UPSTREAM_BUSY, f"{self.name}: {limit} requests are under way")
        self._in_flight += 1
        self._budget.earn()

    def leave(self) -> None:
        """It has been answered, or not."""
        self._in_flight -= 1

    def pick(self, client_id: str, tried: Collection[Server] = ()) -> Server:
        """The server for a request, which counts as busy with it until `release`.

        :param client_id: "" if nobody was verified
        :param tried: those that it has been tried on
        :raises NoServer: upstream.down
        """
        if self._calm and not tried:
            chosen = self._next(client_id)
        else:
            now_s = self._clock.monotonic()
            free = self._free(now_s, tried)
            if not free:
                raise NoServer(Reason.UPSTREAM_DOWN, f"{self.name}: no server is up; {self._details()}")
            chosen = free[0] if len(free) == 1 else self._choose(free, client_id, now_s)
            if not self._calm and all(self._is_warm(other, now_s) for other in self.servers):
                self._calm = True
                self._turn = self._round.index(chosen)
        chosen.in_flight += 1
        return chosen

    def release(self, server: Server) -> None:
        """It is done with the request."""
        server.in_flight -= 1

    def answered(self, server: Server) -> None:
        """It gave an answer, whatever its status."""
        if server.failures or server.ejections:
            server.failures = server.ejections = 0

    def failed(self, server: Server, detail: str) -> None:
        """It gave none, or no whole one: after some of these in a row it gets no requests for a while, unless it is
        the last that does."""
        config, now_s = self._config, self._clock.monotonic()
        server.failures += 1
        server.detail = detail
        if not config.eject_after or server.failures < config.eject_after or not server.available(now_s):
            return
        others = sum(other.available(now_s) for other in self.servers) - 1
        if not others:
            return
        # If it comes back no better, one failure is enough.
        server.failures = config.eject_after - 1
        away_s = server.eject(now_s, config.eject_s)
        self._calm = False
        what = f"{config.eject_after} requests in a row failed, gets none for {away_s:g} s: {detail}"
        self._report("upstream.ejected", f"{self.name} {server.name}: {what}; {self._left(now_s)}")

    def may_try_again(self, method: bytes, touched: bool, reason: Reason, tried: Collection[Server]) -> bool:
        """May a request that failed go to another server?

        :param touched: an octet of it may have reached the one that failed (R13)
        """
        if len(tried) >= ATTEMPTS or not self._free(self._clock.monotonic(), tried):
            return False
        if not touched:
            return True
        if self._config.retry != "idempotent" or method not in IDEMPOTENT or reason is not Reason.UPSTREAM_UNREACHABLE:
            return False
        return self._budget.spend()

    # Active checks

    def checked(self, server: Server, failure: str | None) -> None:
        """A check has ended; `failure` says why it failed. The very first one counts at once."""
        check = self._config.check
        assert check is not None
        first = server.checks_passed == server.checks_failed == 0 and server.since_s is None
        now_s = self._clock.monotonic()
        if failure is None:
            server.checks_failed = 0
            server.checks_passed += 1
            if not server.up and server.checks_passed >= check.rise:
                server.up = True
                server.checks_passed = 0
                server.failures = 0
                server.since_s = now_s
                self._report("upstream.up", f"{self.name} {server.name}: {self._left(now_s)}")
            return
        server.checks_passed = 0
        server.checks_failed += 1
        if server.up and (first or server.checks_failed >= check.fall):
            server.up = self._calm = False
            server.detail = f"check: {failure}"
            server.since_s = now_s
            self._report("upstream.down", f"{self.name} {server.name}: {failure}; {self._left(now_s)}")

    # What others may know

    def describe(self) -> list[ServerState]:
        """The state of every server."""
        now_s = self._clock.monotonic()
        return [ServerState(self.name, server, now_s) for server in self.servers]

    def _free(self, now_s: float, tried: Collection[Server]) -> list[Server]:
        """Those that may get the request. One that was ejected is better than none: it may be well again."""
        left = [server for server in self.servers if server.up and server not in tried]
        return [server for server in left if server.available(now_s)] or left

    def _next(self, client_id: str) -> Server:
        """The choice among all."""
        balance = self._config.balance
        if balance == "client_id" and client_id:
            home = self._homes.get(client_id)
            if home is None:
                if len(self._homes) >= HOMES:
                    self._homes.clear()
                home = self._homes[client_id] = by_client(self.servers, client_id)
            return home
        self._turn += 1
        if balance == "least_requests":
            return least_busy(self.servers, self._weights, self._turn)
        return self._round[self._turn % len(self._round)]

    def _is_warm(self, server: Server, now_s: float) -> bool:
        return server.available(now_s) and server.weight_at(now_s, self._config.slow_start_s) == server.weight

    def _choose(self, free: list[Server], client_id: str, now_s: float) -> Server:
        balance = self._config.balance
        if balance == "client_id" and client_id:
            return by_client(free, client_id)
        weights = [server.weight_at(now_s, self._config.slow_start_s) for server in free]
        if balance == "least_requests":
            self._turn += 1
            return least_busy(free, weights, self._turn)
        return next_in_round(free, weights)

    def _left(self, now_s: float) -> str:
        up = sum(server.available(now_s) for server in self.servers)
        return f"{up} of {len(self.servers)} servers are up"

    def _details(self) -> str:
        return ", ".join(f"{server.name} ({server.detail or 'tried'})" for server in self.servers)[:300]
