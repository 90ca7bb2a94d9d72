"""All workers of this gateway together: their pages, added up, and who of them serves."""

import os
from collections.abc import Iterator
from typing import Any

from gateway.observe.page import Numbers, Reading, kept, new_descriptor
from gateway.observe.table import METRICS


class Slot:
    """The page of one worker process; `descriptor` is for the process, until `Fleet.born` or `Fleet.ended`."""

    __slots__ = ("descriptor", "reading", "serving")

    def __init__(self) -> None:
        self.descriptor = new_descriptor()
        self.reading = Reading(self.descriptor)
        self.serving = False


class Fleet:
    """What the supervisor knows of its workers. What one has counted is kept when it ends, however it ends: counters
    never go down."""

    def __init__(self, wanted: int, since_s: float = 0.0) -> None:
        self.wanted = wanted
        """Workers that there should be."""
        self.since_s = since_s
        """When the gateway was started, in seconds since 1970."""
        self.restarts = 0
        """Workers that ended by themselves."""
        self.started = False
        """All of them have served at one time."""
        self.draining = False
        """The gateway finishes what has begun, and takes nothing new."""
        self._slots: list[Slot] = []
        self._past: Numbers = {}

    @property
    def serving(self) -> int:
        """Workers that take requests."""
        return sum(slot.serving for slot in self._slots)

    def stuck(self, seconds: float) -> int:
        """Workers that should serve and have done nothing for so long."""
        return sum(slot.serving and slot.reading.beat_age_s() > seconds for slot in self._slots)

    def new(self) -> Slot:
        """A page for a process that is about to start."""
        slot = Slot()
        self._slots.append(slot)
        return slot

    def born(self, slot: Slot) -> None:
        """The process has the descriptor; ours is closed."""
        os.close(slot.descriptor)
        slot.descriptor = -1

    def ended(self, slot: Slot) -> None:
        """The process is gone, or never came to be."""
        if slot.descriptor >= 0:
            self.born(slot)
        self._slots.remove(slot)
        lasting = {key: value for key, value in slot.reading.numbers().items() if kept(METRICS[key[0]])}
        _merge(self._past, lasting)
        slot.reading.close()

    def numbers(self) -> Numbers:
        """All series, over all workers that are or were."""
        found = {key: list(value) for key, value in self._past.items()}
        for slot in self._slots:
            _merge(found, slot.reading.numbers())
        return found

    def stories(self) -> Iterator[dict[str, Any]]:
        """What each worker tells of itself."""
        for slot in self._slots:
            story = slot.reading.story()
            if story:
                yield story


def _merge(into: Numbers, more: Numbers) -> None:
    for key, value in more.items():
        have = into.get(key)
        if have is None:
            into[key] = list(value)
        elif METRICS[key[0]].of_workers == "max":
            into[key] = [max(pair) for pair in zip(have, value, strict=True)]
        else:
            into[key] = [one + other for one, other in zip(have, value, strict=True)]
