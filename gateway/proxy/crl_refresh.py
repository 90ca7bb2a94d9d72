"""Keeps revocation lists current: files when they change, URLs on a schedule before their nextUpdate (R19)."""

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.clock import Clock
from gateway.onboarding import crl_file
from gateway.onboarding.crl import Crls, Source
from gateway.onboarding.crl_file import CrlError
from gateway.proxy import crl_fetch
from gateway.proxy.crl_fetch import Kept, Shelf

FILE_CHECK_S: Final = 5.0
"""How often the name, size and time of a file are compared."""
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 900.0
"""Bounds of the pause after a fetch that failed; it doubles each time."""
SHORTEST_WAIT_S: Final = 1.0

Report = Callable[[str, str], None]
_Stamp = tuple[int, int, int]


class CrlRefresh:
    """The lists of one worker, kept current by one task for each source. Make it on a running loop.

    :param refresh_s: how long a fetched list is believed without a look at its server
    :param folder: where fetched lists are kept
    :param report: told `crl.loaded` when a new list is in force; once when a source begins to fail (`crl.failing`);
        when a list is past its nextUpdate (`crl.stale`)
    """

    def __init__(self, crls: Crls, refresh_s: float, folder: Path, clock: Clock, report: Report) -> None:
        self._crls = crls
        self._refresh_s = refresh_s
        self._shelf = Shelf(folder)
        self._clock = clock
        self._report = report
        self._http = crl_fetch.session() if any(source.is_url for source in crls.sources) else None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, patience_s: float) -> None:
        """Begin; return when every source was tried once, or after `patience_s`."""
        loop = asyncio.get_running_loop()
        sources = self._crls.sources
        tried = [loop.create_future() for _ in sources]
        self._tasks = [
            loop.create_task(self._keep(source, future)) for source, future in zip(sources, tried, strict=True)
        ]
        if tried:
            await asyncio.wait(tried, timeout=patience_s)

    def restart(self) -> None:
        """Look at every source anew, at once: other authorities are in force, who may sign other lists."""
        loop = asyncio.get_running_loop()
        for task in self._tasks:
            task.cancel()
        self._crls.follow()
        self._tasks = [loop.create_task(self._keep(source, loop.create_future())) for source in self._crls.sources]

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _keep(self, source: Source, tried: "asyncio.Future[None]") -> None:
        round_ = _UrlRound(self, source) if source.is_url else _FileRound(self, source)
        failures = 0
        told_stale = False
        while True:
            try:
                wait_s = await round_.take()
                failures = 0
            except Exception as error:  # whatever a list does, its authority's certificates go on being watched
                if not failures:
                    self._report("crl.failing", str(error) if isinstance(error, CrlError) else repr(error))
                wait_s = min(round_.longest_pause_s, self._refresh_s, FIRST_PAUSE_S * 2.0 ** min(failures, 20))
                failures += 1
            stale = self._crls.next_update_s(source) < self._clock.now()
            if stale and not told_stale:
                self._report("crl.stale", f"{source.place} gave no list that is current")
            told_stale = stale
            if not tried.done():
                tried.set_result(None)
            # Never all workers at once.
            await asyncio.sleep(max(SHORTEST_WAIT_S, wait_s) * (0.9 + random.random() / 10))

    async def load(self, source: Source, data: bytes) -> None:
        """Check lists beside the loop, for they may be large, and put them in force.

        :raises CrlError: they cannot be used
        """
        listings = await asyncio.to_thread(self._crls.read, source, data, self._clock.now())
        if self._crls.put(source, listings):
            count = sum(len(listing.serials) for listing in listings)
            self._report("crl.loaded", f"{source.place}: {count} certificate{'' if count == 1 else 's'} revoked")

    def due_s(self, source: Source, fetched_s: float) -> float:
        """When a list that was fetched at `fetched_s` has to be fetched again: well before its nextUpdate."""
        half_life_s = (self._crls.next_update_s(source) - fetched_s) / 2
        return fetched_s + min(self._refresh_s, half_life_s)

    async def fetched(self, source: Source) -> Kept:
        """What the server says now; kept only when it could be used.

        :raises CrlError: it cannot be had, or not be used
        """
        assert self._http is not None
        data = await crl_fetch.fetch(self._http, source.place)
        await self.load(source, data)
        await asyncio.to_thread(self._shelf.put, source.place, data)
        return Kept(data, self._clock.now())

    async def kept(self, source: Source) -> Kept | None:
        """What another worker, or an earlier run, fetched."""
        return await asyncio.to_thread(self._shelf.get, source.place)

    @property
    def refresh_s(self) -> float:
        """See the class."""
        return self._refresh_s

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock.now()


class _UrlRound:
    """Takes what was kept while that is recent, else asks the server."""

    longest_pause_s: Final = LONGEST_PAUSE_S

    def __init__(self, owner: CrlRefresh, source: Source) -> None:
        self._owner = owner
        self._source = source

    async def take(self) -> float:
        """One round; returns the seconds until the next.

        :raises CrlError: there is no current list
        """
        owner, source = self._owner, self._source
        kept = await owner.kept(source)
        if kept is not None and kept.fetched_s <= owner.now():
            try:
                await owner.load(source, kept.data)
            except CrlError:
                kept = None  # of another authority, or overtaken
        if kept is None or owner.now() >= owner.due_s(source, kept.fetched_s):
            kept = await owner.fetched(source)
        wait_s = owner.due_s(source, kept.fetched_s) - owner.now()
        if wait_s <= 0:
            raise CrlError(f"{source.place} gave a list that is past its nextUpdate")
        return wait_s


class _FileRound:
    """Reads the file whenever it is another one than before."""

    longest_pause_s: Final = FILE_CHECK_S

    def __init__(self, owner: CrlRefresh, source: Source) -> None:
        self._owner = owner
        self._source = source
        self._seen: _Stamp | None = None

    async def take(self) -> float:
        """One round; returns the seconds until the next.

        :raises CrlError: the file cannot be used
        """
        stamp = _stamp(self._source.place)
        if stamp != self._seen:
            self._seen = None
            data = await asyncio.to_thread(crl_file.octets, self._source.place)
            await self._owner.load(self._source, data)
            self._seen = stamp
        return min(FILE_CHECK_S, self._owner.refresh_s)


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError as error:
        raise CrlError(f"{path} cannot be read: {error.strerror}") from error
    return found.st_mtime_ns, found.st_size, found.st_ino
