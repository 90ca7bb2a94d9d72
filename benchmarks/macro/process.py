"""What the system knows of running processes: CPU time, memory, children; and on which core they may run."""

import os
from pathlib import Path


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process, nanoseconds.

    From the scheduler's own accounts, because the ticks in /proc/PID/stat are ten milliseconds long.
    """
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            continue
    return total


def resident_bytes(pid: int) -> int:
    """Memory that is resident now."""
    return _status(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """Most memory that was resident since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let `peak_bytes` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def pin(pid: int, core: int) -> None:
    """Keep a process, with all its threads, on one core."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {core})


def children(pid: int) -> dict[int, str]:
    """Command lines of a process's children."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                found[int(child)] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no {name}")
