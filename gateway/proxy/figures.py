"""Once a second, what a worker knows of itself goes into its page: so that it costs no request anything."""

import asyncio
import os
import resource
import sys
from typing import Final, Protocol

import msgspec

import gateway
from gateway.balance.server import ServerState
from gateway.observe.failing import Failures
from gateway.observe.log import Log
from gateway.observe.page import Page
from gateway.registry.directory import Directory
from gateway.registry.figures import StoreFigures
from gateway.registry.links import AnyLink

PERIOD_S: Final = 1.0
_NS: Final = 1_000_000_000
_FOREVER_NS: Final = 1 << 62


class Backends(Protocol):
    """The servers behind the gateway; `gateway.proxy.upstreams.Upstreams` is one."""

    @property
    def busy(self) -> int:
        """Connections that a request has."""
        ...

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        ...

    def describe(self) -> list[ServerState]:
        """Every server that is one of several, or is checked."""
        ...


class Doors(Protocol):
    """The inbound connections of a worker; the server of either plane."""

    @property
    def open(self) -> int:
        """Connections there are."""
        ...

    @property
    def accepted(self) -> int:
        """Those that were taken."""
        ...

    @property
    def refused(self) -> int:
        """Those that were closed at once for want of room."""
        ...


class Figures:
    """Copies figures; from `start` to `close`."""

    def __init__(
        self,
        page: Page,
        server: Doors,
        directory: Directory,
        link: AnyLink,
        store: StoreFigures,
        upstream: Backends,
        log: Log,
        failures: Failures,
        plane: str,
        engine: str,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._page = page
        self._set = page.counters.set
        self._server = server
        self._directory = directory
        self._link = link
        self._store = store
        self._upstream = upstream
        self._log = log
        self._failures = failures
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._places: dict[tuple[str, ...], int] = {}
        self._put(1, "build_info", gateway.__version__, plane, engine)

    def start(self) -> None:
        """Copy now, and again each second."""
        self._due_s = self._loop.time()
        self._tick()

    def close(self) -> None:
        """Copy for the last time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.copy()

    def _tick(self) -> None:
        now_s = self._loop.time()
        self._put(int((now_s - self._due_s) * _NS), "loop_lag_seconds")
        self.copy()
        self._due_s = now_s + PERIOD_S
        self._timer = self._loop.call_at(self._due_s, self._tick)

    def copy(self) -> None:
        """Write down how everything stands."""
        self._page.beat()
        put, server, directory, store = self._put, self._server, self._directory, self._store
        put(server.open, "open_connections")
        put(server.accepted, "connections_total")
        put(server.refused, "connections_refused_total")
        put(directory.hits, "cache_lookups_total", "hit")
        put(directory.misses, "cache_lookups_total", "miss")
        put(directory.negative_hits, "cache_lookups_total", "negative")
        put(directory.stale_served, "cache_lookups_total", "stale")
        put(len(directory.cache), "cache_entries")
        put(directory.cache.evictions, "cache_evictions_total")
        put(directory.learned, "clients_learned_total")
        put(store.claimed, "replay_claims_total", "claimed")
        put(store.seen, "replay_claims_total", "seen")
        put(store.failed, "replay_claims_total", "failed")
        put(int(self._link.connected), "store_connected")
        put(store.connections, "store_connections_total")
        put(store.round_trips, "store_round_trips_total")
        put(int(store.round_trip_s * _NS), "store_round_trip_seconds_total")
        put(store.timeouts, "store_timeouts_total")
        put(int(min(directory.changes.age_s() * _NS, _FOREVER_NS)), "changes_age_seconds")
        put(self._upstream.busy, "upstream_connections", "busy")
        put(self._upstream.idle, "upstream_connections", "idle")
        for state in self._upstream.describe():
            put(int(state.up), "upstream_server_up", state.upstream, state.server)
            put(state.in_flight, "upstream_server_requests", state.upstream, state.server)
        put(self._log.lost, "log_lines_dropped_total")
        used = resource.getrusage(resource.RUSAGE_SELF)
        put(int((used.ru_utime + used.ru_stime) * _NS), "worker_cpu_seconds_total")
        put(_resident_bytes(used.ru_maxrss), "worker_resident_bytes")
        if self._failures.changed:
            self._failures.changed = False
            self._page.tell({"failing": msgspec.to_builtins(self._failures.worst())})

    def _put(self, value: int, *series: str) -> None:
        place = self._places.get(series)
        if place is None:
            place = self._places[series] = self._page.open(*series)
        self._set(place, value)


def _resident_bytes(peak: int) -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        # macOS has no such file; the peak comes in octets there.
        return peak if sys.platform == "darwin" else peak * 1024
