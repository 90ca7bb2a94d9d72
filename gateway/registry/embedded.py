"""The embedded store: a Valkey of our own, kept by the gateway, or started by a command for the moment."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.registry import embedded_process
from gateway.registry.embedded_files import ONBOARDING_USER, REQUEST_USER, Files, trouble
from gateway.registry.file_lock import FileLock
from gateway.registry.store_url import EmbeddedStore, Endpoint

_DOOR_TIMEOUT_S: Final = 30.0
_WAIT_S: Final = 30.0
_LEAVE_S: Final = 2.0
_POLL_S: Final = 0.02
_handed_over: Final[list[subprocess.Popen[bytes]]] = []  # started here, ended by somebody else, to be reaped here


class Server:
    """The gateway's side: holds the lock on the directory from `start` to `stop`, and the server as its child."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self._files = Files(store.directory)
        self._lock = FileLock(self._files.lock)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def admin(self) -> Endpoint:
        """For administration: everything is allowed."""
        return _admin(self._files)

    @property
    def request(self) -> Endpoint:
        """For the request path: reads records, sets claims (R27)."""
        return _request(self._files)

    @property
    def onboarding(self) -> Endpoint:
        """For recording new devices, and nothing else (R27)."""
        return _as_user(self._files, ONBOARDING_USER, self._files.onboarding_password)

    @property
    def pid(self) -> int | None:
        """Process id of the server; None before `start`."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Take the lock and start the server, once momentary commands have left and an orphan was ended.

        :raises ConfigError: config.store_unreachable
        """
        self._files.prepare(create=True)
        with _door(self._files):
            if not self._lock.try_exclusive():
                where = self._files.directory
                raise trouble(f"the embedded store in {where} is in use by another gateway (pid {self._lock.read()})")
            self._lock.write(str(os.getpid()))
        try:
            self._start_alone()
        except BaseException:
            self._lock.release()
            raise

    def restart(self) -> None:
        """Start the server again after it died (`alive` is False)."""
        if self._process is not None:
            self._process.wait()
        self._start_alone()

    def alive(self) -> bool:
        """Does the server run? A dead one is reaped."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the server, its data safe on disk, and give the lock back. Commands get a moment to finish first."""
        if not self._lock.held:
            return
        try:
            deadline = time.monotonic() + _LEAVE_S
            while not self._end_alone(time.monotonic() >= deadline):
                time.sleep(_POLL_S)
        finally:
            self._lock.release()

    def _start_alone(self) -> None:
        deadline = time.monotonic() + _WAIT_S
        while True:
            with _door(self._files), FileLock(self._files.users) as users:
                if users.try_exclusive():
                    if embedded_process.runs(self._files):  # an orphan of a killed gateway or command
                        embedded_process.end(self._files)
                    self._process = embedded_process.start(self._store, self._files)
                    return
            if time.monotonic() >= deadline:
                raise trouble(f"a command uses the embedded store in {self._files.directory} and does not end")
            time.sleep(_POLL_S)

    def _end_alone(self, anyway: bool) -> bool:
        with _door(self._files), FileLock(self._files.users) as users:
            if not users.try_exclusive() and not anyway:
                return False
            embedded_process.end(self._files)
        if self._process is not None:
            self._process.wait()
        return True


def request_endpoint(store: EmbeddedStore) -> Endpoint:
    """Where the request path reaches the server that runs (R27)."""
    return _request(Files(store.directory))


@contextlib.contextmanager
def attach_or_start(store: EmbeddedStore, create: bool = True) -> Iterator[Endpoint]:
    """For a command: use the server that runs, or start one for the moment. The last one to leave a server that no
    gateway holds ends it, whoever started it.

    :param create: make the directory if there is none
    :raises ConfigError: config.store_unreachable
    """
    files = Files(store.directory)
    files.prepare(create)
    users = FileLock(files.users)
    process = _enter(store, files, users)
    try:
        yield _admin(files)
    finally:
        ended = _leave(files, users)
        if process is not None:
            if ended:
                process.wait()
            else:
                _handed_over.append(process)


def _enter(store: EmbeddedStore, files: Files, users: FileLock) -> subprocess.Popen[bytes] | None:
    _handed_over[:] = [process for process in _handed_over if process.poll() is None]
    deadline = time.monotonic() + _WAIT_S
    while True:
        with _door(files), FileLock(files.lock) as lock:
            process: subprocess.Popen[bytes] | None = None
            answers = embedded_process.answers(files)
            free = lock.try_exclusive()
            if free and not answers:
                if embedded_process.runs(files):  # it hangs, or is on its way out
                    embedded_process.end(files)
                process = embedded_process.start(store, files)
                answers = True
            if answers:
                users.try_shared()  # nobody can hold it alone without the door
                return process
        if time.monotonic() >= deadline:
            raise trouble(
                f"the embedded store in {files.directory} is held by pid {lock.read()}, and its server does not answer"
            )
        time.sleep(_POLL_S)


def _leave(files: Files, users: FileLock) -> bool:
    """True if we were the last and ended the server."""
    with _door(files), FileLock(files.lock) as lock:
        users.release()
        if not (lock.try_exclusive() and users.try_exclusive()):
            return False
        try:
            embedded_process.end(files)
        finally:
            users.release()
    return True


@contextlib.contextmanager
def _door(files: Files) -> Iterator[None]:
    """One at a time may start, stop, enter or leave."""
    try:
        with FileLock(files.door) as door:
            if not door.wait_exclusive(_DOOR_TIMEOUT_S):
                raise trouble(
                    f"another command starts or stops the embedded store in {files.directory} and does not end"
                )
            yield
    except OSError as error:
        raise trouble(f"the embedded store in {files.directory} cannot be used: {error}") from error


def _admin(files: Files) -> Endpoint:
    return Endpoint(path=str(files.socket()), embedded=True)


def _request(files: Files) -> Endpoint:
    return _as_user(files, REQUEST_USER, files.password)


def _as_user(files: Files, user: str, password: Path) -> Endpoint:
    return Endpoint(path=str(files.socket()), user=user, password=files.read_password(password), embedded=True)
