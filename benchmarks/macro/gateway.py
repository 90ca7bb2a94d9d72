"""A gateway under measurement: started as an operator starts it, its worker kept on one core, all else on another."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.macro import process
from benchmarks.macro.fleet import Fleet, register
from benchmarks.macro.presign import PUBLIC_URL
from benchmarks.peers.peer import Running, free_port

ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = (sys.executable, "-c", "from gateway.cli.main import main; main()")
READY_S: Final = 30.0
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": str(ROOT)}

Sections = Mapping[str, Any]
"""A configuration as TOML would give it: `{"policy": {"replay": "all"}}`; a list of tables for `[[route]]`."""


def toml(sections: Sections) -> str:
    """The text of a configuration file."""
    lines = []
    for name, values in sections.items():
        for table in values if isinstance(values, list) else [values]:
            lines.append(f"[[{name}]]" if isinstance(values, list) else f"[{name}]")
            lines += [f"{key} = {_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def merged(*layers: Sections) -> dict[str, Any]:
    """Sections of several configurations, later ones on top."""
    found: dict[str, Any] = {}
    for layer in layers:
        for name, values in layer.items():
            found[name] = values if isinstance(values, list) else {**found.get(name, {}), **values}
    return found


def refusal(sections: Sections, folder: Path) -> str:
    """Why this version of the gateway does not take a configuration; empty if it does."""
    path = folder / "try.toml"
    path.write_text(toml(sections))
    done = subprocess.run(
        [*COMMAND, "check", "-c", str(path)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return ""
    return (done.stderr.strip() or done.stdout.strip()).splitlines()[-1].rpartition(f"{path}: ")[2]


class Gateway:
    """One gateway with one embedded store and a fleet in it.

    `core` is where the worker runs (None: the system decides), `beside` where store and supervisor do.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        backend: int,
        fleet: Fleet,
        sections: Sections,
        *,
        core: int | None,
        beside: int,
    ) -> None:
        self.name = name
        self.port = free_port()
        self._folder = folder
        self._core = core
        self._beside = beside
        self._said: list[str] = []
        self._serves = False
        self._told = threading.Event()
        """It has said that it is ready, or it has ended."""
        folder.mkdir(parents=True)
        base = {
            "listen": {"address": f"127.0.0.1:{self.port}", "public_url": PUBLIC_URL, "workers": 1},
            "upstream": {"url": f"http://127.0.0.1:{backend}"},
            "store": {"url": f"embedded:{folder}/store", "timeout_ms": 2000},
        }
        self.sections = merged(base, sections)
        (folder / "gateway.toml").write_text(toml(self.sections))
        register(folder / "store", fleet, int(time.time()))

    def __enter__(self) -> Self:
        # The log goes to a file, as under systemd or a container runtime it goes to a pipe.
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [*COMMAND, "serve", "-c", str(self._folder / "gateway.toml")],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._told.wait(READY_S) or not self._serves:
            self._stop()
            raise RuntimeError(f"{self.name} did not start: {self._said[-1:]}")
        family = process.children(self._process.pid)
        self.workers = [pid for pid, command in family.items() if "gateway.proxy.worker" in command]
        self.store = next(pid for pid, command in family.items() if "valkey" in command)
        process.pin(self._process.pid, self._beside)
        process.pin(self.store, self._beside)
        if self._core is not None:
            for worker in self.workers:
                process.pin(worker, self._core)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def worker(self) -> int:
        """Process id of the one worker."""
        (pid,) = self.workers
        return pid

    @property
    def running(self) -> Running:
        """It, as what is measured."""
        return Running(self.name, self.port, tuple(self.workers), (self.store,))

    def log_lines(self) -> int:
        """How many lines it has logged."""
        return (self._folder / "log").read_bytes().count(b"\n")

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(READY_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(READY_S)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._log.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line.rstrip("\n"))
            if line.rstrip().endswith(": ready"):
                self._serves = True
                self._told.set()
        self._told.set()
