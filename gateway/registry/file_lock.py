"""Advisory locks on files (flock): the kernel frees them with the process that held them, however it ends."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_POLL_S: Final = 0.01


class FileLock:
    """One lock on one file, not held at first. Two objects on one file exclude each other within a process too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    @property
    def held(self) -> bool:
        """Is it held through this object?"""
        return self._fd >= 0

    def try_exclusive(self) -> bool:
        """Take it alone, now or not at all."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take it beside others who share it, now or not at all."""
        return self._try(fcntl.LOCK_SH)

    def wait_exclusive(self, timeout_s: float) -> bool:
        """Take it alone, waiting up to `timeout_s`; False if it stayed taken."""
        deadline = time.monotonic() + timeout_s
        while not self.try_exclusive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def release(self) -> None:
        """Give it back; nothing happens if it is not held."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def write(self, text: str) -> None:
        """Leave a note in the file of a held lock, for whoever finds it taken, and see it onto the disk."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)
        os.fsync(self._fd)

    def read(self) -> str:
        """The note that was left last; empty if there is none."""
        try:
            return self._path.read_text()
        except (OSError, UnicodeDecodeError):
            return ""

    def fileno(self) -> int:
        """Descriptor of a held lock; a process that inherits it holds the lock too."""
        return self._fd

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _try(self, how: int) -> bool:
        if self._fd >= 0:
            raise RuntimeError(f"the lock on {self._path} is held already")
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True
