"""Follows the files of `[[onboarding.ca]]`: what changes there is in force within seconds, what is broken changes
nothing (R19)."""

import asyncio
import os
import random
from collections.abc import Callable
from typing import Final

from gateway.config.onboarding import Authority as Section
from gateway.onboarding import authorities
from gateway.onboarding.bundles import Bundles
from gateway.reasons import ConfigError
from gateway.registry.link import Report

LOOK_S: Final = 1.0
"""How often size and times of the files are compared. A change counts when two looks agree on it, for whoever writes
may not be done."""
_ABSENT: Final = ()
_UNREAD: Final = (-1,)

_Stamp = tuple[int, ...]


class CaRefresh:
    """The files of one worker, kept current by one task.

    :param on_change: called after other authorities are in force
    :param report: told `ca.loaded` when they are, or a broken file is whole again; once for each way in which a file is
        broken (`ca.failing`): what it said before stays in force
    """

    def __init__(self, bundles: Bundles, on_change: Callable[[], None], report: Report) -> None:
        self._bundles = bundles
        self._on_change = on_change
        self._report = report
        self._files = [_File(section) for section in bundles.sections]
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on a running loop."""
        if self._files:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S * (0.9 + random.random() / 10))
            for index, file in enumerate(self._files):
                if file.changed():
                    await self._read(index, file)

    async def _read(self, index: int, file: "_File") -> None:
        stamp = file.stamp
        try:
            fresh = await asyncio.to_thread(authorities.read, file.section)
        except Exception as error:  # whatever stands in the file, the gateway goes on with what it has
            why = error.message if isinstance(error, ConfigError) else f"{file.section.file}: {error!r}"
            if why != file.trouble:
                file.trouble = why
                self._report("ca.failing", f"{why}; what was read before stays in force")
            return
        change = self._bundles.put(index, fresh)
        if change:
            self._on_change()
        if change or file.trouble:
            self._report("ca.loaded", f"{file.section.file}: {change or 'readable again'}")
        file.trouble = ""
        file.judged = stamp


class _File:
    """What is known of one file. `judged` is what it looked like when it was read well."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.judged: _Stamp = _UNREAD
        self.stamp: _Stamp = _UNREAD
        self.trouble = ""

    def changed(self) -> bool:
        """Does it look as it did last time, and other than when it was read well?"""
        before, self.stamp = self.stamp, _stamp(self.section.file)
        return self.stamp == before and self.stamp != self.judged


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return _ABSENT
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
