"""Runs the load generator and reads what it saw."""

import os
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.load.programs import program

USABLE: Final = sorted(os.sched_getaffinity(0))
"""The cores of this process, before it kept itself to one."""


class Shots(msgspec.Struct, frozen=True):
    """Signed requests in a file of heads, the body they share, and how many there are."""

    heads: Path
    count: int
    body: Path | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What became of one load. `latency_us` at 0, 1, ... 1000 per mille; `cpu_s` is the generator's own."""

    answered: int
    failed: int
    seconds: float
    cpu_s: float
    statuses: dict[str, int]
    latency_us: list[float]

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds

    def per_mille(self, which: int) -> float:
        """A latency, microseconds."""
        return self.latency_us[which]


class LoadFailed(Exception):
    """Not every request had the answer that the measurement needs."""


def send(
    port: int,
    shots: Shots,
    requests: int,
    *,
    connections: int = 16,
    first: int = 0,
    rate: float = 0.0,
    fresh: bool = False,
    limit_s: float = 60.0,
    core: int | None = None,
    seed: int = 1,
) -> Outcome:
    """Send `requests`, and return when all answers are there.

    :param rate: requests a second, open loop; 0: closed loop
    :param core: where the generator runs; None: anywhere
    :raises LoadFailed: a request had another status than 200, or none
    """
    options = {
        "port": port,
        "heads": shots.heads,
        "connections": connections,
        "requests": requests,
        "first": first,
        "rate": rate,
        "fresh": int(fresh),
        "limit_s": limit_s,
        "seed": seed,
    }
    if shots.body is not None:
        options["body"] = shots.body
    arguments = [str(program("load")), *(f"{name}={value}" for name, value in options.items())]
    if core is not None:
        arguments = ["taskset", "-c", str(core), *arguments]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=limit_s + 30, check=False)
    if done.returncode != 0:
        raise LoadFailed(done.stderr.strip())
    outcome = msgspec.json.decode(done.stdout, type=Outcome)
    if outcome.failed or outcome.statuses != {"200": requests}:
        raise LoadFailed(f"of {requests} requests {outcome.failed} had no answer; statuses {outcome.statuses}")
    return outcome


def cores() -> tuple[int, int]:
    """The core of what is measured, and the core of everything else.

    :raises RuntimeError: there is only one
    """
    if len(USABLE) < 2:
        raise RuntimeError("the macro benchmark needs two cores: one for the gateway, one for load and backend")
    return USABLE[0], USABLE[1]
