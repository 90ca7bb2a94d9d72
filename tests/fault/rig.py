"""What the tests of the store connection share: a clock that stands still, a worker's end of the registry, a deadline."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import uvloop

from gateway.model import Client, Status
from gateway.registry.answers import Found
from gateway.registry.buckets import BucketClaims
from gateway.registry.directory import Directory
from gateway.registry.keys import CHANGES, client_key
from gateway.registry.links import AnyClaims, AnyLink, claims_on, link_to
from gateway.registry.records import Record, encode
from gateway.registry.store_url import RemoteStore
from tests.fault.valkey import Valkey

T = TypeVar("T")
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}
DEADLINE_S = 20.0
PATIENT = {"timeout_s": 5.0, "drop_after_s": 10.0}
"""For tests that are not about time: a busy machine must not look like a store that is away."""


def run(work: Coroutine[Any, Any, T], loop: str = "uvloop") -> T:
    """Run a test's body on the loop of that name."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(asyncio.wait_for(work, 60))


async def until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Let the loop turn until the condition holds; fail at the deadline, with the condition's source."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + deadline_s
    while not condition():
        if loop.time() > end_s:
            raise AssertionError(f"did not come true: {inspect.getsource(condition).strip()}")
        await asyncio.sleep(0.002)


class StillClock:
    """A clock that moves only when it is told."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self.now_s = now_s
        self.monotonic_s = 1_000.0

    def now(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.monotonic_s

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        self.now_s += seconds
        self.monotonic_s += seconds


class Worker:
    """The registry's end of one worker, and what it reported."""

    def __init__(self, link: AnyLink, directory: Directory, claims: AnyClaims, events: list[tuple[str, str]]) -> None:
        self.link = link
        self.directory = directory
        self.changes = directory.changes
        self.cache = directory.cache
        self.claims = claims
        self.events = events

    @property
    def event_names(self) -> list[str]:
        """What happened, without details."""
        return [name for name, _ in self.events]

    async def polled(self) -> None:
        """Wait for a poll that is sent from now on and succeeds."""
        before = self.changes.polls
        self.changes.poll()
        await until(lambda: self.changes.polls > before)

    async def find(self, client_id: str, realm: str = "default") -> Found:
        """Find a client, whether that takes a question to the store or not."""
        found = self.directory.find(realm, client_id)
        return await found if isinstance(found, Awaitable) else found

    async def status_of(self, client_id: str) -> Status | None:
        """The client's status; None if it is not found."""
        found = await self.find(client_id)
        return found.status if isinstance(found, Client) else None


@asynccontextmanager
async def worker(
    store: RemoteStore, clock: Any, *, connect: bool = True, link_options: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Worker]:
    """A worker whose link is open and whose first poll is done, unless `connect` is False."""
    events: list[tuple[str, str]] = []

    def report(event: str, detail: str) -> None:
        events.append((event, detail))

    loop = asyncio.get_running_loop()
    link = link_to(store, clock, loop, report=report, jitter=lambda: 0.0, **(PATIENT | (link_options or {})))
    directory = Directory(link, report=report, **options)
    made = Worker(link, directory, claims_on(link, directory.changes, report), events)
    link.start()
    directory.start()
    try:
        if connect:
            await asyncio.wait_for(made.changes.ready(), DEADLINE_S)
            if isinstance(made.claims, BucketClaims):
                await asyncio.wait_for(made.claims.ready(), DEADLINE_S)
        yield made
    finally:
        directory.close()
        link.close()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn
        await asyncio.sleep(0)


def write(client: Any, record: Record) -> None:
    """Write a record as the administration does: with its notice, in one transaction."""
    transaction = client.pipeline()
    transaction.set(client_key(record.realm, record.id), encode(record))
    transaction.xadd(CHANGES, {"realm": record.realm, "id": record.id, "what": "test", "who": "test", "when": "0"})
    transaction.execute()


def record(name: str, status: Status = Status.PENDING, realm: str = "default") -> Record:
    """A client without certificates."""
    return Record(realm=realm, id=name, status=status, since=0)


async def lose_data(server: Valkey, made: Worker, how: str) -> None:
    """Let the server forget everything by `restart` or `flushall`, and wait until the worker can talk to it again."""
    if how == "flushall":
        server.client.flushall()
        return
    server.kill()
    server.forget()
    await until(lambda: not made.link.connected)
    await asyncio.to_thread(server.start)
    await until(lambda: made.link.connected)
