"""The memory that one worker counts in and the private listener reads: numbers, and what each of them means.

    magic | octets of names | story: turn, length | time of the last beat | numbers ... | names ... | story ...

A name is one line of JSON, `[index, metric, [label, ...]]`, and counts as written when the length in front covers it.
The story is a JSON object that is written anew each time; its turn is odd while that happens. One process writes.
"""

import mmap
import os
import tempfile
import time
from typing import Any, Final

import orjson

from gateway._native import HISTOGRAM_SLOTS, Counters
from gateway.observe.table import METRICS, STAGES, Metric

MAGIC: Final = int.from_bytes(b"wfmgwob1", "little")
NUMBERS: Final = 8192
NAMES_BYTES: Final = 393_216
STORY_BYTES: Final = 131_072
_WORDS: Final = 8
"""Of the head, 8 octets each."""
_NAMES_AT: Final = 8 * (_WORDS + NUMBERS)
_STORY_AT: Final = _NAMES_AT + NAMES_BYTES
SIZE: Final = _STORY_AT + STORY_BYTES

STAGE_ROOM: Final = 8
"""Histograms that stand side by side for the stages; native code counts in them by number."""

SPILL: Final = 0
"""Index of the number that takes what finds no room; nothing is made of it."""

_TURNS: Final = 5
"""Attempts to read a story while it is written."""

Key = tuple[str, tuple[str, ...]]
"""Metric and values of its labels."""

Numbers = dict[Key, list[int]]
"""One number for each counter and gauge, `HISTOGRAM_SLOTS` for each histogram."""


def new_descriptor() -> int:
    """Memory for one page that two processes can map; it goes when the last of them closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("wfm-gateway-counters", os.MFD_CLOEXEC)
    else:  # macOS
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, SIZE)
    return descriptor


class Page:
    """The writing side.

    :param descriptor: of `new_descriptor`, which the caller closes; None: memory that nobody else sees
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._memory = mmap.mmap(-1 if descriptor is None else descriptor, SIZE)
        whole = memoryview(self._memory)
        self._head = whole[: 8 * _WORDS].cast("Q")
        self._names = whole[_NAMES_AT:_STORY_AT]
        self._story = whole[_STORY_AT:]
        self.counters = Counters(whole[8 * _WORDS : _NAMES_AT])
        self._used = 1
        self._head[0] = MAGIC
        self.stages = self._open_stages()
        """Index of the first stage's histogram."""

    def open(self, metric: str, *labels: str) -> int:
        """The index of a new series; `SPILL` if there is no room. Nobody may open the same one twice."""
        row = METRICS[metric]
        assert len(labels) == len(row.labels), metric
        return self._open(metric, labels, HISTOGRAM_SLOTS if row.kind == "histogram" else 1)

    def beat(self) -> None:
        """This process is doing something at this moment."""
        self._head[4] = time.monotonic_ns()

    def tell(self, story: dict[str, Any]) -> None:
        """Replace the story; one that is too long is left out."""
        data = orjson.dumps(story)
        if len(data) > STORY_BYTES:
            return
        self._head[2] += 1
        self._story[: len(data)] = data
        self._head[3] = len(data)
        self._head[2] += 1

    def _open(self, metric: str, labels: tuple[str, ...], room: int) -> int:
        index, end = self._used, self._head[1]
        line = orjson.dumps([index, metric, labels], option=orjson.OPT_APPEND_NEWLINE)
        if index + room > NUMBERS or end + len(line) > NAMES_BYTES:
            assert room == 1, "histograms are opened first, when there is room"
            return SPILL
        self._names[end : end + len(line)] = line
        self._used += room
        self._head[1] = end + len(line)
        return index

    def _open_stages(self) -> int:
        first = self._used
        for stage in STAGES:
            self._open("stage_duration_seconds", (stage,), HISTOGRAM_SLOTS)
        self._used = first + STAGE_ROOM * HISTOGRAM_SLOTS
        return first


class Reading:
    """The reading side of a page that another process may be writing."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, SIZE, prot=mmap.PROT_READ)
        whole = memoryview(self._memory)
        self._head = whole[: 8 * _WORDS].cast("Q")
        self._numbers = whole[8 * _WORDS : _NAMES_AT].cast("Q")
        self._names = whole[_NAMES_AT:_STORY_AT]
        self._story = whole[_STORY_AT:]
        self._series: list[tuple[int, Key, int]] = []
        self._read = 0

    def numbers(self) -> Numbers:
        """All series as they are now."""
        self._read_names()
        numbers = self._numbers
        return {key: numbers[index : index + room].tolist() for index, key, room in self._series}

    def story(self) -> dict[str, Any]:
        """What the worker told last; empty if nothing was."""
        for _ in range(_TURNS):
            turn, length = self._head[2], self._head[3]
            data = bytes(self._story[:length])
            if turn % 2 == 0 and self._head[2] == turn:
                break
        else:
            return {}
        try:
            told: dict[str, Any] = orjson.loads(data) if data else {}
        except orjson.JSONDecodeError:
            return {}  # torn, on a processor that sees writes in another order
        return told

    def beat_age_s(self) -> float:
        """Seconds since the process was last seen to do something."""
        return (time.monotonic_ns() - self._head[4]) / 1e9

    def close(self) -> None:
        """Give the memory back; what was read stays."""
        for view in (self._head, self._numbers, self._names, self._story):
            view.release()
        self._memory.close()

    def _read_names(self) -> None:
        end = self._head[1]
        if self._head[0] != MAGIC or end <= self._read:
            return
        for line in bytes(self._names[self._read : end]).splitlines():
            index, metric, labels = orjson.loads(line)
            room = HISTOGRAM_SLOTS if METRICS[metric].kind == "histogram" else 1
            self._series.append((index, (metric, tuple(labels)), room))
        self._read = end


def kept(row: Metric) -> bool:
    """Does what a worker counted stay true when it has ended? Gauges go with it."""
    return row.kind != "gauge"
