"""Bodies: memory, then an unnamed file; bounded in size, time and room; hashed as they arrive (R5, R10)."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.streams import StreamReader

from gateway._native import Refused
from gateway.proxy.body import Digests, read
from gateway.proxy.spool import PIECE_BYTES, Body, Spool


def stream(*pieces: bytes, end: bool = True) -> StreamReader:
    """A body stream into which these pieces have come."""
    quiet: Any = SimpleNamespace(
        connected=True, pause_reading=lambda: None, resume_reading=lambda resume_parser=True: None
    )
    reader = StreamReader(quiet, 65536, loop=asyncio.get_running_loop())
    for piece in pieces:
        reader.feed_data(piece)
    if end:
        reader.feed_eof()
    return reader


def take(
    pieces: Callable[[], StreamReader], spool: Spool, announced: int = -1, limit: int = 10**9, **options: Any
) -> tuple[Body, Digests, bytes]:
    """Read a body and, from wherever it is, its octets."""

    async def work() -> tuple[Body, Digests, bytes]:
        body, digests = await read(pieces(), announced, limit, spool, 10.0, **options)
        octets = b"".join([piece async for piece in body.pieces()]) if body.spooled else body.data
        return body, digests, octets

    return asyncio.run(work())


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Room for a megabyte, from 1000 octets on."""
    return Spool(str(tmp_path / "spool"), 1000, 1_000_000)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, PIECE_BYTES, PIECE_BYTES + 1, 900_000])
@pytest.mark.parametrize("split", [1, 7])
def test_octets_and_hashes_are_those_that_came(spool: Spool, size: int, split: int) -> None:
    data = os.urandom(size)
    step = max(1, -(-size // split))
    pieces = [data[at : at + step] for at in range(0, size, step)]
    body, digests, octets = take(lambda: stream(*pieces), spool, size, sha512=True)
    assert octets == data
    assert body.length == size
    assert body.spooled is (size > 1000)
    assert (digests.sha256, digests.sha512) == (hashlib.sha256(data).digest(), hashlib.sha512(data).digest())
    assert spool.used_bytes == (size if body.spooled else 0)
    body.close()
    body.close()
    assert spool.used_bytes == 0


def test_hashes_that_nobody_asked_for_are_not_made(spool: Spool) -> None:
    assert take(lambda: stream(b"abc"), spool, sha256=False)[1] == Digests(None, None)


def test_spooled_body_has_no_name(spool: Spool) -> None:
    body, _, _ = take(lambda: stream(b"x" * 5000), spool)
    assert os.listdir(spool.directory) == []
    body.close()


def refusal(work: Callable[[], Coroutine[Any, Any, Any]]) -> str:
    """The reason with which reading fails."""
    with pytest.raises(Refused) as refused:
        asyncio.run(work())
    return refused.value.reason


@pytest.mark.parametrize("announced", [2001, -1])
@pytest.mark.parametrize("size", [2001, 900_000])
def test_beyond_the_limit_is_refused_as_soon_as_it_is_known(spool: Spool, announced: int, size: int) -> None:
    async def work() -> None:
        endless = stream(b"x" * size, end=False)
        await read(endless, announced, 2000, spool, 10.0)

    assert refusal(work) == "request.body_too_large"
    assert spool.used_bytes == 0


def test_limit_holds_in_memory_and_on_the_quick_way(spool: Spool) -> None:
    async def work() -> None:
        await read(stream(b"x" * 11), -1, 10, spool, 10.0)

    assert refusal(work) == "request.body_too_large"
    assert take(lambda: stream(b"x" * 10), spool, limit=10)[2] == b"x" * 10


def test_room_is_bounded_over_all_bodies(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path), 10, 5000)
    first, _, _ = take(lambda: stream(b"x" * 3000), spool)

    async def work() -> None:
        await read(stream(b"x" * 3000), 3000, 10**6, spool, 10.0)

    assert refusal(work) == "internal.spool_full"
    assert spool.used_bytes == 3000
    first.close()
    second, _, _ = take(lambda: stream(b"x" * 3000), spool)
    second.close()
    assert spool.used_bytes == 0


def test_room_that_cannot_be_written_is_said_to_be_full(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(str(tmp_path / "file"), 10, 5000)

    async def work() -> None:
        await read(stream(b"x" * 100), 100, 1000, spool, 10.0)

    assert refusal(work) == "internal.spool_full"
    assert spool.used_bytes == 0


def test_pause_that_is_too_long_is_refused(spool: Spool) -> None:
    async def work() -> None:
        await read(stream(b"x", end=False), 2, 1000, spool, 0.01)

    assert refusal(work) == "request.body_timeout"


def test_what_the_connections_reader_refuses_ends_the_body(spool: Spool) -> None:
    async def work() -> None:
        body = stream(b"x", end=False)
        asyncio.get_running_loop().call_soon(body.set_exception, Refused("request.bad_chunk", "here"))
        await read(body, -1, 1000, spool, 10.0)

    assert refusal(work) == "request.bad_chunk"


@pytest.mark.parametrize("turns", range(6))
def test_cancelled_in_the_middle_gives_room_and_file_back(spool: Spool, turns: int) -> None:
    async def work() -> None:
        before = sorted(os.listdir("/dev/fd"))
        task = asyncio.ensure_future(read(stream(b"x" * 5000, end=False), -1, 10**6, spool, 10.0))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(os.listdir("/dev/fd")) == before

    asyncio.run(work())
    assert spool.used_bytes == 0
