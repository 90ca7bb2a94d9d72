"""Chooses how a worker keeps in touch with its store, one server, a master that sentinels name, or a cluster, and what
goes with it."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from gateway.clock import Clock
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.buckets import BucketClaims
from gateway.registry.changes import Changes
from gateway.registry.claims import Claims
from gateway.registry.cluster import ClusterLink
from gateway.registry.figures import StoreFigures
from gateway.registry.keys import CHANGES, STREAM_EPOCH
from gateway.registry.link import Link, Report
from gateway.registry.ordered_recorder import OrderedRecorder
from gateway.registry.recorder import Recorder
from gateway.registry.sentinel import Sentinels
from gateway.registry.store_url import ClusterStore, RemoteStore, SentinelStore


class SentinelLink(Link):
    """The connection to whichever server the sentinels name; options as for `Link`.

    A failover is a connection that is lost: requests get store.unavailable until the new master is named and lets us
    in, and nothing is sent to it before it has said that it is the master.
    """

    def __init__(self, store: SentinelStore, clock: Clock, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(store.server("", 0, store.db), clock, loop, **options)
        self._sentinels = Sentinels(store, loop, self._named, self._missing)
        self._idle = False

    def start(self) -> None:
        self._sentinels.start()
        super().start()

    def close(self) -> None:
        self._sentinels.close()
        super().close()

    def _dial(self) -> None:
        self._timer = None
        master = self._sentinels.master
        self._idle = master is None
        if master is not None:
            self._open(master)

    def _redial(self) -> None:
        # Whatever ended the connection may be the sign of a failover.
        self._sentinels.ask()
        super()._redial()

    def _named(self) -> None:
        """The sentinels name a master for the first time, or another one."""
        if self._closed:
            return
        if self._wire is not None or self._opening is not None:
            self.drop(Unavailable(Reason.STORE_UNAVAILABLE, "the sentinels name another master"))
        elif not self._idle and self._timer is None:
            return  # not started yet
        if self._timer is not None:
            self._timer.cancel()
        self._failures = 0
        self._dial()

    def _missing(self, why: str) -> None:
        self._why = Unavailable(Reason.STORE_UNAVAILABLE, why)
        if not self._told_lost and not self._closed:
            self._told_lost = True
            self._tell("store.lost", why)


AnyLink: TypeAlias = Link | ClusterLink
AnyClaims: TypeAlias = Claims | BucketClaims


def link_to(store: RemoteStore, clock: Clock, loop: asyncio.AbstractEventLoop, **options: Any) -> AnyLink:
    """The link of one worker to its store; options as for `Link`.

    :raises ConfigError: config.unreadable for the store's TLS files
    """
    if isinstance(store, SentinelStore):
        return SentinelLink(store, clock, loop, **options)
    if isinstance(store, ClusterStore):
        return ClusterLink(store, clock, loop, **options)
    return Link(store, clock, loop, **options)


def follow(
    link: AnyLink, evict: Callable[[str, str], None], clear: Callable[[], None], report: Report | None
) -> Changes:
    """The follower of the change stream of one worker; see `Changes`."""
    if isinstance(link, ClusterLink):
        return Changes(link.line_of(CHANGES), evict, clear, report, STREAM_EPOCH)
    return Changes(link, evict, clear, report)


def claims_on(
    link: AnyLink, changes: Changes, report: Report | None = None, figures: StoreFigures | None = None
) -> AnyClaims:
    """The replay claims of one worker, which are counted in `figures`."""
    if isinstance(link, ClusterLink):
        return BucketClaims(link, report, figures)
    return Claims(link, changes, figures=figures)


def recorder_on(link: AnyLink, who: str, clock: Clock, durable: bool) -> Recorder:
    """What records devices over a link; see `Recorder`."""
    kind = OrderedRecorder if isinstance(link, ClusterLink) else Recorder
    return kind(link, who, clock, durable)
