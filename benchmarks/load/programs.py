"""Builds the two C programs with the compiler that built the gateway, once per version of their source."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
PLACE = HERE.parents[1] / "build" / "benchmarks"


def program(name: str) -> Path:
    """The program made of `name.c`.

    :raises RuntimeError: there is no C compiler, or it does not take the source (Linux only)
    """
    source = HERE / f"{name}.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    made = PLACE / f"{name}-{digest}"
    if made.exists():
        return made
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("the load generator needs a C compiler (cc), which is not installed")
    PLACE.mkdir(parents=True, exist_ok=True)
    unfinished = made.with_suffix(f".{os.getpid()}")
    command = [compiler, "-O2", "-Wall", "-Werror", "-o", unfinished, source, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{source.name} was not compiled: {done.stderr.strip()}")
    unfinished.replace(made)
    return made
