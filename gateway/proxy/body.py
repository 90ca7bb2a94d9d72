"""Reads the body of a request: into memory, beyond a size into the spool; hashed once and bounded (R5, R10)."""

import asyncio
import hashlib
import os

import msgspec
from aiohttp.web_protocol import RequestPayloadError

from gateway._native import Refused
from gateway.proxy.incoming import Payload
from gateway.proxy.spool import PIECE_BYTES, Body, Spool
from gateway.reasons import Reason


class Digests(msgspec.Struct, frozen=True, gc=False):
    """What was computed over a body; None where it was not asked for."""

    sha256: bytes | None
    sha512: bytes | None


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
    payload: Payload,
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
    payload: Payload,
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


def too_large(limit_bytes: int) -> Refused:
    """The refusal of a body beyond `limit_bytes`."""
    return Refused(Reason.REQUEST_BODY_SIZE, f"more than {limit_bytes} octets")


def _store(descriptor: int, block: bytes, hashes: _Hash) -> None:
    # Both let go of the interpreter lock for large blocks.
    hashes.update(block)
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


async def _next(payload: Payload, stall_s: float) -> bytes:
    """What has arrived, waiting for it if nothing has; b"" at the end."""
    try:
        async with asyncio.timeout(stall_s):
            return await payload.readany()
    except TimeoutError:
        raise Refused(Reason.REQUEST_BODY_TIMEOUT, f"nothing for {stall_s:g} s") from None
    except RequestPayloadError as error:
        raise Refused(Reason.REQUEST_CHUNK, f"the second parser: {error}"[:200]) from error
