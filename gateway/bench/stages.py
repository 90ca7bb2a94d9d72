"""What one verification costs, in the pieces of which it is made: CPU time of this process, in interleaved rounds."""

import hashlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from gateway._native import parse_digest, parse_head, select
from gateway.bench.cases import ORIGIN, Case
from gateway.bench.engines import Choice
from gateway.model import Job
from gateway.signature.engine import Engine
from gateway.signature.verify import prepare

STAGES: Final = ("parse", "base", "digest", "arithmetic")
BATCH: Final = 8
"""How many signatures an engine is given together, beside one at a time."""
_SCHEME, _AUTHORITY = (part.encode() for part in ORIGIN.split("://"))

Stage: TypeAlias = Callable[[], object]


class Spread(msgspec.Struct, frozen=True):
    """Median and middle half of what several rounds gave, all in one unit."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Of at least two values."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high)


class Cost(msgspec.Struct, frozen=True):
    """µs of CPU that each stage of one case takes."""

    case: Case
    us: Mapping[str, Spread]


def stages_of(case: Case, engine: Engine) -> dict[str, Stage]:
    """The stages as functions, each from what the stage before it made.

    :raises AssertionError: the request does not verify, so no figure about it would mean anything
    """
    raw, body, certificate, algorithm = case.head, case.body, case.certificate, case.key.algorithm
    head = parse_head(raw)
    candidate = select(head)[0]
    digest = parse_digest(head)
    base = candidate.base(_SCHEME, _AUTHORITY)
    sha256 = hashlib.sha256

    def parse() -> object:
        read = parse_head(raw)
        select(read)
        return parse_digest(read)

    def hashed() -> bool:
        return digest is None or digest.matches(sha256(body).digest(), None)

    def arithmetic() -> bool:
        return engine.holds(prepare(candidate, certificate, algorithm, base))

    if not (hashed() and arithmetic()):
        raise AssertionError(f"a request signed with {case.key.title} does not verify")
    return {
        "parse": parse,
        "base": lambda: candidate.base(_SCHEME, _AUTHORITY),
        "digest": hashed,
        "arithmetic": arithmetic,
    }


def job_of(case: Case) -> Job:
    """The public-key operation of a case."""
    candidate = select(parse_head(case.head))[0]
    return prepare(candidate, case.certificate, case.key.algorithm, candidate.base(_SCHEME, _AUTHORITY))


def measure(cases: Sequence[Case], engine: Engine, rounds: int, calls: int, done: Callable[[int], None]) -> list[Cost]:
    """Cost of every case. All take part in every round, so that a machine that drifts meets them alike."""
    run = [stages_of(case, engine) for case in cases]
    times: list[dict[str, list[float]]] = [{stage: [] for stage in STAGES} for _ in cases]
    for number in range(rounds + 1):
        for stages, found in zip(run, times, strict=True):
            for name, stage in stages.items():
                took = cpu_us(stage, calls)
                if number:  # the first round warms up
                    found[name].append(took)
        done(1)
    return [
        Cost(case, {name: spread(values) for name, values in found.items()})
        for case, found in zip(cases, times, strict=True)
    ]


class Operation(msgspec.Struct, frozen=True):
    """µs of CPU for each signature, when an engine gets one or several of them at a time. `choice` is the value of
    `[engine]` that takes it."""

    algorithm: str
    choice: str
    engine: str
    at_once: int
    us: Spread


def measure_engines(
    cases: Sequence[Case], choices: Sequence[Choice], rounds: int, calls: int, done: Callable[[int], None]
) -> list[Operation]:
    """Every engine with every algorithm that it has, one signature at a time and `BATCH` together.

    :raises AssertionError: an engine refuses a signature that holds
    """
    ways: list[tuple[Case, Choice, int, Stage, list[float]]] = []
    for case in cases:
        for choice in choices:
            if case.key.algorithm not in choice.algorithms:
                continue
            for at_once in (1, BATCH):
                jobs = [job_of(case)] * at_once
                if choice.engines.verify(jobs) != [True] * at_once:
                    raise AssertionError(f"{choice.name} refuses a good signature of {case.key.title}")
                ways.append((case, choice, at_once, _verifying(choice.engines, jobs), []))
    for number in range(rounds + 1):
        for _, _, at_once, stage, found in ways:
            took = cpu_us(stage, calls) / at_once
            if number:
                found.append(took)
        done(1)
    return [
        Operation(case.key.title, choice.name, choice.described(case.key.algorithm), at_once, spread(found))
        for case, choice, at_once, _, found in ways
    ]


def _verifying(engine: Engine, jobs: list[Job]) -> Stage:
    return lambda: engine.verify(jobs)


def cpu_us(stage: Stage, calls: int) -> float:
    """µs of this process's CPU for one call."""
    before = time.process_time_ns()
    for _ in range(calls):
        stage()
    return (time.process_time_ns() - before) / calls / 1000
