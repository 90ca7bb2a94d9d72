"""Carries changes of the registry out: reads what they need, has them decided, writes what still fits, with notices."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import redis

from gateway.clock import Clock
from gateway.registry import atomic_writes, keys, ordered_writes, safety, store_client
from gateway.registry.changeset import Changeset, Entry, changeset, notice_of
from gateway.registry.damaged import Damaged, read_or_damaged
from gateway.registry.operations import Change, decide_change, keys_of
from gateway.registry.records import Record
from gateway.registry.registration import Outcome
from gateway.registry.store_url import ClusterStore, RemoteStore

_ATTEMPTS: Final = 10


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
        self._ordered = isinstance(endpoint, ClusterStore)
        self._begun: dict[int, tuple[Entry, ...]] = {}
        self._alone = False

    def carry_out(self, changes: Sequence[Change]) -> list[Result]:
        """Carry out one batch in few round trips; it is safe on disk when the results come.

        :raises ConfigError: config.store_unreachable
        """
        results: dict[int, Result] = {}
        waiting = dict(enumerate(changes))
        self._alone = len(changes) == 1
        idle = 0
        while waiting:
            # What somebody else changed between reading and writing (a change of the same batch, too) is decided anew.
            before = len(waiting)
            waiting = self._attempt(waiting, results)
            idle = idle + 1 if len(waiting) == before else 0
            if idle == _ATTEMPTS:
                raise store_client.trouble(self._endpoint, "is changed by somebody else all the time: try again")
        self._begun = {}
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
        writes: dict[int, Changeset] = {}
        written: dict[int, Result] = {}
        for number, change in changes.items():
            known = found[number]
            decision = decide_change(change, known.record, known.owners, now_s)
            result = Result(change.realm, change.client_id, decision.outcome, decision.sentence)
            notice = notice_of(change, decision, self._who, now_s)
            if decision.record is None:
                results[number] = result
                if self._ordered and self._rehearsed is None:
                    self._take_back(number, known, change.realm)
                    if decision.outcome is Outcome.UNCHANGED and self._alone:
                        ordered_writes.tell(self._client, self._endpoint, notice)
            else:
                writes[number] = changeset(decision, decision.record, known.data, known.owners, notice)
                written[number] = result
        for number, fits in zip(writes, self._send(list(writes.values())), strict=True):
            if fits:
                results[number] = written[number]
            elif self._ordered:
                self._begun[number] = writes[number].index
        return {number: change for number, change in changes.items() if number not in results}

    def _take_back(self, number: int, known: _Known, realm: str) -> None:
        """Nothing is written after all: the keys that an earlier attempt gave to the client are nobody's again."""
        orphans = ordered_writes.orphans(self._begun.pop(number, ()), known.record, realm)
        ordered_writes.undo(self._client, self._endpoint, orphans)

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

    def _get(self, names: Sequence[bytes]) -> list[bytes]:
        """What keys hold; empty for those that are not there."""
        if not names:
            return []
        with store_client.translated(self._endpoint):
            values: list[bytes] = [value or b"" for value in self._client.mget(names)]
        if self._rehearsed:
            return [self._rehearsed.get(name, value) for name, value in zip(names, values, strict=True)]
        return values

    def _send(self, writes: Sequence[Changeset]) -> list[bool]:
        """Write each if its keys still hold what they held; which did."""
        if not writes:
            return []
        if self._rehearsed is not None:
            return [self._rehearse(write, self._rehearsed) for write in writes]
        write = ordered_writes.write if self._ordered else atomic_writes.write
        return write(self._client, self._endpoint, writes)

    def _rehearse(self, write: Changeset, memory: dict[bytes, bytes]) -> bool:
        # Only a change of the same rehearsal can have come in between.
        if any(memory.get(entry.name, entry.before) != entry.before for entry in write.entries):
            return False
        memory.update((entry.name, entry.after) for entry in write.entries)
        return True


def _keys_of(change: Change, existing: Record | Damaged | None) -> set[str]:
    """The new keys, and those that the record has."""
    found = keys_of(change)
    if isinstance(existing, Record):
        found |= {certificate.spki_sha256 for certificate in existing.certs}
    return found
