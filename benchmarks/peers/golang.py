"""The Go peer: `httputil.ReverseProxy` behind `github.com/yaronf/httpsign`, on one core as everything else."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.load.programs import PLACE
from benchmarks.peers.peer import Peer, Running, Site, child, free_port

SOURCES: Final = Path(__file__).parent / "go"
# The toolchain that is there: a benchmark must not install another one.
ENVIRONMENT: Final = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}


@cache
def _build() -> tuple[Path, str]:
    """The program, and why there is none."""
    program = PLACE / "go-peer"
    go = shutil.which("go")
    if go is None:
        return program, "the Go toolchain is not installed"
    PLACE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [go, "build", "-o", program, "."],
        cwd=SOURCES,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    return program, "" if done.returncode == 0 else f"not built: {done.stderr.strip().splitlines()[-1]}"


def why_not() -> str:
    """Is the toolchain here, and does it build the program?"""
    return _build()[1]


def version() -> str:
    """Of the toolchain; empty if there is none."""
    go = shutil.which("go")
    return subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout.strip() if go else ""


def _peer(name: str, *flags: str) -> Peer:
    @contextlib.contextmanager
    def start(site: Site) -> Iterator[Running]:
        port = free_port()
        command = [_build()[0], f"-port={port}", f"-backend={site.backend}", f"-keys={site.keys}", *flags]
        with child(command, port, site.core, site.folder / "go.out", GOMAXPROCS="1") as pid:
            yield Running(name, port, (pid,))

    return Peer(name, why_not, start)


PROXY: Final = _peer("Go ReverseProxy + httpsign")
VERIFIER: Final = _peer("Go httpsign, verifier only", "-verify-only")
