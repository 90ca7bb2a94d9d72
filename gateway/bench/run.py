"""The benchmark from begin to end: the pieces in this process, then load on gateways that it starts itself."""

import contextlib
import datetime
import random
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from gateway.bench import engines, site
from gateway.bench.cases import keys, make_case
from gateway.bench.claims import measure_claims
from gateway.bench.load import POLL, REPORT, Proof, Sent, paced, presigned, prove, saturate
from gateway.bench.plan import LOADED, QUICK_ALGORITHMS, USUAL_BODY, USUAL_COMPONENTS, Plan
from gateway.bench.planner import carried
from gateway.bench.result import Latency, Load, Result
from gateway.bench.site import PUBLIC_URL, Site
from gateway.bench.stages import Cost, Operation, Spread, measure, measure_engines
from gateway.demo.device import Device
from gateway.demo.pki import Identity, issue, make_authority
from gateway.demo.screen import Screen
from gateway.demo.tally import Latencies
from gateway.fleet import descriptors
from gateway.fleet.wire import Pool, Target
from gateway.model import Algorithm
from gateway.signature.engine import Engine
from gateway.signing import load_private_key

P256: Final = Algorithm.ECDSA_P256_SHA256
_DEVICES: Final = 50
_RSA_DEVICES: Final = 2
"""An RSA key takes a thousand times longer to make than the others."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for. `report_every` is how many polls come for each status report."""

    plan: Plan
    interval_s: float
    report_every: int
    connections: int
    facts: Mapping[str, str]


def bench(settings: Settings, screen: Screen) -> Result:
    """Measure everything.

    :raises ConfigError: a process does not start, or not enough file descriptors
    """
    plan = settings.plan
    descriptors.reserve(settings.connections)
    engine = engines.in_use()
    screen.say("What one verification costs, in pieces ...")
    with _folder() as folder:
        with screen.counting("pieces of a verification", 2 * (plan.rounds + 1) + 2) as counting:
            costs, operations, claim = _pieces(plan, engine, folder, counting.add)
        screen.say("Through a gateway of its own, one worker and more ...")
        steps = plan.load_rounds * (len(LOADED) + 1 + len(plan.workers) - 1) + 1
        with screen.counting("load on a gateway", steps) as counting:
            through = uvloop.run(_Through(settings, folder, counting.add).run())
    return Result(
        facts=settings.facts,
        engine=engines.without_build(engine.name),
        costs=costs,
        operations=operations,
        claim=claim,
        loads=through.loads,
        latency=through.latency,
        proofs=through.proofs,
        answer=carried(through.cost_us(POLL), through.cost_us(REPORT), settings.report_every, settings.interval_s),
        cores=through.cores,
    )


def _pieces(
    plan: Plan, engine: Engine, folder: Path, done: Callable[[int], None]
) -> tuple[list[Cost], list[Operation], Spread]:
    made = list(keys(plan.rsa_bits))
    done(1)
    bodies = [bytes(random.Random(size).randbytes(size)) for size in plan.bodies]
    cases = [make_case(key, body, count) for key in made for body in bodies for count in plan.components]
    usual = [case for case in cases if (len(case.body), case.components) == (USUAL_BODY, USUAL_COMPONENTS)]
    costs = measure(cases, engine, plan.rounds, plan.calls, done)
    operations = measure_engines(usual, list(engines.available()), plan.rounds, plan.calls, done)
    claim = measure_claims(folder / "claims", plan.rounds, 100)
    done(1)
    return costs, operations, claim


class _Found(msgspec.Struct):
    loads: list[Load]
    latency: Latency
    proofs: list[Proof]
    cores: dict[int, str]

    def cost_us(self, kind: str) -> float:
        """Of one request of a device with a P-256 key, on one worker."""
        return next(
            load.cost_us for load in self.loads if (load.kind, load.algorithm, load.workers) == (kind, P256.value, 1)
        )


class _Through:
    """Load on gateways, one after the other, each with its number of workers."""

    def __init__(self, settings: Settings, folder: Path, done: Callable[[int], None]) -> None:
        self._settings = settings
        self._plan = settings.plan
        self._folder = folder
        self._done = done
        self._proofs: list[Proof] = []
        self._devices: dict[Algorithm, list[Device]] = {}

    async def run(self) -> _Found:
        site.register(self._folder, self._enlist())
        loads: list[Load] = []
        cores: dict[int, str] = {}
        latency: Latency | None = None
        async with site.backend(self._folder) as backend:
            for workers in self._plan.workers:
                async with site.running(self._folder, workers, backend) as running:
                    cores[workers] = running.cores
                    kinds = [(REPORT, P256)]
                    if workers == 1:
                        kinds += [(POLL, P256), *((REPORT, algorithm) for algorithm in LOADED if algorithm is not P256)]
                    found = await self._loads(running, workers, kinds)
                    loads += found
                    if workers == 1:
                        latency = await self._latency(running, min(load.per_s.median for load in found[:2]) / 2)
        assert latency is not None
        return _Found(loads, latency, self._proofs, cores)

    def _enlist(self) -> list[Identity]:
        now = datetime.datetime.now(datetime.UTC)
        authority = make_authority("Benchmark CA", now)
        everybody = []
        for algorithm in LOADED:
            count = _RSA_DEVICES if algorithm.startswith("rsa") else _DEVICES
            fleet = [issue(authority, str(uuid.uuid4()), algorithm, now) for _ in range(count)]
            everybody += fleet
            self._devices[algorithm] = [
                Device(one.name, load_private_key(one.key_pem), algorithm, PUBLIC_URL) for one in fleet
            ]
        return everybody

    async def _loads(self, running: Site, workers: int, kinds: list[tuple[str, Algorithm]]) -> list[Load]:
        """Every kind once in every round."""
        rounds: dict[tuple[str, Algorithm], list[Sent]] = {kind: [] for kind in kinds}
        at_once = self._settings.connections
        for number in range(self._plan.load_rounds + 1):
            for (kind, algorithm), sent in rounds.items():
                count = self._plan.requests if algorithm in QUICK_ALGORITHMS else self._plan.slow
                if number == 0:  # warms up: connections, caches
                    count = 2 * at_once
                with self._pool(running) as pool:
                    requests = presigned(self._devices[algorithm], kind, count)
                    took = await saturate(pool, requests, at_once, running.family)
                    await self._prove(pool, algorithm)
                if number:
                    sent.append(took)
                    self._done(1)
        return [
            Load(kind, algorithm.value, at_once, workers, tuple(sent)) for (kind, algorithm), sent in rounds.items()
        ]

    async def _latency(self, running: Site, per_s: float) -> Latency:
        """Polls and reports as a fleet mixes them, at an even rate."""
        latencies = Latencies()
        count = int(per_s * self._plan.paced_s)
        every = self._settings.report_every
        share = count // (every + 1) if every else 0
        requests = presigned(self._devices[P256], POLL, count - share) + presigned(self._devices[P256], REPORT, share)
        random.Random(1).shuffle(requests)
        with self._pool(running) as pool:
            failures = await paced(pool, requests, per_s, latencies)
            await self._prove(pool, P256)
        self._done(1)
        return Latency(per_s, latencies, failures)

    async def _prove(self, pool: Pool, algorithm: Algorithm) -> None:
        self._proofs.append(await prove(pool, self._devices[algorithm][0]))

    @contextlib.contextmanager
    def _pool(self, running: Site) -> Iterator[Pool]:
        pool = Pool(Target("127.0.0.1", running.port), self._settings.connections)
        try:
            yield pool
        finally:
            pool.close()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="wfm-gateway-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
