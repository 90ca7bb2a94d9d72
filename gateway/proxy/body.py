"""Reads the body of a request: into memory, beyond a size into an unnamed file; hashed once and bounded (R5, R10)."""

import asyncio
import errno
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import msgspec
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestPayloadError

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


class Digests(msgspec.Struct, frozen=True, gc=False):
    """What was computed over a body; None where it was not asked for."""

    sha256: bytes | None
    sha512: bytes | None


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


class _Hash:
    def __init__(self, sha256: bool, sha512: bool) -> None:
        self.sha256 = hashlib.sha256() if sha256 else None
        self.sha512 = hashlib.sha512() if sha512 else None

    def update(self, data: bytes) -> None:
        if self.sha256 is not None:
            self.sha256.update(data)
        if self.sha512 is not None:
            self.sha512.update(data)

    def digests(self) -> Digests:
        return Digests(
            self.sha256.digest() if self.sha256 is not None else None,
            self.sha512.digest() if self.sha512 is not None else None,
        )


async def read(
    payload: StreamReader,
    announced: int,
    limit_bytes: int,
    spool: Spool,
    stall_s: float,
    sha256: bool = True,
    sha512: bool = False,
) -> tuple[Body, Digests]:
    """Read a body to its end.

    :param announced: its Content-Length in octets, -1 for a chunked one
    :param stall_s: the longest pause between two arrivals
    :raises Refused: request.body_too_large, body_timeout, body_incomplete, bad_chunk (or what the reader of the
        connection refused in the middle of it), internal.spool_full
    :raises ConnectionError: the client is gone
    """
    if announced > limit_bytes:
        raise too_large(limit_bytes)
    hashes = _Hash(sha256, sha512)
    if payload.is_eof() and payload.total_bytes <= spool.memory_bytes:
        # The common case: it came together with the head.
        if payload.exception() is not None:
            await _next(payload, stall_s)
        data = payload.read_nowait() if payload.total_bytes else b""
        if len(data) > limit_bytes:
            raise too_large(limit_bytes)
        hashes.update(data)
        return Body(data, len(data)), hashes.digests()
    held: list[bytes] = []
    length = 0
    while piece := await _next(payload, stall_s):
        length += len(piece)
        if length > limit_bytes:
            raise too_large(limit_bytes)
        held.append(piece)
        if length > spool.memory_bytes:
            return await _read_spooled(payload, held, announced, limit_bytes, spool, stall_s, hashes)
    data = b"".join(held)
    hashes.update(data)
    return Body(data, length), hashes.digests()


async def _read_spooled(
    payload: StreamReader,
    held: list[bytes],
    announced: int,
    limit_bytes: int,
    spool: Spool,
    stall_s: float,
    hashes: _Hash,
) -> tuple[Body, Digests]:
    reserved = max(announced, 0)
    spool.reserve(reserved)
    descriptor = -1
    length = waiting = sum(map(len, held))
    try:
        descriptor = await spool.open()
        while True:
            piece = await _next(payload, stall_s) if waiting < PIECE_BYTES else b""
            if piece:
                length += len(piece)
                waiting += len(piece)
                if length > limit_bytes:
                    raise too_large(limit_bytes)
                held.append(piece)
                continue
            if not waiting:
                break
            if length > reserved:
                spool.reserve(length - reserved)
                reserved = length
            block = b"".join(held)
            held.clear()
            waiting = 0
            await spool.run(_store, descriptor, block, hashes)
    except BaseException as error:
        if descriptor >= 0:
            os.close(descriptor)
        spool.release(reserved)
        if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
            raise Refused(Reason.INTERNAL_SPOOL, f"{spool.directory}: {error.strerror}") from error
        raise
    spool.release(reserved - length)
    return Body(b"", length, spool, descriptor), hashes.digests()


async def _to_its_end(future: "asyncio.Future[Result]") -> Result:
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


def too_large(limit_bytes: int) -> Refused:
    """The refusal of a body beyond `limit_bytes`."""
    return Refused(Reason.REQUEST_BODY_SIZE, f"more than {limit_bytes} octets")


def _store(descriptor: int, block: bytes, hashes: _Hash) -> None:
    # Both let go of the interpreter lock for large blocks.
    hashes.update(block)
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


async def _next(payload: StreamReader, stall_s: float) -> bytes:
    """What has arrived, waiting for it if nothing has; b"" at the end."""
    try:
        async with asyncio.timeout(stall_s):
            return await payload.readany()
    except TimeoutError:
        raise Refused(Reason.REQUEST_BODY_TIMEOUT, f"nothing for {stall_s:g} s") from None
    except RequestPayloadError as error:
        raise Refused(Reason.REQUEST_CHUNK, f"the second parser: {error}"[:200]) from error
