"""Looks for what the device signed: the plain reading first, then one change, then two together, until the budget is
spent."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.explain.form import Change, Form, Variation
from gateway.explain.octets import Octets
from gateway.explain.oracle import Budget, Oracle, Way

_PAIRS: Final = 500
_PAIRED_OF_AN_AXIS: Final = 16
_TRIED_WITH_OTHER_WAYS: Final = 40
"""The long tails of the lists are not tried together with a second mistake."""


class Finding(msgspec.Struct, frozen=True):
    """With these changes the signature verifies; `base` is what the device signed."""

    changes: tuple[Change, ...]
    base: bytes


def search(
    form: Form,
    readings: Sequence[Octets],
    oracle: Oracle,
    variations: Iterable[Variation],
    budget: Budget,
) -> Finding | None:
    """The first set of changes with which the signature holds; None if none was found within the budget."""
    plain = form.octets()
    for reading in readings:
        for way in oracle.ways(reading.octets):
            if not budget.spend():
                return None
            if way.check(reading.octets, plain):
                return Finding((*reading.changes, *way.changes), plain)
    known = list(variations)
    if not readings:
        return None
    reading = readings[0]
    ways = list(oracle.ways(reading.octets))
    if not ways:
        return None
    usual, others = ways[0], ways[1:]
    found = _singles(form, reading, usual, known, budget) or _pairs(form, reading, usual, known, budget)
    for way in others if found is None else ():
        found = found or _singles(form, reading, way, known[:_TRIED_WITH_OTHER_WAYS], budget)
    return found


def _singles(form: Form, reading: Octets, way: Way, variations: Sequence[Variation], budget: Budget) -> Finding | None:
    for variation in variations:
        base = variation.apply(form).octets()
        if not budget.spend():
            return None
        if way.check(reading.octets, base):
            return Finding((*reading.changes, *way.changes, variation.change), base)
    return None


def _pairs(form: Form, reading: Octets, way: Way, variations: Sequence[Variation], budget: Budget) -> Finding | None:
    """Two changes of different axes, those first that stand early in the list."""
    chosen = _few_of_each(variations)
    pairs = [
        (one, other) for at, one in enumerate(chosen) for other in chosen[at + 1 :] if one[1].axis != other[1].axis
    ]
    pairs.sort(key=lambda pair: pair[0][0] + pair[1][0])
    for (_, first), (_, second) in pairs[:_PAIRS]:
        base = second.apply(first.apply(form)).octets()
        if not budget.spend():
            return None
        if way.check(reading.octets, base):
            return Finding((*reading.changes, *way.changes, first.change, second.change), base)
    return None


def _few_of_each(variations: Sequence[Variation]) -> list[tuple[int, Variation]]:
    """Variations with their rank within their axis."""
    ranks: dict[str, int] = {}
    chosen = []
    for variation in variations:
        rank = ranks.get(variation.axis, 0)
        ranks[variation.axis] = rank + 1
        if rank < _PAIRED_OF_AN_AXIS:
            chosen.append((rank, variation))
    return chosen
