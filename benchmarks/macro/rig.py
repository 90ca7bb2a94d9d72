"""What every measurement shares: cores, backend, load, and the proof that verification is behind a number."""

import contextlib
import http.client
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.load.backend import Backend
from benchmarks.load.generator import Shots, cores, send
from benchmarks.macro.fleet import Fleet, public_keys
from benchmarks.macro.gateway import Gateway, Sections, merged
from benchmarks.macro.presign import presign, status_body
from benchmarks.peers.peer import Peer, Running, Site
from gateway.model import Algorithm

DEVICES: Final = 1000
P256: Final = Fleet(Algorithm.ECDSA_P256_SHA256, DEVICES)
P384: Final = Fleet(Algorithm.ECDSA_P384_SHA384, DEVICES)
LOGGED: Final[Sections] = {"log": {"requests": "all"}}
"""Every decision gets a log line."""
PROOFS: Final = 200


class Load(msgspec.Struct, frozen=True):
    """One load on one subject: CPU microseconds per request of it and of its store, and answers per second."""

    cpu_us: float
    store_us: float
    rate: float


class Feed:
    """Signed requests that one gateway takes one after the other, none of them twice."""

    def __init__(self, shots: Shots, once: bool = True) -> None:
        self.shots = shots
        self._once = once
        self._next = 0

    def take(self, requests: int) -> int:
        """The number of the first of the next `requests`."""
        if self._once and self._next + requests > self.shots.count:
            raise RuntimeError(f"only {self.shots.count} requests were signed")
        first, self._next = self._next, self._next + requests
        return first


class Rig:
    """Two cores and a backend. `progress` is told what is being measured."""

    def __init__(self, folder: Path, backend: Backend, progress: Callable[[str], None]) -> None:
        self.folder = folder
        self.backend = backend
        self.say = progress
        self.core, self.beside = cores()
        self._serial = 0

    def place(self) -> Path:
        """A folder that nobody has yet."""
        self._serial += 1
        return self.folder / str(self._serial)

    def gateway(self, name: str, fleet: Fleet, *sections: Sections, pinned: bool = True) -> Gateway:
        """A gateway in front of the backend, not started."""
        core = self.core if pinned else None
        every = merged(LOGGED, *sections)
        return Gateway(name, self.place(), self.backend.port, fleet, every, core=core, beside=self.beside)

    @contextlib.contextmanager
    def peer(self, peer: Peer, fleet: Fleet) -> Iterator[Running]:
        """A peer in front of the backend, with the keys of a fleet."""
        folder = self.place()
        folder.mkdir()
        keys = public_keys(fleet, folder / "keys.json")
        with peer.start(Site(folder, self.backend.port, keys, self.core)) as running:
            yield running

    def sign(self, fleet: Fleet, count: int, devices: Sequence[int] | None = None) -> Shots:
        """So many status reports, from all devices in turn or from `devices` in turn."""
        self.say(f"signing {count:,} requests")
        numbers = range(fleet.count) if devices is None else devices
        return presign(self.folder, fleet, [numbers[i % len(numbers)] for i in range(count)], status_body())

    def load(self, subject: Running, feed: Feed, requests: int, connections: int, limit_s: float = 60.0) -> Load:
        """Saturate a subject with `requests`.

        :raises LoadFailed: not every answer was 200
        """
        self.say(f"{subject.name}, {connections} connections")
        first = feed.take(requests)
        cpu, store = subject.cpu_ns(), subject.store_ns()
        done = send(
            subject.port,
            feed.shots,
            requests,
            connections=connections,
            first=first,
            core=self.beside,
            limit_s=limit_s,
        )
        cpu, store = subject.cpu_ns() - cpu, subject.store_ns() - store
        return Load(cpu / requests / 1e3, store / requests / 1e3, done.rate)


class Prover:
    """Shows after a load that the subject verifies and notices repetition: a number without that is worth nothing."""

    def __init__(self, rig: Rig, fleet: Fleet) -> None:
        shots = presign(rig.folder, fleet, [i % fleet.count for i in range(PROOFS)], status_body())
        assert shots.body is not None
        self._body = shots.body.read_bytes()
        self._heads = shots.heads.read_bytes().split(b"\r\n\r\n")[:-1]
        self._next = 0
        self.proofs = 0

    def prove(self, subject: Running, replay: bool = True) -> None:
        """A changed request and a repeated one must be 401; the same request, once and unchanged, 200.

        :param replay: false for peers that do not notice repetition
        :raises AssertionError: the subject does not do what it is measured for
        """
        head = self._heads[self._next % len(self._heads)]
        self._next += 1
        target, fields = _taken_apart(head)
        changed = target[: -len("/status")]
        changed = changed[:-1] + ("0" if changed[-1] != "0" else "1") + "/status"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", subject.port, timeout=20)) as connection:
            got = [_status(connection, path, fields, self._body) for path in (changed, target, target)]
        expected = [401, 200, 401 if replay else 200]
        if got != expected:
            raise AssertionError(f"{subject.name}: changed, good, repeated request got {got}, not {expected}")
        self.proofs += 1


def _taken_apart(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode().split("\r\n")
    return first.split(" ")[1], dict(line.split(": ", 1) for line in lines)


def _status(connection: http.client.HTTPConnection, target: str, fields: dict[str, str], body: bytes) -> int:
    connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
    for name, value in fields.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def sized(rate: float, seconds: float) -> int:
    """How many requests make a load of about so many seconds."""
    return max(200, int(rate * seconds))


def stay_beside(core: int) -> None:
    """Keep this process off the core that is measured."""
    os.sched_setaffinity(0, {core})


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)
