"""A blocking client of a cluster for commands: one plain client per master, and each command goes to its key's.

redis-py's own cluster client retries by itself, allows no scripts in pipelines, and does not say on which connection
something was written, which WAIT must know.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Self

import redis
from redis.commands.core import CoreCommands

from gateway.registry.slots import SLOTS, Address, SlotMap, slot_of

_KEYLESS: Final = frozenset({"PING", "INFO", "ACL", "CONFIG"})
_SCRIPT: Final = "EVAL"
_Command = tuple[tuple[Any, ...], dict[str, Any]]

Connect = Callable[[Address], Any]
"""Makes a client of one server."""
Look = Callable[[Sequence[Address]], SlotMap]
"""Asks for the map anew, also these masters that were known before."""


class ClusterClient(CoreCommands):
    """Clients of all masters, as one. Commands without a key go to the first.

    What a master says of a key that it does not have (MOVED, ASK) is followed once; the command was not carried out.
    """

    _event_dispatcher: Any = None  # what redis-py's commands want of a client

    def __init__(self, look: Look, connect: Connect) -> None:
        self._look = look
        self._connect = connect
        self._clients: dict[Address, Any] = {}
        self._owners: list[Any] = []
        self.map: SlotMap
        """Which master has which slots."""
        self.refresh()

    @property
    def masters(self) -> dict[Address, Any]:
        """The client of each master."""
        return dict(self._clients)

    def refresh(self) -> None:
        """Find out anew which master has which slots."""
        self.map = self._look(tuple(self._clients))
        wanted = self.map.masters
        for address in [address for address in self._clients if address not in wanted]:
            self._clients.pop(address).close()
        for address in sorted(wanted):
            if address not in self._clients:
                self._clients[address] = self._connect(address)
        self._owners = [None] * SLOTS
        for first, last, address, _ in self.map.ranges:
            self._owners[first : last + 1] = [self._clients[address]] * (last - first + 1)

    def of(self, key: bytes) -> Any:
        """The client of the master that has `key`."""
        client = self._owners[slot_of(key)]
        if client is None:
            raise redis.exceptions.ClusterDownError("no master has the slot of a key")
        return client

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command with at most one key."""
        try:
            return self.master_for(args).execute_command(*args, **options)
        except redis.exceptions.MovedError:
            self.refresh()
            return self.master_for(args).execute_command(*args, **options)
        except redis.exceptions.AskError as elsewhere:
            return self.ask(elsewhere, args, options)

    def ask(self, elsewhere: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
        """Send a command where its key is being moved to at this moment."""
        client = self._clients.get((elsewhere.host, elsewhere.port))
        if client is None:
            raise elsewhere
        with client.pipeline(transaction=False) as pipe:
            pipe.execute_command("ASKING")
            pipe.execute_command(*args, **options)
            return pipe.execute()[1]

    def master_for(self, args: Sequence[Any]) -> Any:
        """The client of the master that a command is for."""
        name = str(args[0]).upper().partition(" ")[0]
        if name in _KEYLESS:
            return next(iter(self._clients.values()))
        return self.of(_octets(args[3] if name == _SCRIPT else args[1]))

    def mget(self, keys: Any, *args: Any) -> Any:
        """What keys hold, wherever they are."""
        pipe: Any
        with self.pipeline(transaction=False) as pipe:
            for key in (*keys, *args):
                pipe.get(key)
            return pipe.execute()

    def scan_iter(self, match: Any = None, count: int | None = None, **_: Any) -> Iterator[bytes]:  # type: ignore[override]
        """Names of keys at all masters."""
        for client in self._clients.values():
            yield from client.scan_iter(match=match, count=count)

    def pipeline(self, transaction: bool = False) -> "ClusterPipeline":
        """Commands that are sent together, each to its key's master; never one transaction."""
        assert not transaction
        return ClusterPipeline(self)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()


class ClusterPipeline(CoreCommands):
    """Commands with one key each, in one round trip per master."""

    _event_dispatcher: Any = None

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._commands: list[_Command] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands = []

    def execute_command(self, *args: Any, **options: Any) -> Self:
        """Queue one command."""
        self._commands.append((args, options))
        return self

    def execute(self) -> list[Any]:
        """Send all; their answers in order. What moved meanwhile is sent once more."""
        commands, self._commands = self._commands, []
        answers = self._send(commands, range(len(commands)))
        moved = [number for number, answer in answers.items() if isinstance(answer, redis.exceptions.MovedError)]
        if moved:
            self._client.refresh()
            answers |= self._send(commands, moved)
        for number, answer in answers.items():
            if isinstance(answer, redis.exceptions.AskError) and not isinstance(answer, redis.exceptions.MovedError):
                answers[number] = self._client.ask(answer, *commands[number])
            elif isinstance(answer, Exception):
                raise answer
        return [answers[number] for number in range(len(commands))]

    def _send(self, commands: Sequence[_Command], numbers: Sequence[int]) -> dict[int, Any]:
        parts: dict[int, tuple[Any, list[int]]] = {}
        for number in numbers:
            client = self._client.master_for(commands[number][0])
            parts.setdefault(id(client), (client, []))[1].append(number)
        answers: dict[int, Any] = {}
        with contextlib.ExitStack() as stack:
            for client, mine in parts.values():
                pipe = stack.enter_context(client.pipeline(transaction=False))
                for number in mine:
                    args, options = commands[number]
                    pipe.execute_command(*args, **options)
                answers |= zip(mine, pipe.execute(raise_on_error=False), strict=True)
        return answers


def _octets(key: Any) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode()
