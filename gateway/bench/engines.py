"""The engines that this machine has, each under the name by which `[engine]` chooses it."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.config.engine import Engine as Section
from gateway.model import Algorithm
from gateway.reasons import ConfigError
from gateway.signature import fast
from gateway.signature.engines import SETTINGS, Engines, choose

_EVERY: Final = frozenset(Algorithm)
_CHOICES: Final = {
    "single": (Section(p256="single", p384="single", ed25519="single"), _EVERY),
    "batch": (Section(p256="batch", p384="batch", ed25519="batch"), frozenset(SETTINGS)),
    "fast": (Section(p256="fast", p384="fast", ed25519="single"), frozenset(fast.ALGORITHMS)),
}


class Choice(msgspec.Struct, frozen=True):
    """A value of `[engine]`, the engines that it gives, and the algorithms for which it makes a difference."""

    name: str
    engines: Engines
    algorithms: frozenset[Algorithm]

    def described(self, algorithm: Algorithm) -> str:
        """Which library that is, and for batches also which one takes those that are too small."""
        return without_build(self.engines.described()[SETTINGS.get(algorithm, "rsa")])


def without_build(text: str) -> str:
    """Names of libraries without what stands in brackets: the versions are told elsewhere."""
    return re.sub(r" \([^)]*\)", "", text)


def in_use() -> Engines:
    """What a gateway takes that is not told otherwise."""
    return choose(Section())


def available() -> Iterator[Choice]:
    """All choices that this machine has."""
    for name, (section, algorithms) in _CHOICES.items():
        try:
            yield Choice(name, choose(section), algorithms)
        except ConfigError:
            continue  # not built in, or not for this processor
