"""Which engine each algorithm gets: as configured, and as this machine has them."""

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.config.engine import Engine as Section
from gateway.model import Algorithm, Job
from gateway.reasons import ConfigError, Reason
from gateway.signature import batch, fast
from gateway.signature.batch import LANES, BatchEngine
from gateway.signature.engine import CryptographyEngine, Engine

_P256: Final = Algorithm.ECDSA_P256_SHA256
_P384: Final = Algorithm.ECDSA_P384_SHA384
_ED25519: Final = Algorithm.ED25519
SETTINGS: Final = {_P256: "p256", _P384: "p384", _ED25519: "ed25519"}
"""The setting that chooses for an algorithm. RSA has none: it goes to `cryptography`."""

# From how many on one batch costs less than as many single ones (benchmarks/micro/engines.py).
_WORTH_BESIDE_CRYPTOGRAPHY: Final = {_P256: 3, _P384: 2, _ED25519: 2}
_WORTH_BESIDE_AWS: Final = {_P256: 3, _P384: 3}


class Engines:
    """The engines of one process, and an engine itself.

    :param singles: what takes one job after the other, for each algorithm
    :param batch: what takes several at once, and which algorithms it does so for
    """

    def __init__(
        self,
        singles: Mapping[Algorithm, Engine],
        batch: BatchEngine | None = None,
        batched: frozenset[Algorithm] = frozenset(),
    ) -> None:
        self._singles = singles
        self.batch = batch
        self.batched = batched

    @property
    def name(self) -> str:
        """All of them."""
        return "; ".join(f"{setting} {name}" for setting, name in self.described().items())

    def holds(self, job: Job) -> bool:
        """Does one signature hold? Asked of the single engine.

        :raises Refused: store.bad_answer
        """
        return self._singles[job.algorithm].holds(job)

    def verify(self, jobs: Sequence[Job]) -> list[bool]:
        """One answer a job, in order: together what can be.

        :raises Refused: store.bad_answer
        """
        if self.batch is None:
            return [self.holds(job) for job in jobs]
        answers = [False] * len(jobs)
        by_algorithm: dict[Algorithm, list[int]] = {}
        for index, job in enumerate(jobs):
            by_algorithm.setdefault(job.algorithm, []).append(index)
        for algorithm, indexes in by_algorithm.items():
            for start in range(0, len(indexes), LANES):
                lanes = indexes[start : start + LANES]
                group = [jobs[index] for index in lanes]
                if algorithm in self.batched:
                    held = self.batch.answer(algorithm, group, [self.batch.point(job) for job in group])
                else:
                    held = self._singles[algorithm].verify(group)
                for index, yes in zip(lanes, held, strict=True):
                    answers[index] = yes
        return answers

    def described(self) -> dict[str, str]:
        """Which engine each kind of key has, for people: from `p256` to `rsa`."""
        described = {setting: self._described(algorithm) for algorithm, setting in SETTINGS.items()}
        return described | {"rsa": self._singles[Algorithm.RSA_V1_5_SHA256].name}

    def _described(self, algorithm: Algorithm) -> str:
        single = self._singles[algorithm].name
        if self.batch is None or algorithm not in self.batched:
            return single
        return f"{self.batch.name}; fewer than {self.batch.worth(algorithm)} at a time: {single}"


def choose(section: Section, source: str = "") -> Engines:
    """The engines for this configuration on this machine.

    :param source: the name of the configuration's file, "" for flags
    :raises ConfigError: config.invalid, an engine is named that is not here
    """
    choices: dict[Algorithm, str] = {algorithm: getattr(section, setting) for algorithm, setting in SETTINGS.items()}
    # Looking for an engine loads it, so nobody looks for what nobody wants.
    no_batch = batch.missing() if {"auto", "batch"}.intersection(choices.values()) else "not wanted"
    no_fast = fast.missing() if {"auto", "batch", "fast"}.intersection(choices.values()) else "not wanted"
    for algorithm, choice in choices.items():
        why = {"batch": no_batch, "fast": no_fast}.get(choice)
        if why:
            key = f"{source}: engine.{SETTINGS[algorithm]}" if source else f"engine.{SETTINGS[algorithm]}"
            raise ConfigError(Reason.CONFIG_INVALID, f'{key}: got "{choice}", but {why}; "auto" takes what there is')
    oracle = CryptographyEngine()
    singles: dict[Algorithm, Engine] = dict.fromkeys(Algorithm, oracle)
    worth = dict(_WORTH_BESIDE_CRYPTOGRAPHY)
    aws = [algorithm for algorithm in fast.ALGORITHMS if choices[algorithm] != "single"]
    if aws and not no_fast:
        singles |= dict.fromkeys(aws, fast.AwsEngine(oracle))
        worth |= {algorithm: _WORTH_BESIDE_AWS[algorithm] for algorithm in aws}
    batched = frozenset(algorithm for algorithm, choice in choices.items() if choice in ("auto", "batch"))
    if no_batch or not batched:
        return Engines(singles)
    return Engines(singles, BatchEngine(oracle, singles, worth, batch.natives(), batch.library()), batched)
