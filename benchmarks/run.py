"""Take all figures, or in the short form those that a change is judged by: `python -m benchmarks.run [--short]`.

The full form writes `results/` and takes less than 15 minutes; then render them with `python -m benchmarks.report`. The
short form takes less than two, writes nothing that is kept, and prints its tables.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from benchmarks.load.programs import PLACE
from benchmarks.record import RESULTS

TICK_S: Final = 0.2
SHORT_PLACE: Final = PLACE / "short"


class Step(msgspec.Struct, frozen=True):
    """One script with its arguments, the name of its result, and about how long it takes."""

    module: str
    result: str
    arguments: tuple[str, ...]
    seconds: float


FULL: Final = (
    Step("benchmarks.macro.proxy", "macro-proxy", (), 420),
    Step("benchmarks.micro.verify", "micro-verify", (), 15),
    Step("benchmarks.micro.store", "micro-store", (), 20),
    Step("benchmarks.micro.l1", "micro-l1", (), 20),
    Step("benchmarks.micro.observe", "micro-observe", (), 15),
    Step("benchmarks.micro.engines", "micro-engines", (), 30),
    Step("benchmarks.macro.registry", "macro-registry", (), 150),
)
SHORT: Final = (
    Step("benchmarks.micro.verify", "micro-verify", ("--rounds", "31"), 6),
    Step("benchmarks.micro.store", "micro-store", ("--rounds", "7"), 8),
    Step("benchmarks.macro.proxy", "macro-proxy", ("--short", "--rounds", "3", "--seconds", "0.25"), 80),
)


class Failed(Exception):
    """A script ended without a result."""


def run(steps: Sequence[Step], place: Path) -> list[str]:
    """Run the steps one after the other, results into `place`; the bars that were missed, by script.

    :raises Failed: a script ended without writing its result
    """
    place.mkdir(parents=True, exist_ok=True)
    missed = []
    columns = (TextColumn("{task.description:<28}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=sum(step.seconds for step in steps))
        before = 0.0
        for step in steps:
            progress.update(task, description=step.module.removeprefix("benchmarks."))
            began = time.monotonic()
            result = place / f"{step.result}.json"
            written = result.stat().st_mtime_ns if result.exists() else 0
            with (PLACE / f"{step.result}.out").open("w+") as out:
                running = subprocess.Popen(
                    [sys.executable, "-m", step.module, *step.arguments],
                    stdout=out,
                    stderr=out,
                    env={**os.environ, "WFM_BENCHMARK_RESULTS": str(place)},
                )
                while running.poll() is None:
                    # Nobody knows how far it is; it is never shown as done before it is.
                    progress.update(task, completed=before + min(time.monotonic() - began, 0.95 * step.seconds))
                    time.sleep(TICK_S)
                out.seek(0)
                said = out.read().strip()
            if not result.exists() or result.stat().st_mtime_ns == written:
                raise Failed(f"{step.module} wrote no result: {said.splitlines()[-1] if said else 'it said nothing'}")
            if running.returncode != 0:
                missed.append(step.module)
            before += step.seconds
            progress.update(task, completed=before)
    return missed


def show(steps: Sequence[Step], place: Path) -> None:
    """Print the tables of a short run."""
    for step in steps:
        result = json.loads((place / f"{step.result}.json").read_text())
        print(f"\n{result['title']} ({result['machine']})")
        for row in result["rows"]:
            print("  " + " | ".join(str(value) for value in row.values()))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: python -m benchmarks.run --short"
    )
    parser.add_argument("--short", action="store_true", help="less than two minutes; nothing is kept")
    arguments = parser.parse_args()
    steps, place = (SHORT, SHORT_PLACE) if arguments.short else (FULL, RESULTS)
    PLACE.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        missed = run(steps, place)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; scripts that had ended have written their results", file=sys.stderr)
        return 130
    if arguments.short:
        show(steps, place)
    print(f"{time.monotonic() - began:.0f} s; scripts that missed a bar of theirs: {', '.join(missed) or 'none'}")
    if not arguments.short:
        print("render them with: python -m benchmarks.report")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
