"""The registry as commands see it: adds, shows, lists and removes clients, and tells every worker of each change."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha1
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import redis

from gateway.clock import Clock, SystemClock
from gateway.model import Status
from gateway.registry import keys, records, store_client
from gateway.registry.pins import Pins
from gateway.registry.records import Record, RecordMismatch
from gateway.registry.registration import Decision, Outcome, Registration, decide, decide_removal
from gateway.registry.store_url import Endpoint

_BATCH: Final = 500
_ATTEMPTS: Final = 10
_CHANGES_LIMIT: Final = 250_000  # about 25 MB of stream; a worker that is further behind starts anew
_DISK_TIMEOUT_MS: Final = 4000

# Compare and set, atomically with the notice of the change: either all keys still hold what the decision was made of,
# and all is written, or nothing is. KEYS: record, index entries, stream. ARGV: what each of them but the stream holds
# (empty: it is not there), what each shall hold, the limit of the stream, the fields of the notice. The notice comes
# first because only it can fail, and a script is not rolled back.
_WRITE: Final = b"""\
local n = #KEYS - 1
for i = 1, n do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[i] then return 0 end
end
redis.call('XADD', KEYS[n + 1], 'MAXLEN', '~', ARGV[2 * n + 1], '*', unpack(ARGV, 2 * n + 2))
for i = 1, n do
  redis.call('SET', KEYS[i], ARGV[n + i])
