"""Room for large bodies: unnamed files in the data directory, all of them together bounded (R5)."""

import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from gateway._native import Refused
from gateway.reasons import Reason

PIECE_BYTES: Final = 256 * 1024
"""How much of a large body is in memory at a time, on its way into the file and out of it."""

THREADS: Final = 4
"""Threads that write, read and hash spool files, so that a slow disk does not stop the event loop."""


Result = TypeVar("Result")


class Body:
    """A whole body of `length` octets, in memory (`data`) or in an unnamed file. `close` gives its room back."""

    __slots__ = ("_descriptor", "_spool", "data", "length")

    def __init__(self, data: bytes, length: int, spool: "Spool | None" = None, descriptor: int = -1) -> None:
        self.data = data
        self.length = length
        self._spool = spool
        self._descriptor = descriptor

    @property
    def spooled(self) -> bool:
        """The octets are in a file and must be read with `pieces`."""
        return self._descriptor >= 0

    async def pieces(self) -> AsyncIterator[bytes]:
        """The octets of a spooled body, `PIECE_BYTES` at a time."""
        spool = self._spool
        assert spool is not None
        offset = 0
        while offset < self.length:
            size = min(PIECE_BYTES, self.length - offset)
            piece = await spool.run(os.pread, self._descriptor, size, offset)
            if not piece:
                raise OSError(errno.EIO, "the spool file is shorter than what was written to it")
            offset += len(piece)
            yield piece

    def close(self) -> None:
        """Close the file, which ends it, and give back its share of the spool."""
        if self._descriptor >= 0 and self._spool is not None:
            os.close(self._descriptor)
            self._descriptor = -1
            self._spool.release(self.length)


class Spool:
    """Room for large bodies on disk: `total_bytes` for all that are there at one time in this worker."""

    def __init__(self, directory: str, memory_bytes: int, total_bytes: int) -> None:
        self.directory = directory
        self.memory_bytes = memory_bytes
        """Bodies up to here stay in memory."""
        self._total_bytes = total_bytes
        self._used_bytes = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="spool")

    @property
    def used_bytes(self) -> int:
        """What is reserved now."""
        return self._used_bytes

    def reserve(self, count: int) -> None:
        """Take `count` octets of the room.

        :raises Refused: internal.spool_full
        """
        if self._used_bytes + count > self._total_bytes:
            raise Refused(Reason.INTERNAL_SPOOL, f"{self._used_bytes} of {self._total_bytes} octets are in use")
        self._used_bytes += count

    def release(self, count: int) -> None:
        """Give room back."""
        self._used_bytes -= count

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a blocking call in one of the spool's threads, to its end even if the caller is cancelled: a descriptor
        must not be closed while a thread writes to it."""
        return await _to_its_end(asyncio.get_running_loop().run_in_executor(self._threads, function, *args))

    async def open(self) -> int:
        """A descriptor of a file without a name: it is gone with its last descriptor, whatever happens to us."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._open)
        try:
            return await _to_its_end(future)
        except asyncio.CancelledError:
            if future.exception() is None:
                os.close(future.result())
            raise

    def _open(self) -> int:
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        unnamed = getattr(os, "O_TMPFILE", 0)
        if unnamed:
            try:
                return os.open(self.directory, unnamed | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                # Some file systems (overlayfs of old kernels, NFS) cannot.
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
                    raise
        descriptor, name = tempfile.mkstemp(dir=self.directory, prefix="body-")
        os.unlink(name)
        return descriptor

    def close(self) -> None:
        """Stop the threads; bodies that are still open keep their files."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _to_its_end(future: "asyncio.Future[Result]") -> Result:
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
