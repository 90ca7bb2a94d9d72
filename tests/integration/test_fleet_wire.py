"""The load generator's connections against servers that stall, close and babble."""

import asyncio
from collections.abc import Awaitable, Callable

import uvloop

from gateway.fleet.wire import Pool, Target

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def ask(pool: Pool, octets: bytes) -> tuple[int, bytes]:
    reply = await pool.ask(octets)
    return reply.status, reply.content


Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Talk = Callable[[Pool], Awaitable[None]]


def against(server: Server, talk: Talk, limit: int = 2, timeout_s: float = 5.0) -> None:
    async def both() -> None:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await server(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        listener = await asyncio.start_server(guarded, "127.0.0.1", 0)
        async with listener:
            pool = Pool(Target(*listener.sockets[0].getsockname()[:2]), limit, timeout_s)
            try:
                async with asyncio.timeout(20):
                    await talk(pool)
            finally:
                pool.close()

    uvloop.run(both())


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await head(reader)
        writer.write(OK)


def test_connections_are_kept_and_never_more_than_the_limit() -> None:
    async def talk(pool: Pool) -> None:
        answers = await asyncio.gather(*[ask(pool, GET) for _ in range(50)])
        assert set(answers) == {(200, b"ok")}
        assert pool.opened == 2
        assert pool.in_flight == pool.waiting == 0

    against(echo, talk)


def test_a_server_that_closes_is_no_answer_and_the_next_one_gets_a_new_connection() -> None:
    calls = 0

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        await head(reader)
        calls += 1
        if calls > 1:
            writer.write(OK)
            await writer.drain()

    async def talk(pool: Pool) -> None:
        assert (await ask(pool, GET))[0] == 0
        assert await ask(pool, GET) == (200, b"ok")

    against(server, talk, limit=1)


def test_a_server_that_stalls_is_cut_off() -> None:
    async def server(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def talk(pool: Pool) -> None:
        assert await ask(pool, GET) == (0, b"timeout")

    against(server, talk, timeout_s=0.2)


def test_octets_after_an_answer_are_nobodys() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(OK + OK)
        await reader.read()

    async def talk(pool: Pool) -> None:
        assert await ask(pool, GET) == (0, b"octets after the answer")

    against(server, talk)


def test_nobody_listens() -> None:
    async def talk(pool: Pool) -> None:
        lonely = Pool(Target("127.0.0.1", 1), 1)
        try:
            status, why = await ask(lonely, GET)
        finally:
            lonely.close()
        assert (status, why) == (0, b"connect: ConnectionRefusedError")

    against(echo, talk)


def test_what_waits_when_the_pool_closes_is_answered() -> None:
    async def server(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def talk(pool: Pool) -> None:
        asked = [asyncio.ensure_future(ask(pool, GET)) for _ in range(3)]
        while pool.waiting != 2:
            await asyncio.sleep(0)
        pool.close()
        assert {status for status, _ in await asyncio.gather(*asked)} == {0}

    against(server, talk, limit=1)
