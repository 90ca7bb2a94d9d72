"""Carries changes of the registry out: reads what they need, has them decided, writes what still fits, with notices."""

from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import Any, Final

import msgspec
import redis

from gateway.clock import Clock
from gateway.registry import keys, records, safety, store_client
from gateway.registry.damaged import Damaged, read_or_damaged
from gateway.registry.operations import Change, StateChange, decide_change, keys_of
from gateway.registry.records import Record
from gateway.registry.registration import Decision, Outcome
from gateway.registry.store_url import RemoteStore

_ATTEMPTS: Final = 10
CHANGES_LIMIT: Final = 250_000
"""Entries of the change stream, about 25 MB; a worker that is further behind starts anew."""

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
    """What became of one change, with a sentence for the operator."""

    realm: str
    client_id: str
    outcome: Outcome
    sentence: str


class _Known(msgspec.Struct, frozen=True):
    """What the store holds about a change: the record as it is and as it reads, and the index entries by SPKI hash."""

    data: bytes
    record: Record | Damaged | None
    owners: Mapping[str, str]


class _Write(msgspec.Struct, frozen=True):
    """What a decision wants written: keys, what they held when it was made, what they shall hold, and the notice."""

    names: Sequence[bytes]
    before: Sequence[bytes]
    after: Sequence[bytes]
    notice: Sequence[str | int]


class Writer:
    """Changes the registry in one store. `who` stands in each notice.

    :param rehearsal: decide only: what would be written goes into a memory of its own, where later changes find it
    """

    def __init__(
        self, client: "redis.Redis", endpoint: RemoteStore, who: str, clock: Clock, rehearsal: bool = False
    ) -> None:
        self._client: Any = client  # redis-py's answers are typed for text and octets at once
        self._endpoint = endpoint
        self._who = who
        self._clock = clock
        self._rehearsed: dict[bytes, bytes] | None = {} if rehearsal else None

    def carry_out(self, changes: Sequence[Change]) -> list[Result]:
        """Carry out one batch in few round trips; it is safe on disk when the results come.

        :raises ConfigError: config.store_unreachable
        """
        results: dict[int, Result] = {}
        waiting = dict(enumerate(changes))
        idle = 0
        while waiting:
            # What somebody else changed between reading and writing (a change of the same batch, too) is decided anew.
            before = len(waiting)
            waiting = self._attempt(waiting, results)
            idle = idle + 1 if len(waiting) == before else 0
            if idle == _ATTEMPTS:
                raise store_client.trouble(self._endpoint, "is changed by somebody else all the time: try again")
        if self._rehearsed is None:
            safety.settle(self._client, self._endpoint)
        return [results[number] for number in range(len(changes))]

    def keep(self, entries: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
        """Set each key, unless it is there; for each, what it held (None: nothing, and it is set now).

        :raises ConfigError: config.store_unreachable
        """
        if not entries:
            return []
        with store_client.translated(self._endpoint), self._client.pipeline(transaction=False) as pipe:
            for name, value in entries:
                pipe.set(name, value, nx=True)
                pipe.get(name)
            answers: list[Any] = pipe.execute()
        safety.settle(self._client, self._endpoint)
        return [None if set_ else held for set_, held in zip(answers[::2], answers[1::2], strict=True)]

    def _attempt(self, changes: Mapping[int, Change], results: dict[int, Result]) -> dict[int, Change]:
        now_s = int(self._clock.now())
        found = self._read_all(changes)
        writes: dict[int, _Write] = {}
        written: dict[int, Result] = {}
        for number, change in changes.items():
            known = found[number]
            decision = decide_change(change, known.record, known.owners, now_s)
            result = Result(change.realm, change.client_id, decision.outcome, decision.sentence)
            if decision.record is None:
                results[number] = result
            else:
                writes[number] = self._write(change, decision, decision.record, known, now_s)
                written[number] = result
        for number, fits in zip(writes, self._send(list(writes.values())), strict=True):
            if fits:
                results[number] = written[number]
        return {number: change for number, change in changes.items() if number not in results}

    def _read_all(self, changes: Mapping[int, Change]) -> dict[int, _Known]:
        values = self._get([keys.client_key(change.realm, change.client_id) for change in changes.values()])
        datas = dict(zip(changes, values, strict=True))
        read = {
            number: read_or_damaged(data, changes[number].realm, changes[number].client_id) if data else None
            for number, data in datas.items()
        }
        wanted = [(number, spki) for number, change in changes.items() for spki in _keys_of(change, read[number])]
        values = self._get([keys.spki_key(changes[number].realm, spki) for number, spki in wanted])
        owners: dict[int, dict[str, str]] = {number: {} for number in changes}
        for (number, spki), value in zip(wanted, values, strict=True):
            owners[number][spki] = value.decode(errors="replace")
        return {number: _Known(datas[number], read[number], owners[number]) for number in changes}

    def _write(self, change: Change, decision: Decision, record: Record, known: _Known, now_s: int) -> _Write:
        index = decision.index
        names = [keys.client_key(record.realm, record.id), *(keys.spki_key(record.realm, spki) for spki in index)]
        before = [known.data, *(known.owners[spki].encode() for spki in index)]
        after = [records.encode(record), *(entry.encode() for entry in index.values())]
        whose = ("realm", record.realm, "id", record.id)
        notice: list[str | int] = [*whose, "what", decision.outcome.value, "who", self._who, "when", now_s]
        if isinstance(change, StateChange) and change.reason:
            notice += ["why", change.reason]
        if decision.sha256:
            notice += ["cert", decision.sha256]
        return _Write(names, before, after, notice)

    def _get(self, names: Sequence[bytes]) -> list[bytes]:
        """What keys hold; empty for those that are not there."""
        if not names:
            return []
        with store_client.translated(self._endpoint):
            values: list[bytes] = [value or b"" for value in self._client.mget(names)]
        if self._rehearsed:
            return [self._rehearsed.get(name, value) for name, value in zip(names, values, strict=True)]
        return values

    def _send(self, writes: Sequence[_Write]) -> list[bool]:
        """Write each if its keys still hold what they held; which did."""
        if not writes:
            return []
        if self._rehearsed is not None:
            return [self._rehearse(write, self._rehearsed) for write in writes]
        with store_client.translated(self._endpoint), self._client.pipeline(transaction=False) as pipe:
            pipe.script_load(_WRITE)
            for write in writes:
                arguments = [*write.names, keys.CHANGES, *write.before, *write.after, CHANGES_LIMIT, *write.notice]
                pipe.evalsha(_WRITE_SHA1, len(write.names) + 1, *arguments)
            return [done == 1 for done in pipe.execute()[1:]]

    def _rehearse(self, write: _Write, memory: dict[bytes, bytes]) -> bool:
        # Only a change of the same rehearsal can have come in between.
        for name, before in zip(write.names, write.before, strict=True):
            if memory.get(name, before) != before:
                return False
        memory.update(zip(write.names, write.after, strict=True))
        return True


def _keys_of(change: Change, existing: Record | Damaged | None) -> set[str]:
    """The new keys, and those that the record has."""
    found = keys_of(change)
    if isinstance(existing, Record):
        found |= {certificate.spki_sha256 for certificate in existing.certs}
    return found