end
return 1
"""
_WRITE_SHA1: Final = sha1(_WRITE, usedforsecurity=False).hexdigest()


class Result(msgspec.Struct, frozen=True):
    """What became of one registration or removal, with a sentence for the operator."""

    realm: str
    client_id: str
    outcome: Outcome
    sentence: str


class Damaged(msgspec.Struct, frozen=True):
    """A record that cannot be read; `why` says what is wrong with it."""

    realm: str
    client_id: str
    why: str


class _Task(msgspec.Struct, frozen=True):
    """One registration, or a removal where there is none, while its batch is on the way."""

    realm: str
    client_id: str
    registration: Registration | None = None
    reason: str = ""


class _Known(msgspec.Struct, frozen=True):
    """What the store holds about a task: the record as it is and as it reads, and the index entries by SPKI hash."""

    data: bytes
    record: Record | Damaged | None
    owners: Mapping[str, str]


class Store:
    """A registry that is open for administration; close it, or use it in a `with` statement.

    Every method raises ConfigError (config.store_unreachable) when the store cannot be reached or used.
    """

    def __init__(self, client: "redis.Redis", endpoint: Endpoint, who: str, clock: Clock) -> None:
        self._client: Any = client  # redis-py's answers are typed for text and octets at once
        self._endpoint = endpoint
        self._who = who
        self._clock = clock

    @classmethod
    def connect(cls, endpoint: Endpoint, who: str, clock: Clock | None = None) -> Self:
        """Open a registry.

        :param who: stands in the notice of each change, for example `cli:alice`
        """
        return cls(store_client.connect(endpoint), endpoint, who, clock or SystemClock())

    @property
    def pins(self) -> Pins:
        """Fingerprints that an operator vouches for."""
        return Pins(self._client, self._endpoint, self._who, self._clock, self._wait_for_disk)

    def version(self) -> str:
        """Product and version of the server; empty if it does not tell."""
        return store_client.version(self._client, self._endpoint)

    def add(self, registration: Registration) -> Result:
        """Bind one certificate to one client (R20)."""
        return next(self.add_all([registration]))

    def add_all(self, registrations: Iterable[Registration]) -> Iterator[Result]:
        """Bind many, in few round trips; results come in the same order, batch by batch, when they are safe on disk."""
        tasks = (_Task(wanted.realm, wanted.client_id, wanted) for wanted in registrations)
        while batch := list(islice(tasks, _BATCH)):
            yield from self._carry_out(batch)

    def remove(self, realm: str, client_id: str, reason: str = "") -> Result:
        """Put a tombstone in the place of a client and of each of its keys (R22)."""
        return self._carry_out([_Task(realm, client_id, reason=reason)])[0]

    def get(self, realm: str, client_id: str) -> Record | Damaged | None:
        """The record of one client; None if there is none."""
        with store_client.translated(self._endpoint):
            data: bytes | None = self._client.get(keys.client_key(realm, client_id))
        return None if data is None else _read(data, _Task(realm, client_id))

    def iterate(self, realm: str) -> Iterator[Record | Damaged]:
        """All clients of a realm, tombstones included, in no order. Those that come or go meanwhile may be missed."""
        prefix = keys.client_key(realm, "")
        seen: set[bytes] = set()
        cursor = 0
        while True:
            with store_client.translated(self._endpoint):
                cursor, found = self._client.scan(cursor, match=prefix + b"*", count=1000)
                names = [name for name in dict.fromkeys(found) if name not in seen]
                values: list[bytes | None] = self._client.mget(names) if names else []
            seen.update(names)
            for name, data in zip(names, values, strict=True):
                if data is not None:
                    yield _read(data, _Task(realm, name.removeprefix(prefix).decode(errors="replace")))
            if cursor == 0:
                return

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _carry_out(self, tasks: Sequence[_Task]) -> list[Result]:
        results: dict[int, Result] = {}
        waiting = dict(enumerate(tasks))
        idle = 0
        while waiting:
            # What somebody else changed between reading and writing (a task of the same batch, too) is decided anew.
            before = len(waiting)
            waiting = self._attempt(waiting, results)
            idle = idle + 1 if len(waiting) == before else 0
            if idle == _ATTEMPTS:
                raise store_client.trouble(self._endpoint, "is changed by somebody else all the time: try again")
        self._wait_for_disk()
        return [results[number] for number in range(len(tasks))]

    def _attempt(self, tasks: Mapping[int, _Task], results: dict[int, Result]) -> dict[int, _Task]:
        now_s = int(self._clock.now())
        found = self._read_all(tasks)
        written: dict[int, Result] = {}
        with store_client.translated(self._endpoint), self._client.pipeline(transaction=False) as pipe:
            pipe.script_load(_WRITE)
            for number, task in tasks.items():
                decision = _decide(task, found[number], now_s)
                result = Result(task.realm, task.client_id, decision.outcome, decision.sentence)
                if decision.record is None:
                    results[number] = result
                else:
                    self._queue(pipe, decision, decision.record, found[number], now_s)
                    written[number] = result
            done = pipe.execute()[1:] if written else []
        for number, fits in zip(written, done, strict=True):
            if fits:
                results[number] = written[number]
        return {number: task for number, task in tasks.items() if number not in results}

    def _read_all(self, tasks: Mapping[int, _Task]) -> dict[int, _Known]:
        with store_client.translated(self._endpoint):
            values = self._client.mget([keys.client_key(task.realm, task.client_id) for task in tasks.values()])
            datas: dict[int, bytes] = {number: data or b"" for number, data in zip(tasks, values, strict=True)}
            read = {number: _read(data, tasks[number]) if data else None for number, data in datas.items()}
            wanted = [(number, spki) for number, task in tasks.items() for spki in _keys_of(task, read[number])]
            names = [keys.spki_key(tasks[number].realm, spki) for number, spki in wanted]
            values = self._client.mget(names) if names else []
        owners: dict[int, dict[str, str]] = {number: {} for number in tasks}
        for (number, spki), value in zip(wanted, values, strict=True):
            owners[number][spki] = "" if value is None else value.decode(errors="replace")
        return {number: _Known(datas[number], read[number], owners[number]) for number in tasks}

    def _queue(self, pipe: Any, decision: Decision, record: Record, known: _Known, now_s: int) -> None:
        index = decision.index
        names = [keys.client_key(record.realm, record.id), *(keys.spki_key(record.realm, spki) for spki in index)]
        before = [known.data, *(known.owners[spki] for spki in index)]
        after = [records.encode(record), *index.values()]
        what = decision.outcome.value
        notice = ["realm", record.realm, "id", record.id, "what", what, "who", self._who, "when", now_s]
        arguments = [*names, keys.CHANGES, *before, *after, _CHANGES_LIMIT, *notice]
        pipe.evalsha(_WRITE_SHA1, len(names) + 1, *arguments)

    def _wait_for_disk(self) -> None:
        if not self._endpoint.embedded:
            return
        with store_client.translated(self._endpoint):
            local, _ = self._client.waitaof(1, 0, _DISK_TIMEOUT_MS)
        if local < 1:
            raise store_client.trouble(self._endpoint, "has the change in memory, but does not get it onto its disk")


def _decide(task: _Task, known: _Known, now_s: int) -> Decision:
    existing = known.record
    if isinstance(existing, Damaged):
        if task.registration is not None:
            return Decision(Outcome.DAMAGED, f"{existing.why}; remove the client first")
        # What is left of it cannot be kept, but the id can be blocked.
        existing = Record(realm=task.realm, id=task.client_id, status=Status.PENDING, since=now_s)
    if task.registration is None:
        return decide_removal(task.client_id, existing, known.owners, task.reason, now_s)
    return decide(task.registration, existing, known.owners, now_s)


def _keys_of(task: _Task, existing: Record | Damaged | None) -> set[str]:
    """The new key, and those that the record has."""
    found = {certificate.spki_sha256 for certificate in existing.certs} if isinstance(existing, Record) else set()
    if task.registration is not None:
        found.add(task.registration.certificate.spki_sha256)
    return found


def _read(data: bytes, task: _Task) -> Record | Damaged:
    try:
        return records.decode_whole(data, task.realm, task.client_id)
    except RecordMismatch as error:
        return Damaged(task.realm, task.client_id, str(error))
