"""Versions of programs that are no Python packages."""

import shutil
import subprocess
from typing import Final

COMMANDS: Final = {
    "nginx": ("nginx", "-v"),
    "go": ("go", "version"),
    "node": ("node", "--version"),
    "cc": ("cc", "--version"),
}


def tools() -> dict[str, str]:
    """What each program says of itself, in one line; those that are not installed are left out."""
    found = {}
    for name, command in COMMANDS.items():
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = (done.stdout or done.stderr).strip().splitlines()
        if said:
            found[name] = said[0].removeprefix("nginx version: ").removeprefix("go version ")
    return found
