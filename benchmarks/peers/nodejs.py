"""The Node peer: `node:http` on both sides and `http-message-signatures` from npm in between."""

import contextlib
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.load.programs import PLACE
from benchmarks.peers.peer import Peer, Running, Site, child, free_port

SOURCES: Final = Path(__file__).parent / "node"
INSTALL_S: Final = 60


@cache
def _install() -> tuple[Path, str]:
    """The folder with program and library, and why there is none."""
    text = b"".join((SOURCES / name).read_bytes() for name in ("package.json", "proxy.js"))
    place = PLACE / f"node-peer-{hashlib.sha256(text).hexdigest()[:12]}"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return place, "node and npm are not installed"
    if not (place / "node_modules").is_dir():
        place.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "proxy.js"):
            shutil.copy(SOURCES / name, place / name)
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            return place, "npm did not bring http-message-signatures in time"
        if done.returncode != 0:
            return place, f"npm did not bring http-message-signatures: {done.stderr.strip().splitlines()[-1:]}"
    return place, ""


def why_not() -> str:
    """Is Node here, and can its library be had?"""
    return _install()[1]


@contextlib.contextmanager
def _start(site: Site) -> Iterator[Running]:
    port = free_port()
    node = shutil.which("node")
    assert node is not None
    command: list[str | Path] = [node, _install()[0] / "proxy.js", str(port), str(site.backend), site.keys]
    with child(command, port, site.core, site.folder / "node.out") as pid:
        yield Running("Node + http-message-signatures", port, (pid,))


PROXY: Final = Peer("Node + http-message-signatures", why_not, _start)
