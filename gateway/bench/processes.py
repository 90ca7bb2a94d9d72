"""CPU time of the gateway's processes, and on which cores they run; where the system tells (Linux)."""

import os
from pathlib import Path
from typing import Final

import msgspec

_PROC: Final = Path("/proc")


class Family(msgspec.Struct, frozen=True):
    """Process ids of a gateway: its workers, and the embedded store. Empty and None where the system does not tell."""

    workers: tuple[int, ...]
    store: int | None


def family(supervisor: int) -> Family:
    """The children of a supervisor."""
    workers, store = [], None
    for pid in _children(supervisor):
        if b"valkey" in _read(pid, "cmdline"):
            store = pid
        else:
            workers.append(pid)
    return Family(tuple(sorted(workers)), store)


def cpu_s(pids: tuple[int, ...]) -> float | None:
    """Seconds of CPU that these processes have used, to the nanosecond; None where the system does not tell."""
    if not pids:
        return None
    try:
        tasks = [task for pid in pids for task in (_PROC / str(pid) / "task").iterdir()]
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (OSError, IndexError):
        return None


def place(found: Family, own: tuple[int, ...]) -> str:
    """Give each worker a core of its own as far as they last, the store and `own` (load generator, backend) the last
    one; how that came out, in words."""
    if not hasattr(os, "sched_setaffinity") or not found.workers:
        return "processes run wherever the system puts them"
    cores = sorted(os.sched_getaffinity(0))
    last = cores[-1]
    for number, pid in enumerate(found.workers):
        os.sched_setaffinity(pid, {cores[number % len(cores)]})
    for pid in (*own, *([] if found.store is None else [found.store])):
        os.sched_setaffinity(pid, {last})
    if len(found.workers) >= len(cores):
        return f"each worker has a core; load generator, backend and store share core {last} with one of them"
    return f"each worker has a core of its own; load generator, backend and store share core {last}"


def _children(parent: int) -> list[int]:
    found = []
    for folder in _PROC.glob("[0-9]*"):
        fields = _read(int(folder.name), "stat").rpartition(b")")[2].split()
        if len(fields) > 1 and int(fields[1]) == parent:
            found.append(int(folder.name))
    return found


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""  # it has ended
