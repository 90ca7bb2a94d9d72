"""What a benchmark found: one value for the table, the JSON object and the page."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.bench.load import Proof, Sent
from gateway.bench.plan import USUAL_BODY, USUAL_COMPONENTS
from gateway.bench.planner import Answer
from gateway.bench.stages import STAGES, Cost, Operation, Spread, spread
from gateway.demo.tally import Latencies


class Load(msgspec.Struct, frozen=True):
    """The rounds of one kind of load: which requests of which algorithm, how many at a time, on how many workers."""

    kind: str
    algorithm: str
    at_once: int
    workers: int
    rounds: tuple[Sent, ...]

    @property
    def per_s(self) -> Spread:
        """Requests a second with the workers saturated."""
        return spread([sent.requests / sent.seconds for sent in self.rounds])

    @property
    def worker_us(self) -> Spread | None:
        """µs of CPU in the workers for each request; None where the system does not tell."""
        found = [1e6 * sent.worker_s / sent.requests for sent in self.rounds if sent.worker_s is not None]
        return spread(found) if len(found) == len(self.rounds) else None

    @property
    def store_us(self) -> Spread | None:
        """µs of CPU in the store for each request."""
        found = [1e6 * sent.store_s / sent.requests for sent in self.rounds if sent.store_s is not None]
        return spread(found) if len(found) == len(self.rounds) else None

    @property
    def generator(self) -> float:
        """Share of a core that the load generator took; close to 1, it is what is measured."""
        return sum(sent.generator_s for sent in self.rounds) / sum(sent.seconds for sent in self.rounds)

    @property
    def failures(self) -> int:
        """Answers that were no success."""
        return sum(sent.failures for sent in self.rounds)

    @property
    def cost_us(self) -> float:
        """µs for each request: of CPU if that is known, else of a saturated worker's time."""
        return self.worker_us.median if self.worker_us is not None else self.workers * 1e6 / self.per_s.median


class Latency(msgspec.Struct, frozen=True):
    """Open loop at `per_s`, which is half of what saturates the worker."""

    per_s: float
    latencies: Latencies
    failures: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `engine` is what the pieces were measured with; `cores` tells where processes ran, for each number of
    workers; `facts` name machine, versions and command."""

    facts: Mapping[str, str]
    engine: str
    costs: Sequence[Cost]
    operations: Sequence[Operation]
    claim: Spread
    loads: Sequence[Load]
    latency: Latency
    proofs: Sequence[Proof]
    answer: Answer
    cores: Mapping[int, str]

    @property
    def failures(self) -> int:
        """Honest requests that were not let through."""
        return sum(load.failures for load in self.loads) + self.latency.failures

    @property
    def good(self) -> bool:
        """Every honest request was let through, every tampered or repeated one was refused."""
        return not self.failures and all(proof.holds for proof in self.proofs)

    def usual(self) -> list[Cost]:
        """The pieces of a usual status report, for each key."""
        return [
            one for one in self.costs if (len(one.case.body), one.case.components) == (USUAL_BODY, USUAL_COMPONENTS)
        ]

    def proof(self) -> str:
        """How the proof went, in one sentence."""
        refused = sum(proof.holds for proof in self.proofs)
        if refused == len(self.proofs):
            return (
                f"After each of {len(self.proofs)} loads a tampered and a repeated request were sent: all of them were "
                "refused with 401."
            )
        wrong = next(proof for proof in self.proofs if not proof.holds)
        return (
            f"After {len(self.proofs) - refused} of {len(self.proofs)} loads a tampered or repeated request was NOT "
            f"refused as it must be (tampered: {wrong.tampered}; sent twice: {wrong.first}, "
            f"then {wrong.repeated}): these figures are worth "
            "nothing."
        )

    def one_worker(self) -> list[Load]:
        """The loads of one worker, one of each kind and algorithm."""
        return [load for load in self.loads if load.workers == 1]

    def document(self) -> dict[str, Any]:
        """The JSON object; times in µs of CPU as median and middle half, if not said otherwise."""
        return {
            "ok": self.good,
            **self.facts,
            "answer": {"devices_per_core": self.answer.devices, "steps": list(self.answer.steps)},
            "proof": {"sentence": self.proof(), "loads": [msgspec.to_builtins(proof) for proof in self.proofs]},
            "engine": self.engine,
            "verification_us": [
                {
                    "algorithm": one.case.key.algorithm.value,
                    "key": one.case.key.name,
                    "body_bytes": len(one.case.body),
                    "components": one.case.components,
                    **{stage: msgspec.to_builtins(one.us[stage]) for stage in STAGES},
                }
                for one in self.costs
            ],
            "engines_us": [msgspec.to_builtins(one) for one in self.operations],
            "replay_claim_us": msgspec.to_builtins(self.claim),
            "loads": [
                {
                    "request": load.kind,
                    "algorithm": load.algorithm,
                    "workers": load.workers,
                    "at_once": load.at_once,
                    "requests_per_s": msgspec.to_builtins(load.per_s),
                    "worker_us": None if load.worker_us is None else msgspec.to_builtins(load.worker_us),
                    "store_us": None if load.store_us is None else msgspec.to_builtins(load.store_us),
                    "load_generator_share_of_a_core": round(load.generator, 3),
                    "failures": load.failures,
                }
                for load in self.loads
            ],
            "latency_ms": {
                "requests_per_s": round(self.latency.per_s, 1),
                **{f"p{100 * share:g}": self.latency.latencies.quantile_ms(share) for share in (0.5, 0.9, 0.99, 0.999)},
                "max": 1000 * self.latency.latencies.longest_s,
            },
            "cores": {str(workers): says for workers, says in self.cores.items()},
        }
