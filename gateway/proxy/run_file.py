"""The note by which commands find a running gateway, and learn how its latest reload ended."""

import os
from pathlib import Path
from typing import Final

import msgspec

from gateway.registry.file_lock import FileLock

NAME: Final = "gateway.run"


class Outcome(msgspec.Struct, frozen=True):
    """How a reload ended. `serial` counts them from 1; 0 is the start."""

    serial: int = 0
    done: bool = True
    message: str = "started"


class Note(msgspec.Struct, frozen=True):
    """`pid` is the supervisor's."""

    pid: int
    outcome: Outcome = Outcome()


class RunFile:
    """The note of one gateway in its data directory. Its lock is held as long as the gateway runs, so a note that a
    killed gateway left is known for what it is."""

    def __init__(self, data_dir: str) -> None:
        self._path = Path(data_dir, NAME)
        self._lock = FileLock(self._path)

    def hold(self) -> bool:
        """Write that this process is the gateway; False if another one is.

        :raises OSError: the data directory cannot be written
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._lock.try_exclusive():
            return False
        self.tell(Outcome())
        return True

    def tell(self, outcome: Outcome) -> None:
        """Write how a reload ended."""
        if self._lock.held:
            self._lock.write(msgspec.json.encode(Note(os.getpid(), outcome)).decode())

    def release(self) -> None:
        """The gateway ends."""
        if self._lock.held:
            self._path.unlink(missing_ok=True)
            self._lock.release()

    @property
    def held(self) -> bool:
        """Does a gateway run that wrote the note?"""
        if not self._path.exists():
            return False
        free = self._lock.try_exclusive()
        self._lock.release()
        return not free

    def read(self) -> Note | None:
        """The note as it stands; None if there is none, or while it is being written."""
        try:
            return msgspec.json.decode(self._lock.read(), type=Note)
        except msgspec.DecodeError:
            return None
